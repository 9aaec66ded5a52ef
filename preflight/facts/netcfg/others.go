package netcfg

import (
	"path"
	"slices"
	"strings"
)

// others recognises the configuration of managers that are not read in full:
// what is there and not understood is a problem and not nothing.
func (r *reader) others() {
	r.dhcpcd()
	for _, d := range []struct {
		dir, what string
		is        func(name string) bool
	}{
		{"etc/wicked/ifconfig", "wicked's XML configuration", func(n string) bool { return strings.HasSuffix(n, ".xml") }},
		{"etc/netctl", "netctl profiles", func(n string) bool { return !strings.HasPrefix(n, ".") }},
		{"var/lib/connman", "connman's services", func(n string) bool { return strings.HasSuffix(n, ".config") }},
		{"etc/conf.d", "Gentoo's network configuration", func(n string) bool { return n == "net" && r.exists("etc/init.d/net.lo") }},
	} {
		names, _ := r.list(d.dir)
		if i := slices.IndexFunc(names, d.is); i >= 0 {
			r.problem("/" + path.Join(d.dir, names[i]) + ": " + d.what + " is not read")
		}
	}
	if text, ok := r.read("etc/rc.d/rc.inet1.conf"); ok && strings.Contains(text, "IPADDR") { // Slackware
		r.problem("/etc/rc.d/rc.inet1.conf: Slackware's network configuration is not read")
	}
}

// dhcpcd reads static addresses of dhcpcd.conf(5); what the file does not name
// is configured by DHCP.
func (r *reader) dhcpcd() {
	text, ok := r.read("etc/dhcpcd.conf")
	if !ok {
		return
	}
	var c *Config
	n := 0
	flush := func() {
		if c != nil && len(c.V4.Addresses)+len(c.V6.Addresses) > 0 {
			r.add(*c)
		}
	}
	for line := range strings.Lines(text) {
		n++
		w := strings.Fields(line)
		if len(w) == 0 || strings.HasPrefix(w[0], "#") {
			continue
		}
		switch {
		case w[0] == "interface" && len(w) > 1:
			flush()
			c = &Config{Manager: Dhcpcd, File: "/etc/dhcpcd.conf", Line: n, ID: w[1], Name: w[1], V4: Family{Method: DHCP}, V6: Family{Method: DHCP}}
		case slices.Contains([]string{"profile", "ssid", "arping"}, w[0]):
			flush()
			c = nil
		case w[0] == "static" && c != nil && len(w) > 1:
			k, v, _ := strings.Cut(strings.Join(w[1:], " "), "=")
			switch k {
			case "ip_address":
				c.V4.Method = Static
				c.address(v)
			case "ip6_address":
				c.V6.Method = Static
				c.address(v)
			case "routers":
				c.gateway(firstOf(strings.Fields(v)...))
			case "domain_name_servers":
				c.DNS = append(c.DNS, strings.Fields(v)...)
			}
		}
	}
	flush()
}
