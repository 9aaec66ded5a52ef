package facts

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// netplan reads a netplan file (netplan.readthedocs.io, "YAML configuration").
func (g *gatherer) netplan(name, text string) {
	if !strings.HasSuffix(name, ".yaml") {
		return
	}
	node, err := ParseYAML([]byte(text))
	if err != nil {
		g.f.Net.Problems = append(g.f.Net.Problems, "/"+name+": "+err.Error())
		return
	}
	top, _ := yamlMap(node)
	net, _ := yamlMap(top["network"])
	for kind, section := range net {
		virtual := slices.Contains([]string{"bonds", "bridges", "vlans", "tunnels", "vrfs", "dummy-devices"}, kind)
		if kind != "ethernets" && !virtual {
			continue
		}
		ifaces, _ := yamlMap(section)
		for _, id := range sortedKeys(ifaces) {
			m, _ := yamlMap(ifaces[id])
			c := NetConfig{File: "/" + name, Manager: "netplan", Name: id, Virtual: virtual, Method: "none"}
			if match, ok := yamlMap(m["match"]); ok {
				c.Name, c.MAC = yamlString(match["name"]), yamlString(match["macaddress"])
				if set := yamlString(m["set-name"]); set != "" && c.Name == "" {
					c.Name = set
				}
			}
			c.Addresses = netplanAddresses(m["addresses"])
			dhcp := yamlString(m["dhcp4"])
			switch {
			case dhcp == "true" || dhcp == "yes" || dhcp == "on":
				c.Method = "dhcp"
			case len(c.Addresses) > 0:
				c.Method = "static"
			}
			_, routes := m["routes"]
			c.Gateway = yamlString(m["gateway4"]) != "" || routes
			g.addNet(c)
		}
	}
}

func netplanAddresses(n ast.Node) (out []string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil
	}
	for _, v := range s.Values {
		if t := yamlString(v); t != "" {
			out = append(out, t)
		} else if m, ok := yamlMap(v); ok { // an address with options
			out = append(out, sortedKeys(m)...)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
