package netcfg

import (
	"slices"
	"strings"
)

// option takes one line of a stanza. Debian's extensions write - or _ between
// words.
func (e *eni) option(c *Config, family string, w []string) {
	if family == "" && strings.Contains(w[1], ":") {
		family = "inet6"
	}
	f := &c.V4
	if family == "inet6" {
		f = &c.V6
	}
	key, v := strings.ReplaceAll(w[0], "_", "-"), w[1]
	switch key {
	case "hwaddress":
		if isMAC(w[len(w)-1]) {
			c.SetMAC = w[len(w)-1]
		}
	case "address":
		f.Addresses = append(f.Addresses, v)
		if f.Method == "" || f.Method == None {
			f.Method = Static // ifupdown-ng and ifupdown2 need no method
		}
	case "netmask":
		if n := len(f.Addresses); n > 0 && !strings.Contains(f.Addresses[n-1], "/") {
			if _, ok := maskLen(v); ok {
				f.Addresses[n-1] = withPrefix(f.Addresses[n-1], "", v)
			} else if strings.Trim(v, "0123456789") == "" {
				f.Addresses[n-1] += "/" + v
			}
		}
	case "gateway":
		f.Gateway = firstOf(f.Gateway, v)
	case "dns-nameservers", "dns-nameserver":
		c.DNS = append(c.DNS, w[1:]...)
	case "inherits", "use":
		switch v {
		case "dhcp":
			f.Method = DHCP
		case "bond":
			c.Type = Bond
		case "bridge":
			c.Type = Bridge
		case "vlan":
			c.Type = VLAN
		default:
			if key == "inherits" {
				e.inherits[c] = v
			}
		}
	case "bond-slaves", "slaves", "bond-members":
		c.Type = Bond
		if v != "none" {
			c.Members = append(c.Members, w[1:]...)
		}
	case "bond-mode":
		if c.Type == "" && c.Master == "" {
			c.Type = Bond
		}
	case "bond-master":
		c.Master = v
		if c.Type == Bond {
			c.Type = ""
		}
	case "bridge-ports":
		c.Type = Bridge
		if v != "none" {
			c.Members = append(c.Members, slices.DeleteFunc(slices.Clone(w[1:]), func(s string) bool { return s == "regex" || s == "noregex" })...)
		}
	case "vlan-raw-device", "vlan-id":
		c.Type = VLAN
		if key == "vlan-raw-device" {
			c.Parent = v
		}
	case "ovs-type":
		c.Type = OVS
	case "ovs-ports":
		c.Members = append(c.Members, w[1:]...)
	case "ovs-bridge":
		c.Type, c.Master = OVS, v
	case "link-type":
		c.Type = map[string]Type{"dummy": Dummy, "veth": Dummy, "macvlan": Macvlan, "wireguard": WireGuard, "vrf": VRF}[v]
	case "up", "post-up", "pre-up":
		upCommand(c, w[1:])
	}
}

// upCommand knows the commands that administrators put into stanzas for want of
// a word: routes and policy rules. They are read, not run.
func upCommand(c *Config, w []string) {
	after := func(words ...string) string {
		for _, k := range words {
			if i := slices.Index(w, k); i >= 0 && i+1 < len(w) {
				return w[i+1]
			}
		}
		return ""
	}
	base := w[0][strings.LastIndexByte(w[0], '/')+1:]
	has := func(s string) bool { return slices.Contains(w, s) }
	switch {
	case base == "ip" && has("rule") && has("add"):
		c.Rules = append(c.Rules, strings.Join(w, " "))
	case (base == "ip" && (has("route") || has("r") || has("ro"))) && (has("add") || has("replace")):
		if t := after("table"); t != "" && t != "main" && t != "254" {
			c.Rules = append(c.Rules, strings.Join(w, " "))
			return
		}
		to := after("add", "replace")
		if isDefault(to) {
			c.gateway(after("via"))
		} else {
			c.Routes = append(c.Routes, strings.TrimSpace(to+" "+after("via")))
		}
	case base == "route" && has("add"):
		if has("default") {
			c.gateway(after("gw"))
		} else {
			c.Routes = append(c.Routes, strings.Join(w, " "))
		}
	case base == "ip" && has("type") && (has("macvlan") || has("ipvlan")):
		c.Type = Macvlan
	case (base == "ip" && has("wireguard")) || base == "wg" || base == "wg-quick":
		if c.Type == "" && has(c.Name) {
			c.Type = WireGuard
		}
	}
}
