package netcfg

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// keyfiles reads NetworkManager's profiles; one of /etc hides one of the same
// name in /usr/lib (NetworkManager.conf(5), keyfile plugin).
func (r *reader) keyfiles() {
	first := len(r.res.Configs)
	seen, uuids := map[string]bool{}, map[string]string{}
	for _, d := range []string{"etc/NetworkManager/system-connections", "usr/lib/NetworkManager/system-connections"} {
		names, masked := r.list(d)
		for n := range masked {
			seen[n] = true
		}
		for _, n := range names {
			// The plugin passes over hidden files and the copies of editors.
			if seen[n] || strings.HasPrefix(n, ".") || strings.HasSuffix(n, "~") || strings.HasSuffix(n, ".bak") || strings.HasSuffix(n, ".rpmsave") || strings.HasSuffix(n, ".rpmnew") {
				continue
			}
			seen[n] = true
			text, ok := r.read(d + "/" + n)
			if !ok {
				continue
			}
			c, uuid, ok := keyfile(d+"/"+n, text)
			if !ok {
				continue
			}
			uuids[uuid] = firstOf(c.Name, c.ID)
			r.add(c)
		}
	}
	// Masters and parents are named by UUID or by interface.
	cs := r.res.Configs[first:]
	for i := range cs {
		for _, p := range []*string{&cs[i].Master, &cs[i].Parent} {
			if n := uuids[*p]; *p != "" && n != "" {
				*p = n
			}
		}
	}
	ports(cs)
}

// keyfileTypes are the connection types that have a wire or none at all;
// wireless ones, modems and VPNs are no matter of a server's first boot.
var keyfileTypes = map[string]Type{
	"ethernet": Ethernet, "802-3-ethernet": Ethernet, "infiniband": InfiniBand, "bond": Bond, "team": Team, "bridge": Bridge, "vlan": VLAN,
	"macvlan": Macvlan, "ovs-bridge": OVS, "ovs-port": OVS, "ovs-interface": OVS, "wireguard": WireGuard, "ip-tunnel": Tunnel, "vxlan": Tunnel,
	"tun": Tunnel, "macsec": Tunnel, "ipvlan": Macvlan, "vrf": VRF, "dummy": Dummy, "veth": Dummy,
}

// keyfile reads one profile (nm-settings-keyfile(5)).
func keyfile(file, text string) (c Config, uuid string, ok bool) {
	c = Config{Manager: Keyfile, File: "/" + file, CloudInit: byCloudInit(file, text)}
	kv := ParseINI(text)
	kind, port := "", ""
	never := map[string]bool{}
	last := map[string]string{} // the last of equal keys counts
	var order []string
	for _, x := range kv {
		k := x.Section + "." + x.Key
		if _, ok := last[k]; !ok {
			order = append(order, k)
		}
		last[k] = x.Value
	}
	for _, k := range order {
		section, key, _ := strings.Cut(k, ".")
		v := last[k]
		switch k {
		case "connection.id":
			c.ID = v
		case "connection.uuid":
			uuid = v
		case "connection.type":
			kind = v
		case "connection.interface-name":
			c.Name = v
		case "match.interface-name":
			c.Name = firstOf(c.Name, matchNames(v))
		case "match.path":
			c.Place = strings.Trim(v, ";")
		case "match.driver":
			c.Driver = matchNames(v)
		case "connection.autoconnect":
			c.Off = !yes(v, true)
		case "connection.master", "connection.controller":
			c.Master = v
		case "connection.slave-type", "connection.port-type":
			port = v
		case "vlan.parent", "macvlan.parent", "ipvlan.parent", "vxlan.parent":
			c.Parent = v
		case "ipv4.never-default", "ipv6.never-default":
			never[section] = yes(v, false)
		case "ipv4.may-fail":
			c.Optional = yes(v, true)
		}
		switch section {
		case "ethernet", "802-3-ethernet", "infiniband", "bridge":
			switch {
			case key == "mac-address" && section == "bridge":
				c.SetMAC = keyfileMAC(v)
			case key == "mac-address":
				c.MAC = keyfileMAC(v)
			case key == "cloned-mac-address":
				c.SetMAC = keyfileMAC(v)
			}
		case "ipv4", "ipv6":
			if strings.Contains(last[k+"_options"], "table=") && !strings.Contains(last[k+"_options"], "table=254") {
				c.Rules = append(c.Rules, key+"="+v+" "+last[k+"_options"])
				continue // a table of its own is policy routing
			}
			keyfileIP(&c, section, key, v)
		}
	}
	if kind == "" && last["802-3-ethernet.mac-address"]+last["ethernet.mac-address"] != "" {
		kind = "ethernet"
	}
	c.Type, ok = keyfileTypes[kind]
	if never["ipv4"] {
		c.V4.Gateway = ""
	}
	if never["ipv6"] {
		c.V6.Gateway = ""
	}
	// NetworkManager completes a profile without a section ipv4 or ipv6 with
	// automatic addresses, but for the port of another interface.
	for _, f := range []*Family{&c.V4, &c.V6} {
		if f.Method == "" && (c.Master != "" || port != "" || c.Type == WireGuard) {
			f.Method = None
		} else if f.Method == "" {
			f.Method = DHCP
		}
	}
	return c, uuid, ok
}

func keyfileIP(c *Config, section, key, v string) {
	f := &c.V4
	if section == "ipv6" {
		f = &c.V6
	}
	switch {
	case key == "method":
		f.Method = map[string]Method{"auto": DHCP, "dhcp": DHCP, "manual": Static, "link-local": LinkLocal, "shared": Shared, "disabled": None, "ignore": None}[v]
	case key == "gateway":
		f.Gateway = v
	case key == "dns":
		c.DNS = append(c.DNS, listOf(v)...)
	case hasNumber(key, "address"), hasNumber(key, "addresses"):
		// "address/prefix,gateway", or the older "address;prefix;gateway;".
		w := strings.FieldsFunc(v, func(r rune) bool { return r == ';' || r == ',' || r == ' ' })
		if len(w) == 0 {
			return
		}
		a, w := w[0], w[1:]
		if _, err := strconv.Atoi(strings.Join(w[:min(1, len(w))], "")); err == nil && !strings.Contains(a, "/") {
			a, w = a+"/"+w[0], w[1:]
		}
		f.Addresses = append(f.Addresses, a)
		if len(w) > 0 && w[0] != "0.0.0.0" && w[0] != "::" && f.Gateway == "" {
			f.Gateway = w[0]
		}
	case hasNumber(key, "route"), hasNumber(key, "routes"):
		w := strings.FieldsFunc(v, func(r rune) bool { return r == ';' || r == ',' })
		if len(w) == 0 {
			return
		}
		via := ""
		if len(w) > 1 {
			via = w[1]
		}
		if isDefault(w[0]) {
			f.Gateway = firstOf(f.Gateway, via)
		} else {
			c.Routes = append(c.Routes, strings.TrimSpace(w[0]+" "+via))
		}
	case hasNumber(key, "routing-rule"):
		c.Rules = append(c.Rules, v)
	case key == "route-table" && v != "0" && v != "254":
		c.Rules = append(c.Rules, "table "+v)
	}
}

// hasNumber says that a key is a word, alone or with a number.
func hasNumber(key, word string) bool {
	rest, ok := strings.CutPrefix(key, word)
	return ok && strings.Trim(rest, "0123456789") == ""
}

// listOf are the items of a list of a keyfile.
func listOf(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == ';' || r == ',' || r == ' ' })
}

// matchNames are the patterns of match.interface-name that say yes: "!" is a
// negation, "|" and "&" only join.
func matchNames(v string) string {
	var names []string
	for _, p := range listOf(v) {
		if p = strings.TrimLeft(p, "|&"); p != "" && p[0] != '!' {
			names = append(names, p)
		}
	}
	return strings.Join(names, " ")
}

// keyfileMAC reads a hardware address: with colons, or as a list of decimal
// bytes as NetworkManager wrote it once.
func keyfileMAC(v string) string {
	if isMAC(v) {
		return v
	}
	w := strings.FieldsFunc(v, func(r rune) bool { return r == ';' })
	if len(w) != 6 && len(w) != 20 {
		return "" // preserve, permanent, random, stable
	}
	var out []string
	for _, s := range w {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			return ""
		}
		out = append(out, hex.EncodeToString([]byte{byte(n)}))
	}
	return strings.Join(slices.Clip(out), ":")
}
