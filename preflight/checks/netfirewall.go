package checks

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var netFirewall = Check{
	ID: "net.firewall", Code: "MIG5109", Title: "The firewall lets SSH in on the target's card", Category: "network", Severity: High,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyFirewall, facts.KeyNet},
	Impact: "The machine is up and nobody can log in over the network.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		fw := f.Firewall
		r := pass("no packet filter is started at boot")
		if len(fw.Filters) > 0 {
			r = r.saying("SSH is let in")
		}
		for _, x := range fw.Filters {
			if x.Name == "ip6tables" {
				continue // IPv4 is enough to get in
			}
			r = worst(r, filterResult(x, fw.SSHPorts, f, t))
			for _, m := range x.Metadata {
				r = worst(r, warn(Medium, "%s cuts the system off from the address %s, where clouds serve the configuration", m.File, m.Ports[0]).with(file(m.File, m.Line, "")))
			}
		}
		return worst(r, accessLists(fw.Lists))
	},
}

// filterResult judges one packet filter. It fails only where every rule that
// lets anything in is understood and none of them lets SSH in.
func filterResult(x facts.Filter, ports []int, f *facts.Facts, t *targets.Target) Result {
	ev := file(x.File, x.Line, "")
	ev.Key = x.Name
	ev.Expected = fmt.Sprintf("tcp port %s open", joinInts(ports))
	if !x.Drops {
		if x.Unsure != "" {
			return result(Unknown, Info, "%s: %s", x.Name, x.Unsure).with(ev)
		}
		return Result{Status: Pass, Evidence: []Evidence{ev}}
	}
	var bound, limited []facts.Allow
	for _, a := range x.Allows {
		switch {
		case !a.Takes(ports):
		case a.Source != "":
			limited = append(limited, a)
		case a.Interface != "" && !fitsCard(a.Interface, &f.Net, t):
			bound = append(bound, a)
		default:
			return Result{Status: Pass, Evidence: []Evidence{ev, file(a.File, a.Line, "")}}
		}
	}
	var r Result
	switch {
	case x.Unsure != "":
		return result(Unknown, Info, "whether %s lets SSH in cannot be told: %s", x.Name, x.Unsure).with(ev)
	case len(limited) > 0:
		r = warn(Medium, "%s lets SSH in from %s only", x.Name, sources(limited)).with(ev, file(limited[0].File, limited[0].Line, "")).
			hint("Add the network that you come from after the move.")
		if !slices.ContainsFunc(limited, func(a facts.Allow) bool { return public(a.Source) }) {
			r.Severity = High // addresses of the old network alone
		}
		return r
	case len(bound) > 0:
		r = fail("", "%s lets SSH in on %s only, which the target does not have", x.Name, bound[0].Interface).with(ev, file(bound[0].File, bound[0].Line, ""))
	default:
		r = fail("", "%s lets nobody in on port %s", x.Name, joinInts(ports)).with(ev)
	}
	return openSSH(r, x.Name, ports)
}

// fitsCard says whether an interface's name, or a pattern, is one that the
// target's card may have; true where the target names none.
func fitsCard(iface string, n *facts.Net, t *targets.Target) bool {
	if len(t.NICNames.Values) == 0 {
		return true
	}
	for p := range strings.FieldsSeq(iface) {
		for _, name := range append(cardNames(n, t.NICNames.Values), configured(n)...) {
			// A name that the guest's own configuration gives fits as far as that
			// does, which net.iface-names judges.
			if slices.Contains(cardNames(n, t.NICNames.Values), name) || renamed(n, name) {
				if ok, err := path.Match(p, name); err == nil && ok {
					return true
				}
			}
		}
	}
	return false
}

// renamed says that an interface is made by the guest or named by a
// configuration that is not bound to this machine's card.
func renamed(n *facts.Net, name string) bool {
	return slices.ContainsFunc(n.Active(), func(c facts.NetConfig) bool {
		return c.Virtual() && c.Name == name || c.SetName == name && c.MAC == ""
	})
}

func sources(list []facts.Allow) string {
	var out []string
	for _, a := range list {
		if !slices.Contains(out, a.Source) && len(out) < 5 {
			out = append(out, a.Source)
		}
	}
	return strings.Join(out, ", ")
}

// public says that a source may be anywhere: a public address, or a set or name
// of which nobody here knows what is in it.
func public(s string) bool {
	s, _, _ = strings.Cut(s, "/")
	a, err := netip.ParseAddr(s)
	return err != nil || !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

func openSSH(r Result, name string, ports []int) Result {
	port := strconv.Itoa(ports[0])
	switch name {
	case "firewalld":
		return r.command([]string{"firewall-offline-cmd", "--add-port=" + port + "/tcp"})
	case "ufw":
		return r.command([]string{"ufw", "allow", port + "/tcp"})
	case "SuSEfirewall2":
		return r.hint("Add %s to FW_SERVICES_EXT_TCP in /etc/sysconfig/SuSEfirewall2.", port)
	case "nftables":
		return r.hint("Add to the chain of the hook input: tcp dport %s accept", port)
	}
	return r.hint("Add before the rule that drops: -A INPUT -p tcp --dport %s -j ACCEPT", port)
}

func joinInts(n []int) string {
	var out []string
	for _, x := range n {
		out = append(out, strconv.Itoa(x))
	}
	return strings.Join(out, ", ")
}

// accessLists judges hosts.deny and access.conf. Whether the SSH server asks
// tcp wrappers at all depends on how it was built, so they never fail.
func accessLists(list []facts.ListLine) Result {
	r := Result{Status: Pass}
	allows := slices.ContainsFunc(list, func(l facts.ListLine) bool { return l.File == "/etc/hosts.allow" })
	for _, l := range list {
		switch l.File {
		case "/etc/hosts.deny":
			if !allows {
				r = worst(r, warn(Medium, "%s refuses SSH from anywhere, if the SSH server uses tcp wrappers", l.File).with(file(l.File, l.Line, l.Text)))
			} else {
				r = worst(r, warn(Info, "%s and hosts.allow limit who may connect", l.File).with(file(l.File, l.Line, l.Text)))
			}
		case "/etc/security/access.conf":
			r = worst(r, warn(Info, "%s limits who may log in", l.File).with(file(l.File, l.Line, l.Text)))
		}
	}
	return r
}
