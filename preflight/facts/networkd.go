package facts

import (
	"path"
	"strings"
)

// networkd reads a .network file, or a .link file that names interfaces
// (systemd.network(5), systemd.link(5)).
func (g *gatherer) networkd(name, text string) {
	ext := path.Ext(name)
	if ext != ".network" && ext != ".link" {
		return
	}
	c := NetConfig{File: "/" + name, Manager: "networkd", Method: "none"}
	rule := NameRule{File: "/" + name}
	typed := ""
	for _, kv := range ParseINI(text) {
		switch kv.Section + "." + kv.Key {
		case "Match.Name":
			c.Name = kv.Value
		case "Match.MACAddress", "Match.PermanentMACAddress":
			c.MAC, rule.Bound = kv.Value, kv.Value
		case "Match.Path":
			rule.Bound = kv.Value
		case "Match.Type":
			typed = kv.Value
		case "Link.Name":
			rule.Name, rule.Line = kv.Value, kv.Line
		case "Network.DHCP":
			if v := strings.ToLower(kv.Value); v == "yes" || v == "ipv4" || v == "true" || v == "both" {
				c.Method = "dhcp"
			}
		case "Network.Address", "Address.Address":
			c.Addresses = append(c.Addresses, kv.Value)
			if c.Method == "none" {
				c.Method = "static"
			}
		case "Network.Gateway", "Route.Gateway":
			c.Gateway = true
		}
	}
	if ext == ".link" {
		if rule.Name != "" && rule.Bound != "" {
			g.f.Net.Rules = append(g.f.Net.Rules, rule)
		}
		return
	}
	if c.Name == "" && typed != "" && typed != "ether" {
		return
	}
	g.addNet(c)
}

// udevRules finds rules that bind an interface's name to its address, as
// 75-persistent-net-generator of older systems wrote them.
func (g *gatherer) udevRules(name, text string) {
	if !strings.HasSuffix(name, ".rules") {
		return
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		t := strings.TrimSpace(line)
		if t == "" || t[0] == '#' || !strings.Contains(t, "NAME=") && !strings.Contains(t, "NAME:=") {
			continue
		}
		r := NameRule{File: "/" + name, Line: n}
		net := false
		for part := range strings.SplitSeq(t, ",") {
			k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
			v = strings.Trim(strings.TrimPrefix(v, "="), `"`)
			if !ok {
				continue
			}
			switch strings.TrimRight(k, "=:+!") {
			case "SUBSYSTEM":
				net = net || v == "net"
			case "ATTR{address}", "SYSFS{address}", "ATTRS{address}", "KERNELS", "ID":
				r.Bound = v
			case "NAME":
				r.Name = v
			}
		}
		if (net || strings.Contains(name, "persistent-net")) && r.Name != "" && r.Bound != "" {
			g.f.Net.Rules = append(g.f.Net.Rules, r)
		}
	}
}
