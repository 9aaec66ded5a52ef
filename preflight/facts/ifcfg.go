package facts

import (
	"path"
	"slices"
	"strings"
)

func (g *gatherer) addNet(c NetConfig) {
	if c.Name != "lo" && c.Name != "lo0" {
		g.f.Net.Configs = append(g.f.Net.Configs, c)
	}
}

// ifcfg reads a file of network-scripts (RHEL: sysconfig.txt of initscripts) or
// of SUSE's wicked (ifcfg(5)).
func (g *gatherer) ifcfg(name, text string) {
	file := path.Base(name)
	iface, ok := strings.CutPrefix(file, "ifcfg-")
	if !ok || iface == "lo" || strings.Contains(iface, ".bak") || strings.HasSuffix(iface, "~") || strings.HasSuffix(iface, ".orig") ||
		strings.HasSuffix(iface, ".rpmsave") || strings.HasSuffix(iface, ".rpmnew") || strings.HasPrefix(iface, "template") {
		return
	}
	v := ParseShellVars(text)
	c := NetConfig{File: "/" + name, Manager: "ifcfg", Name: iface}
	if v["DEVICE"] != "" {
		c.Name = v["DEVICE"]
	} else if v["HWADDR"] != "" {
		c.Name = ""
	}
	c.MAC = firstOf(v["HWADDR"], v["LLADDR"])
	switch strings.ToLower(v["BOOTPROTO"]) {
	case "dhcp", "bootp", "dhcp4", "dhcp6", "dhcp+autoip":
		c.Method = "dhcp"
	default:
		if v["IPADDR"] != "" || v["IPADDR0"] != "" || v["IPADDR1"] != "" {
			c.Method = "static"
		} else {
			c.Method = "none"
		}
	}
	for _, k := range []string{"IPADDR", "IPADDR0", "IPADDR1", "IPADDR2"} {
		if v[k] != "" {
			c.Addresses = append(c.Addresses, v[k])
		}
	}
	c.Gateway = v["GATEWAY"] != "" || v["GATEWAY0"] != ""
	t := strings.ToLower(v["TYPE"])
	c.Virtual = t == "bond" || t == "bridge" || t == "team" || t == "vlan" || v["VLAN"] == "yes" || v["BONDING_MASTER"] == "yes" || v["BRIDGE"] != ""
	c.Off = strings.EqualFold(v["ONBOOT"], "no") || v["STARTMODE"] == "off" || v["STARTMODE"] == "manual"
	g.addNet(c)
}

func firstOf(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

// keyfile reads a NetworkManager connection profile (nm-settings-keyfile(5)).
func (g *gatherer) keyfile(name, text string) {
	c := NetConfig{File: "/" + name, Manager: "keyfile"}
	ethernet := false
	for _, kv := range ParseINI(text) {
		switch kv.Section + "." + kv.Key {
		case "connection.type":
			ethernet = slices.Contains([]string{"ethernet", "802-3-ethernet", "infiniband"}, kv.Value)
			c.Virtual = slices.Contains([]string{"bond", "bridge", "team", "vlan", "vrf"}, kv.Value)
		case "connection.interface-name":
			c.Name = kv.Value
		case "connection.autoconnect":
			c.Off = kv.Value == "false"
		case "ethernet.mac-address", "802-3-ethernet.mac-address":
			c.MAC = kv.Value
		case "ipv4.method":
			c.Method = map[string]string{"auto": "dhcp", "manual": "static", "disabled": "none"}[kv.Value]
		case "ipv4.gateway":
			c.Gateway = true
		default:
			if kv.Section == "ipv4" && strings.HasPrefix(kv.Key, "address") {
				a, gw, _ := strings.Cut(kv.Value, ",")
				c.Addresses, c.Gateway = append(c.Addresses, a), c.Gateway || gw != ""
			}
		}
	}
	if ethernet || c.Virtual {
		g.addNet(c)
	}
}
