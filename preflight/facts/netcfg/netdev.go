package netcfg

import (
	"slices"
	"strings"
)

// networkdDev is what a .netdev file makes.
type networkdDev struct {
	name, mac, parent string
	kind              Type
	file              bool
}

var netdevKinds = map[string]Type{
	"bond": Bond, "bridge": Bridge, "vlan": VLAN, "macvlan": Macvlan, "macvtap": Macvlan, "ipvlan": Macvlan, "ipvtap": Macvlan, "wireguard": WireGuard,
	"vrf": VRF, "dummy": Dummy, "veth": Dummy, "ifb": Dummy, "team": Team,
}

func netdev(kv []KeyValue) networkdDev {
	d := networkdDev{file: true, kind: Tunnel}
	for _, x := range kv {
		switch x.Section + "." + x.Key {
		case "NetDev.Name":
			d.name = x.Value
		case "NetDev.Kind":
			if t, ok := netdevKinds[strings.ToLower(x.Value)]; ok {
				d.kind = t
			}
		case "NetDev.MACAddress":
			if isMAC(x.Value) {
				d.mac = x.Value
			}
		}
	}
	return d
}

// netdevs tells the configurations what kind of interface theirs is, and adds
// those that have a .netdev file alone.
func (r *reader) netdevs(first int, kinds map[string]networkdDev) {
	for _, n := range sortedKeys(kinds) {
		d := kinds[n]
		i := slices.IndexFunc(r.res.Configs[first:], func(c Config) bool { return c.Name == n })
		if i < 0 {
			if !d.file {
				continue
			}
			r.add(Config{Manager: Networkd, Name: n, ID: n, V4: Family{Method: None}, V6: Family{Method: None}})
			i = len(r.res.Configs) - 1 - first
		}
		c := &r.res.Configs[first+i]
		if d.file {
			c.Type, c.SetMAC = d.kind, firstOf(c.SetMAC, d.mac)
		}
		c.Parent = firstOf(c.Parent, d.parent)
	}
}
