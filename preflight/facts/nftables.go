package facts

import (
	"slices"
	"strconv"
	"strings"
)

// ParseNFT reads a file of nft(8) as far as it decides who may connect: the
// rules of the chains at the hook input. What it does not understand makes the
// filter unsure.
func ParseNFT(file, text string) Filter {
	f := Filter{Name: "nftables", File: file}
	depth, hook := 0, ""
	other, dropped, allows := false, false, 0
	set := 0 // how deep the braces of a set inside a rule are
	var stmt []string
	line, from := 0, 0
	end := func() {
		if len(stmt) > 0 && !other {
			f.nft(stmt, from, &hook, depth)
		}
		stmt = nil
	}
	for l := range strings.Lines(text) {
		if line++; line > maxRules {
			f.Unsure = "more rules than are looked at"
			break
		}
		for _, w := range nftWords(l) {
			if len(stmt) == 0 {
				from = line
			}
			switch {
			case w == "{" && set == 0 && len(stmt) > 0 && slices.Contains([]string{"table", "chain", "set", "map", "flowtable", "counter", "quota", "limit", "ct"}, stmt[0]):
				if stmt[0] == "table" || stmt[0] == "chain" {
					if stmt[0] == "table" {
						// A table without a family is for IPv4; IPv4 is enough to get in.
						other = len(stmt) > 2 && stmt[1] != "inet" && stmt[1] != "ip"
					} else {
						hook, dropped, allows, f.Drops = "", f.Drops || dropped, len(f.Allows), false
					}
					depth++
				} else {
					set++ // a named object: its body is no rule
				}
				stmt = nil
			case w == "{":
				set++
				stmt = append(stmt, w)
			case w == "}" && set > 0:
				if set--; len(stmt) > 0 {
					stmt = append(stmt, w)
				}
			case w == "}":
				end()
				if depth == 2 {
					// Every chain of the hook has to let a packet in: one that drops nothing
					// does not count, and of two that do not even both.
					if !f.Drops {
						f.Allows = f.Allows[:allows]
					} else if dropped {
						f.Unsure = firstOf(f.Unsure, "two chains drop packets")
					}
				}
				depth, hook = max(0, depth-1), ""
			case w == ";" && set == 0:
				end()
			default:
				stmt = append(stmt, w)
			}
		}
		if set == 0 && !strings.HasSuffix(strings.TrimSpace(l), `\`) {
			end()
		}
	}
	f.Drops = f.Drops || dropped
	return f
}

// nftWords splits a line into words; braces, commas and semicolons stand alone,
// and a comment ends it.
func nftWords(l string) (out []string) {
	if i := strings.IndexByte(l, '#'); i >= 0 {
		l = l[:i]
	}
	for i, part := range strings.Split(l, `"`) {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		part = strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ", ",", " ", `\`, " ").Replace(part)
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// nft takes one statement.
func (f *Filter) nft(w []string, line int, hook *string, depth int) {
	switch w[0] {
	case "include":
		f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(line)+" includes other files")
		return
	case "type":
		if i := slices.Index(w, "hook"); i >= 0 && i+1 < len(w) {
			*hook = w[i+1]
		}
		return
	case "policy":
		if *hook == "input" && len(w) > 1 && w[1] == "drop" {
			f.Drops, f.Line = true, line
		}
		return
	case "add", "insert":
		f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(line)+" adds a rule by a command")
		return
	}
	if depth < 2 {
		return
	}
	switch *hook {
	case "input":
		f.nftInput(w, line)
	case "output":
		verdict := w[len(w)-1]
		if (slices.Contains(w, "drop") || slices.Contains(w, "reject") || verdict == "drop") && !slices.Contains(w, "skuid") {
			for _, a := range metadataAddresses {
				if slices.Contains(w, a) {
					f.Metadata = append(f.Metadata, Allow{File: f.File, Line: line, Ports: []string{a}})
				}
			}
		}
	}
}

func (f *Filter) nftInput(w []string, line int) {
	a := Allow{File: f.File, Line: line}
	other, only := false, ""
	verdict := ""
	for i := 0; i < len(w); {
		word := w[i]
		i++
		switch word {
		case "accept", "drop", "reject", "continue", "return":
			verdict = word
			if word == "reject" {
				i = len(w)
			}
		case "jump", "goto", "vmap", "queue":
			f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(line)+" asks another chain or map")
			return
		case "iif", "iifname":
			v, n, not := nftValue(w[i:])
			i += n
			if a.Interface = strings.Join(v, " "); not {
				a.Interface, only = "", "an exception (!=)"
			}
		case "saddr":
			v, n, not := nftValue(w[i:])
			i += n
			if a.Source = strings.Join(v, " "); not {
				a.Source, only = "", "an exception (!=)"
			}
		case "dport":
			v, n, not := nftValue(w[i:])
			i += n
			if a.Ports = v; not {
				only = "an exception (!=)"
			}
		case "state":
			v, n, _ := nftValue(w[i:])
			i += n
			other = other || !slices.Contains(v, "new")
		case "udp", "icmp", "icmpv6", "ipv6-icmp", "igmp", "vrrp", "esp", "sctp":
			other = true
		case "protocol", "l4proto", "nexthdr", "nfproto":
			v, n, _ := nftValue(w[i:])
			i += n
			other = other || word != "nfproto" && !slices.Contains(v, "tcp") && !slices.Contains(v, "6")
		case "ip", "ip6", "tcp", "th", "ct", "meta", "counter", "log", "notrack":
		case "packets", "bytes", "prefix", "level", "comment", "group":
			i++
		case "type", "flags", "limit", "rate":
			return // of ICMP or a limit: no matter of who may connect
		default:
			only = firstOf(only, word)
		}
	}
	switch {
	case verdict == "accept" && !other && a.Interface != "lo":
		switch {
		case only != "":
			f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(line)+" lets in what also meets: "+only)
		case len(a.Ports) == 0:
			a.Ports = []string{"any"}
			f.Allows = append(f.Allows, a)
		default:
			f.Allows = append(f.Allows, a)
		}
	case (verdict == "drop" || verdict == "reject") && !other && only == "" && a.Interface == "" && a.Source == "" && len(a.Ports) == 0:
		f.Drops, f.Line = true, line
	}
}

// nftValue reads a value or a set, and how many words it took; not says that it
// is negated.
func nftValue(w []string) (v []string, n int, not bool) {
	if len(w) > 0 && (w[0] == "!=" || w[0] == "==") {
		not, n = w[0] == "!=", 1
	}
	if n >= len(w) || w[n] == "vmap" || w[n] == "map" {
		return nil, n, not
	}
	if w[n] != "{" {
		return []string{w[n]}, n + 1, not
	}
	for n++; n < len(w); n++ {
		if w[n] == "}" {
			return v, n + 1, not
		}
		v = append(v, w[n])
	}
	return v, n, not
}
