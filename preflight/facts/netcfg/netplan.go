package netcfg

import (
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// netplanKinds are the sections of interfaces. Of wifis and modems, and of the
// connections that netplan only hands through to NetworkManager, the first boot
// of a server needs nothing.
var netplanKinds = map[string]Type{
	"ethernets": Ethernet, "bonds": Bond, "bridges": Bridge, "vlans": VLAN, "tunnels": Tunnel, "vrfs": VRF, "dummy-devices": Dummy, "virtual-ethernets": Dummy,
}

// netplan reads netplan's files (netplan.readthedocs.io, "YAML configuration"):
// a name in /etc hides the same name in /lib, and files are merged in the order
// of their names.
func (r *reader) netplan() {
	where := map[string]string{}
	for _, d := range []string{"lib/netplan", "usr/lib/netplan", "etc/netplan"} {
		names, masked := r.list(d)
		for _, n := range names {
			if strings.HasSuffix(n, ".yaml") {
				where[n] = d
			}
		}
		for n := range masked {
			delete(where, n)
		}
	}
	p := &netplanState{byID: map[string]*Config{}}
	for _, n := range sortedKeys(where) {
		file := path.Join(where[n], n)
		text, ok := r.read(file)
		if !ok {
			continue
		}
		if err := p.file(r, file, text); err != nil {
			r.problem("/" + file + ": " + err.Error())
		}
	}
	p.finish(r)
	r.res.NetplanRenderer = firstOf(p.renderer, "networkd")
}

// finish says what the definitions leave open, and adds them.
func (p *netplanState) finish(r *reader) {
	first := len(r.res.Configs)
	for _, id := range p.order {
		c := *p.byID[id]
		if len(c.V4.Addresses) > 0 && c.V4.Method == "" {
			c.V4.Method = Static
		}
		if len(c.V6.Addresses) > 0 && c.V6.Method == "" {
			c.V6.Method = Static
		}
		c.V4.Method = Method(firstOf(string(c.V4.Method), string(None)))
		c.V6.Method = Method(firstOf(string(c.V6.Method), string(None)))
		r.add(c)
	}
	netplanPorts(r.res.Configs[first:])
}

type netplanState struct {
	byID     map[string]*Config
	order    []string
	renderer string
}

func (p *netplanState) file(r *reader, file, text string) error {
	node, err := r.yaml([]byte(text))
	if err != nil || node == nil {
		return err
	}
	if aliased(node) {
		return errAlias
	}
	p.network(get(node, "network"), Netplan, file, text)
	return nil
}

// network reads a mapping of netplan's form.
func (p *netplanState) network(network ast.Node, m Manager, file, text string) {
	for _, sec := range fields(network) {
		if sec.key == "renderer" {
			p.renderer = scalar(sec.value)
		}
		typ, ok := netplanKinds[sec.key]
		if !ok {
			continue
		}
		for _, d := range fields(sec.value) {
			if d.key == "renderer" {
				p.renderer = scalar(d.value)
				continue
			}
			if plain(d.value) == nil || len(p.order) > maxConfigs {
				continue
			}
			id := sec.key + "/" + d.key
			c := p.byID[id]
			if c == nil {
				c = &Config{Manager: m, File: "/" + file, Line: d.line, ID: d.key, Name: d.key, Type: typ}
				p.byID[id] = c
				p.order = append(p.order, id)
			}
			c.CloudInit = c.CloudInit || byCloudInit(file, text)
			netplanDef(c, d.value)
		}
	}
}

// netplanDef puts one definition over what earlier files said: values are
// replaced, lists are joined.
func netplanDef(c *Config, n ast.Node) {
	for _, f := range fields(n) {
		v := scalar(f.value)
		switch f.key {
		case "match":
			netplanMatch(c, f.value)
		case "set-name":
			c.SetName = v
		case "macaddress":
			if isMAC(v) {
				c.SetMAC = v
			}
		case "dhcp4":
			c.V4.Method = dhcpIf(v)
		case "dhcp6":
			c.V6.Method = dhcpIf(v)
		case "addresses":
			for _, a := range items(f.value) {
				addr := scalar(a)
				if fs := fields(a); addr == "" && len(fs) > 0 {
					addr = fs[0].key // an address with options
				}
				if fam := c.family(addr); addr != "" {
					fam.Addresses = addNew(fam.Addresses, addr)
				}
			}
		case "gateway4":
			c.V4.Gateway = v
		case "gateway6":
			c.V6.Gateway = v
		case "routes":
			for _, rt := range items(f.value) {
				netplanRoute(c, rt)
			}
		case "routing-policy":
			for _, rule := range items(f.value) {
				var w []string
				for _, x := range fields(rule) {
					w = append(w, x.key+" "+scalar(x.value))
				}
				c.Rules = append(c.Rules, strings.Join(w, " "))
			}
		case "nameservers":
			c.DNS = addNew(c.DNS, scalars(get(f.value, "addresses"))...)
		case "interfaces", "ports":
			for _, m := range scalars(f.value) {
				c.Members = addNew(c.Members, m)
			}
		case "link":
			c.Parent = v
		case "optional":
			c.Optional = yes(v, false)
		case "activation-mode":
			c.Off = v == "manual" || v == "off"
		case "openvswitch":
			c.Type = OVS
		case "mode":
			if c.Type == Tunnel && v == "wireguard" {
				c.Type = WireGuard
			}
		}
	}
}

func dhcpIf(v string) Method {
	if yes(v, false) {
		return DHCP
	}
	return ""
}

func netplanMatch(c *Config, n ast.Node) {
	c.Name = ""
	for _, f := range fields(n) {
		v := strings.Join(scalars(f.value), " ")
		switch f.key {
		case "name":
			c.Name = v
		case "macaddress":
			c.MAC = v
		case "driver":
			c.Driver = v
		}
	}
}

func netplanRoute(c *Config, n ast.Node) {
	to, via, table := scalar(get(n, "to")), scalar(get(n, "via")), scalar(get(n, "table"))
	switch {
	case table != "" && table != "254" || c.Type == VRF: // a VRF has a table of its own
		c.Rules = append(c.Rules, "route "+to+" via "+via+" table "+table)
	case to == "default" && via == "":
		return // through the device itself
	default:
		c.route(to, via)
	}
}

// netplanPorts resolves ids, which other definitions go by, to interface names.
func netplanPorts(cs []Config) {
	name := func(c Config) string {
		if c.SetName != "" || c.Name == "" || strings.ContainsAny(c.Name, "*?[ ") {
			return firstOf(c.SetName, c.ID)
		}
		return c.Name
	}
	byID := map[string]int{}
	for i, c := range cs {
		byID[c.ID] = i
	}
	for i := range cs {
		for k, m := range cs[i].Members {
			if p, ok := byID[m]; ok {
				cs[p].Master = cs[i].ID
				cs[i].Members[k] = name(cs[p])
			}
		}
		if p, ok := byID[cs[i].Parent]; ok && cs[i].Parent != "" {
			cs[i].Parent = name(cs[p])
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
