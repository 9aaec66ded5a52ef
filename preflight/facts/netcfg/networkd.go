package netcfg

import (
	"path"
	"slices"
	"strings"
)

// networkdDirs are systemd-networkd's folders, weakest first. /run is not on a
// disk.
var networkdDirs = []string{"lib/systemd/network", "usr/lib/systemd/network", "usr/local/lib/systemd/network", "etc/systemd/network"}

// networkd reads .network, .netdev and .link files with their drop-ins
// (systemd.network(5), systemd.netdev(5), systemd.link(5)): a name in /etc hides
// the same name elsewhere, a link to /dev/null masks it, and the first file that
// fits an interface, in the order of names, is the one that counts.
func (r *reader) networkd() {
	where := map[string]string{}
	dropins := map[string]map[string]string{}
	for _, d := range networkdDirs {
		names, masked := r.list(d)
		for _, n := range names {
			where[n] = d
		}
		for n := range masked {
			if n == "99-default.link" && strings.HasPrefix(d, "etc/") {
				r.res.NoPredictable = "/" + path.Join(d, n) // the file that asks for predictable names
			}
			delete(where, n)
		}
		entries, err := r.fs.ReadDir(d)
		if err != nil {
			continue // list has said so
		}
		for i, e := range entries {
			if i == maxFiles {
				break
			}
			if of, ok := strings.CutSuffix(e.Name(), ".d"); ok && e.IsDir() {
				if dropins[of] == nil {
					dropins[of] = map[string]string{}
				}
				conf, masked := r.list(path.Join(d, e.Name()))
				for _, n := range conf {
					if strings.HasSuffix(n, ".conf") {
						dropins[of][n] = path.Join(d, e.Name(), n)
					}
				}
				for n := range masked {
					delete(dropins[of], n)
				}
			}
		}
	}
	first := len(r.res.Configs)
	kinds := map[string]networkdDev{}
	for _, n := range sortedKeys(where) {
		ext := path.Ext(n)
		if ext != ".network" && ext != ".netdev" && ext != ".link" {
			continue
		}
		file := path.Join(where[n], n)
		text, ok := r.read(file)
		if !ok {
			continue
		}
		kv := ParseINI(text)
		for _, d := range sortedKeys(dropins[n]) {
			if more, ok := r.read(dropins[n][d]); ok {
				for _, x := range ParseINI(more) {
					x.Nth += 1_000_000 // never the same section as the file's
					x.Line = 0
					kv = append(kv, x)
				}
			}
		}
		switch ext {
		case ".link":
			r.link(file, kv)
		case ".netdev":
			d := netdev(kv)
			if d.name != "" {
				kinds[d.name] = d
			}
		default:
			// A distribution's own files are for containers and VPNs, but for those
			// that take every card.
			if c, children, ok := network(file, kv); ok && (strings.HasPrefix(file, "etc/") || c.CatchAll()) {
				c.CloudInit = byCloudInit(file, text)
				r.add(c)
				for _, v := range children {
					d := kinds[v]
					d.parent = firstOf(d.parent, c.Name, c.ID)
					kinds[v] = d
				}
			}
		}
	}
	r.netdevs(first, kinds)
	ports(r.res.Configs[first:])
}

// network reads one .network file. children are the interfaces that it stacks
// upon this one; ok is false for what is for no ethernet card.
func network(file string, kv []KeyValue) (c Config, children []string, ok bool) {
	c = Config{Manager: Networkd, File: "/" + file, ID: strings.TrimSuffix(path.Base(file), ".network"), V4: Family{Method: None}, V6: Family{Method: None}}
	type route struct{ to, via, table string }
	routes := map[int]*route{}
	rules := map[int][]string{}
	typed := ""
	for _, x := range kv {
		v := x.Value
		switch x.Section + "." + x.Key {
		case "Match.Name":
			c.Name = strings.TrimSpace(c.Name + " " + positive(v))
		case "Match.MACAddress", "Match.PermanentMACAddress":
			c.MAC = v
		case "Match.Path", "Match.Property", "Match.Virtualization", "Match.Host", "Match.Architecture", "Match.KernelCommandLine", "Match.Kind":
			c.Place = v
		case "Match.Driver":
			c.Driver = v
		case "Match.Type":
			typed = v
		case "Link.MACAddress":
			if isMAC(v) {
				c.SetMAC = v
			}
		case "Link.Unmanaged":
			c.Off = c.Off || yes(v, false)
		case "Link.ActivationPolicy":
			c.Off = c.Off || v == "manual" || v == "always-down" || v == "down"
		case "Link.RequiredForOnline":
			c.Optional = v == "no" || v == "false" || v == "off" || v == "0"
		case "Network.DHCP":
			c.V4.Method, c.V6.Method = networkdDHCP(v, c)
		case "Network.Address", "Address.Address":
			if v != "" {
				c.address(v)
			}
		case "Network.Gateway":
			if !strings.HasPrefix(v, "_") { // _dhcp4, _ipv6ra: learnt
				c.gateway(v)
			}
		case "Network.DNS":
			c.DNS = append(c.DNS, strings.Fields(v)...)
		case "Network.Bond", "Network.Bridge", "Network.VRF", "Network.BatmanAdvanced":
			c.Master = v
		case "Network.VLAN", "Network.MACVLAN", "Network.MACVTAP", "Network.IPVLAN", "Network.IPVTAP", "Network.VXLAN", "Network.Tunnel":
			children = append(children, v)
		}
		switch x.Section {
		case "Route":
			if routes[x.Nth] == nil {
				routes[x.Nth] = &route{}
			}
			switch x.Key {
			case "Destination":
				routes[x.Nth].to = v
			case "Gateway":
				routes[x.Nth].via = v
			case "Table":
				routes[x.Nth].table = v
			}
		case "RoutingPolicyRule":
			rules[x.Nth] = append(rules[x.Nth], x.Key+"="+v)
		}
	}
	for _, n := range sortedInts(routes) {
		switch rt := routes[n]; {
		case strings.HasPrefix(rt.via, "_"):
		case rt.table != "" && rt.table != "main" && rt.table != "254":
			c.Rules = append(c.Rules, "route "+rt.to+" via "+rt.via+" table "+rt.table)
		default:
			c.route(firstOf(rt.to, "default"), rt.via)
		}
	}
	for _, n := range sortedInts(rules) {
		c.Rules = append(c.Rules, strings.Join(rules[n], " "))
	}
	if typed != "" && !slices.Contains(strings.Fields(typed), "ether") {
		return c, nil, false
	}
	if typed != "" {
		c.Type = Ethernet
	}
	return c, children, true
}

// networkdDHCP reads DHCP=; a static address before it stays one.
func networkdDHCP(v string, c Config) (v4, v6 Method) {
	v4, v6 = c.V4.Method, c.V6.Method
	switch strings.ToLower(v) {
	case "yes", "true", "on", "1", "both":
		return DHCP, DHCP
	case "ipv4", "v4":
		return DHCP, v6
	case "ipv6", "v6":
		return v4, DHCP
	}
	return v4, v6
}

// positive are the patterns of a list that say yes.
func positive(v string) string {
	if strings.HasPrefix(v, "!") { // the whole list is a negation
		return "*"
	}
	return v
}

func sortedInts[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
