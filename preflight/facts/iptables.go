package facts

import (
	"slices"
	"strconv"
	"strings"
)

// maxRules bounds the lines of one rule set that are looked at.
const maxRules = 20_000

// ParseIPTables reads a file of iptables-save (iptables-save(8)) as far as it
// decides who may connect: the chain INPUT of the table filter, in order.
func ParseIPTables(file, text string) Filter { return parseChains(file, text, "INPUT") }

// parseChains is ParseIPTables from another chain on.
func parseChains(file, text, root string) Filter {
	f := Filter{Name: "iptables", File: file}
	table, n := "filter", 0
	chains := map[string][]chainRule{}
	for line := range strings.Lines(text) {
		if n++; n > maxRules {
			f.Unsure = "more rules than are looked at"
			break
		}
		t := strings.TrimSpace(line)
		w := strings.Fields(t)
		switch {
		case t == "" || t[0] == '#' || t == "COMMIT":
		case t[0] == '*':
			table = t[1:]
		case table != "filter":
		case strings.HasPrefix(t, ":INPUT DROP") || strings.HasPrefix(t, ":INPUT REJECT"):
			f.Drops, f.Line = true, n
		case t[0] == ':':
			name, _, _ := strings.Cut(t[1:], " ")
			if chains[name] == nil {
				chains[name] = []chainRule{}
			}
		case strings.HasPrefix(t, "-A OUTPUT "):
			f.output(t, n)
		case w[0] == "-A" && len(w) > 2:
			chains[w[1]] = append(chains[w[1]], chainRule{w[2:], n})
		case w[0] == "-I":
			f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(n)+" puts a rule before others")
		}
	}
	left := maxRules
	f.walk(chains, root, 0, &left)
	return f
}

// chainRule is a rule without the words that say which chain it is in.
type chainRule struct {
	words []string
	line  int
}

// walk follows a chain, and those that it jumps to whatever the packet; drops
// says that nothing gets behind it.
func (f *Filter) walk(chains map[string][]chainRule, name string, depth int, left *int) (drops bool) {
	for _, r := range chains[name] {
		if *left--; *left < 0 || depth > 8 {
			f.Unsure = firstOf(f.Unsure, "more rules than are looked at")
			return false
		}
		if len(r.words) == 2 && (r.words[0] == "-j" || r.words[0] == "-g") && len(chains[r.words[1]]) > 0 {
			if f.walk(chains, r.words[1], depth+1, left) {
				return true
			}
			continue
		}
		if f.input(r.words, r.line) {
			return true
		}
	}
	return false
}

// input takes one rule of the chain INPUT; drops says that it drops everything.
func (f *Filter) input(w []string, line int) (drops bool) {
	a := Allow{File: f.File, Line: line}
	target, proto, limited, only := "", "", "", ""
	for i := 0; i < len(w); i++ {
		next := ""
		if i+1 < len(w) {
			next = w[i+1]
		}
		not := w[i] == "!"
		if not {
			only = "an exception (!)"
			continue
		}
		switch w[i] {
		case "-j", "-g", "--jump", "--goto":
			target = next
		case "-p", "--protocol":
			proto = next
		case "-i", "--in-interface":
			a.Interface = strings.ReplaceAll(next, "+", "*")
		case "-s", "--source", "--src-range":
			if next != "0.0.0.0/0" && next != "::/0" {
				a.Source = next
			}
		case "--dport", "--destination-port", "--dports", "--destination-ports":
			a.Ports = append(a.Ports, strings.Split(next, ",")...)
		case "--state", "--ctstate":
			if !strings.Contains(next, "NEW") {
				limited = next
			}
		case "-d", "--destination", "--match-set", "--mac-source", "--sport", "--string":
			if w[i] == "--match-set" {
				a.Source = firstOf(a.Source, "set "+next)
			} else {
				only = strings.TrimLeft(w[i], "-")
			}
		case "--limit", "--limit-burst", "-m", "--comment", "--reject-with", "--icmp-type", "--tcp-flags", "--syn", "--set", "--name", "--rsource", "--log-prefix", "--log-level", "--mask":
		default:
			if strings.HasPrefix(w[i], "--") {
				only = firstOf(only, strings.TrimLeft(w[i], "-"))
			}
			continue
		}
		if w[i] != "--syn" && w[i] != "--set" && w[i] != "--rsource" {
			i++
			if w[i-1] == "--comment" || w[i-1] == "--log-prefix" {
				i = skipQuoted(w, i)
			}
		}
	}
	relevant := proto == "" || proto == "all" || proto == "tcp" || proto == "6"
	switch target {
	case "ACCEPT":
		switch {
		case limited != "" || a.Interface == "lo" || !relevant:
		case only != "":
			f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(line)+" lets in what also meets: "+only)
		default:
			if len(a.Ports) == 0 {
				a.Ports = []string{"any"}
			}
			f.Allows = append(f.Allows, a)
		}
	case "DROP", "REJECT":
		if proto == "" && len(a.Ports) == 0 && a.Source == "" && a.Interface == "" && limited == "" && only == "" {
			f.Drops, f.Line = true, line
			return true
		}
	case "RETURN":
		if proto != "" || len(a.Ports) > 0 || a.Source != "" || a.Interface != "" || only != "" {
			f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(line)+" leaves its chain for some")
		}
	case "", "LOG", "NFLOG", "AUDIT":
	default:
		f.Unsure = firstOf(f.Unsure, "line "+strconv.Itoa(line)+" asks the chain "+target)
	}
	return false
}

// skipQuoted is the index of the last word of a text in quotes that begins at i.
func skipQuoted(w []string, i int) int {
	if i >= len(w) || !strings.HasPrefix(w[i], `"`) || len(w[i]) > 1 && strings.HasSuffix(w[i], `"`) {
		return i
	}
	for i++; i < len(w); i++ {
		if strings.HasSuffix(w[i], `"`) {
			return i
		}
	}
	return i
}

// output finds rules that cut the guest off from a metadata service. Those that
// leave root's processes alone do not hinder cloud-init.
func (f *Filter) output(t string, line int) {
	w := strings.Fields(t)
	if i := slices.Index(w, "-j"); i < 0 || i+1 >= len(w) || w[i+1] != "DROP" && w[i+1] != "REJECT" || strings.Contains(t, "-owner") {
		return
	}
	for _, a := range metadataAddresses {
		if strings.Contains(t, a) || strings.Contains(t, "-d 169.254.0.0/16") {
			f.Metadata = append(f.Metadata, Allow{File: f.File, Line: line, Ports: []string{a}})
			return
		}
	}
}

// portIn says whether a port, a range, a service's name or "any" is one of the
// ports.
func portIn(s string, ports []int) bool {
	switch s {
	case "any":
		return true
	case "ssh":
		return slices.Contains(ports, 22)
	}
	s = strings.TrimSuffix(s, "/tcp")
	lo, hi, ranged := strings.Cut(strings.NewReplacer("-", ":").Replace(s), ":")
	a, err := strconv.Atoi(lo)
	if err != nil {
		return false
	}
	b := a
	if ranged {
		if b, err = strconv.Atoi(hi); err != nil {
			return false
		}
	}
	return slices.ContainsFunc(ports, func(p int) bool { return a <= p && p <= b })
}
