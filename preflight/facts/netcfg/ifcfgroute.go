package netcfg

import (
	"slices"
	"strings"
)

// dataLines are the lines of a file that are no comments.
func dataLines(text string) (out []string) {
	for line := range strings.Lines(text) {
		if t := strings.TrimSpace(line); t != "" && t[0] != '#' && len(out) < maxFiles {
			out = append(out, t)
		}
	}
	return out
}

// routeFile reads route-NAME of Red Hat in both of its forms (arguments of "ip
// route", or ADDRESSn=, GATEWAYn=) and ifroute-NAME of SUSE (routes(5):
// destination, gateway, netmask, interface).
func routeFile(c *Config, text string) {
	lines := dataLines(text)
	if vars := shellVars(text); len(vars.v) > 0 {
		for _, k := range numbered(vars.v, "ADDRESS") {
			n := strings.TrimPrefix(k, "ADDRESS")
			c.route(withPrefix(vars.v[k], "", vars.v["NETMASK"+n]), vars.v["GATEWAY"+n])
		}
		return
	}
	for _, l := range lines {
		w := strings.Fields(l)
		if i := slices.Index(w, "table"); i >= 0 && i+1 < len(w) && w[i+1] != "main" && w[i+1] != "254" {
			c.Rules = append(c.Rules, l) // a table of its own is policy routing
			continue
		}
		to, via := w[0], ""
		if i := slices.IndexFunc(w, func(s string) bool { return s == "to" || s == "local" || s == "unicast" }); i >= 0 && i+1 < len(w) && c.Manager != Wicked {
			to = w[i+1]
		}
		if i := slices.Index(w, "via"); i >= 0 && i+1 < len(w) {
			via = w[i+1]
		} else if len(w) > 1 && c.Manager == Wicked && w[1] != "-" {
			via = w[1]
		}
		c.route(to, via)
	}
}

// sysconfigGlobal reads what holds for all interfaces: the default route of
// /etc/sysconfig/network (Red Hat), /etc/sysconfig/network/routes and config
// (SUSE).
func (r *reader) sysconfigGlobal(m Manager, cs []Config) {
	if len(cs) == 0 {
		return
	}
	if m == Wicked {
		if text, ok := r.read("etc/sysconfig/network/routes"); ok {
			for _, l := range dataLines(text) {
				w := strings.Fields(l)
				if len(w) < 2 || !isDefault(w[0]) {
					continue
				}
				dev := ""
				if len(w) > 3 && w[3] != "-" {
					dev = w[3]
				}
				globalGateway(cs, w[1], dev)
			}
		}
		if text, ok := r.read("etc/sysconfig/network/config"); ok {
			dns := strings.Fields(shellVars(text).v["NETCONFIG_DNS_STATIC_SERVERS"])
			for i := range cs {
				cs[i].DNS = append(cs[i].DNS, dns...)
			}
		}
		return
	}
	// On SUSE this is a folder.
	if fi, err := r.fs.Stat("etc/sysconfig/network"); err != nil || fi.IsDir() {
		return
	}
	text, ok := r.read("etc/sysconfig/network")
	if !ok {
		return
	}
	v := shellVars(text).v
	for i := range cs {
		if dev := v["GATEWAYDEV"]; dev != "" && dev != cs[i].Name {
			cs[i].V4.Gateway = ""
		}
	}
	if g := v["GATEWAY"]; g != "" {
		globalGateway(cs, g, v["GATEWAYDEV"])
	}
}

// globalGateway gives a default route that belongs to no interface to those
// with a static address, or to the device that it names.
func globalGateway(cs []Config, via, dev string) {
	for i := range cs {
		c := &cs[i]
		if f := c.family(via); dev != "" && dev == c.Name || dev == "" && f.Method == Static {
			c.gateway(via)
		}
	}
}

// ports tells masters of their members and members of their masters, where a
// file says only one of them.
func ports(cs []Config) {
	byName := map[string]int{}
	for i, c := range cs {
		if _, ok := byName[c.Name]; !ok && c.Name != "" {
			byName[c.Name] = i
		}
	}
	for i := range cs {
		if m, ok := byName[cs[i].Master]; ok && cs[i].Master != "" {
			cs[m].Members = append(cs[m].Members, firstOf(cs[i].SetName, cs[i].Name, cs[i].ID))
		}
	}
	for i := range cs {
		for _, name := range cs[i].Members {
			if p, ok := byName[name]; ok && cs[p].Master == "" && p != i {
				cs[p].Master = cs[i].Name
			}
		}
	}
}
