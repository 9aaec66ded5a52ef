package checks

import (
	"net/netip"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/netcfg"
	"migimg/preflight/targets"
)

var netDNS = Check{
	ID: "net.dns", Code: "MIG5108", Title: "Names are resolved by servers that the target has", Category: "network", Severity: Medium,
	Needs:  needNet,
	Impact: "Names are not resolved: packages, time servers and cloud-init's downloads are not found.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		d := f.Net.DNS
		if d.Err != "" {
			return unknown("%s", d.Err)
		}
		const conf = "/etc/resolv.conf"
		r := pass("the network's configuration sets the servers")
		ev := Evidence{Kind: "file", Path: conf, Actual: strings.Join(servers(d.Servers), " ")}
		static := d.Link == "" && !d.Missing && d.By == ""
		switch {
		case d.Immutable:
			r = warn("", "%s is immutable (chattr +i): DHCP cannot change it", conf).command([]string{"chattr", "-i", conf})
		case strings.HasPrefix(d.Link, "/run/systemd/resolve/") && d.ResolvedKnown && !d.Resolved:
			r = fail("", "%s points to systemd-resolved, which is not started at boot", conf).command([]string{"systemctl", "enable", "systemd-resolved"})
		case d.Dangling && !strings.HasPrefix(d.Link, "/run/") && !strings.HasPrefix(d.Link, "/var/run/"):
			r = warn("", "%s points to %s, which does not exist", conf, d.Link)
		case static && len(d.Servers) > 0:
			r = pass("%s is written by hand", conf)
			if asksDHCP(&f.Net) {
				r = r.saying("DHCP sets the servers")
			} else if p := privateServers(d.Servers); len(p) == len(d.Servers) {
				r = warn("", "%s names only servers of a private network (%s)", conf, strings.Join(p, ", ")).
					hint("Name a server that the target's network reaches, or let DHCP write the file.")
				if configuresNet(f, t) {
					r.Severity = Low
				}
			}
		}
		r = r.with(ev)
		if d.NoDNS {
			r = worst(r, warn("", "the line hosts: of /etc/nsswitch.conf names neither dns nor resolve").with(file("/etc/nsswitch.conf", d.Line, "")))
		}
		for _, c := range f.Net.Active() {
			if p := private(c.DNS); isStatic(c) && len(p) > 0 && len(p) == len(c.DNS) && !configuresNet(f, t) {
				r = worst(r, warn(Low, "%s names only servers of a private network (%s)", c.File, strings.Join(p, ", ")).with(file(c.File, c.Line, "")))
			}
		}
		return r
	},
}

// asksDHCP says that a DHCP client runs: it writes resolv.conf, and not all of
// them say so in the file.
func asksDHCP(n *facts.Net) bool {
	return n.NMAuto || slices.ContainsFunc(n.Active(), func(c facts.NetConfig) bool { return c.V4.Method == netcfg.DHCP })
}

func servers(list []netip.Addr) (out []string) {
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

// privateServers are those that only this place reaches (RFC 1918, RFC 4193).
// A resolver of the guest's own and the clouds' link-local ones go with it.
func privateServers(list []netip.Addr) (out []string) {
	for _, a := range list {
		if a.IsPrivate() {
			out = append(out, a.String())
		}
	}
	return out
}

func private(list []string) (out []string) {
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil && a.IsPrivate() {
			out = append(out, s)
		}
	}
	return out
}
