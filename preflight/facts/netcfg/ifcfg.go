package netcfg

import (
	"path"
	"slices"
	"strings"
)

// decisive are the variables of an ifcfg file that say what the network is: if
// only a shell can tell one of them, nothing is sure.
var decisive = []string{"DEVICE", "HWADDR", "BOOTPROTO", "ONBOOT", "STARTMODE", "IPADDR", "IPADDR0", "GATEWAY", "TYPE", "LLADDR"}

// sysconfig reads the ifcfg files of Red Hat (initscripts, sysconfig.txt) and of
// SUSE (ifcfg(5) of wicked).
func (r *reader) sysconfig() {
	for _, d := range []struct {
		dir     string
		manager Manager
	}{{"etc/sysconfig/network-scripts", Ifcfg}, {"etc/sysconfig/network", Wicked}} {
		names, _ := r.list(d.dir)
		first := len(r.res.Configs)
		for _, n := range names {
			iface, ok := strings.CutPrefix(n, "ifcfg-")
			if !ok || iface == "lo" || !ifcfgUsed(iface) {
				continue
			}
			file := path.Join(d.dir, n)
			text, ok := r.read(file)
			if !ok {
				continue
			}
			c, ok := r.ifcfg(file, iface, text, d.manager)
			if !ok {
				continue
			}
			for _, route := range []string{"route-", "route6-", "ifroute-"} {
				if slices.Contains(names, route+iface) {
					if text, ok := r.read(path.Join(d.dir, route+iface)); ok {
						routeFile(&c, text)
					}
				}
			}
			for _, rule := range []string{"rule-", "rule6-", "ifrule-"} {
				if slices.Contains(names, rule+iface) {
					if text, ok := r.read(path.Join(d.dir, rule+iface)); ok {
						c.Rules = append(c.Rules, dataLines(text)...)
					}
				}
			}
			r.add(c)
		}
		r.sysconfigGlobal(d.manager, r.res.Configs[first:])
		ports(r.res.Configs[first:])
	}
}

// ifcfgUsed leaves out the copies that editors and package managers make and
// that neither the network scripts nor NetworkManager read.
func ifcfgUsed(iface string) bool {
	for _, s := range []string{"~", ".bak", ".orig", ".rej", ".rpmsave", ".rpmnew", ".rpmorig"} {
		if strings.HasSuffix(iface, s) {
			return false
		}
	}
	return iface != "" && !strings.Contains(iface, ".bak.") && !strings.HasPrefix(iface, "template") && !strings.HasPrefix(iface, ".") &&
		!strings.Contains(iface, "-range")
}

// ifcfg reads one file; ok is false for what is no matter of the boot.
func (r *reader) ifcfg(file, iface, text string, m Manager) (c Config, ok bool) {
	vars := shellVars(text)
	v := vars.v
	for _, k := range vars.odd {
		if slices.Contains(decisive, k) {
			r.problem("/" + file + ": the value of " + k + " cannot be told without running it in a shell")
		}
	}
	c = Config{Manager: m, File: "/" + file, ID: iface, CloudInit: byCloudInit(file, text)}
	base, _, _ := strings.Cut(iface, ":") // an alias: more addresses of one card
	c.Name = base
	switch {
	case v["DEVICE"] != "":
		c.Name, _, _ = strings.Cut(v["DEVICE"], ":")
	case v["HWADDR"] != "":
		c.Name = ""
	}
	if id, ok := strings.CutPrefix(iface, "eth-id-"); ok && m == Wicked { // SLES 9 and 10
		c.Name, c.MAC = "", id
	} else if id, ok := strings.CutPrefix(iface, "eth-bus-"); ok && m == Wicked {
		c.Name, c.Place = "", id
	}
	c.MAC = firstOf(v["HWADDR"], c.MAC)
	for _, k := range []string{v["MACADDR"], v["LLADDR"], v["LLADDRESS"]} {
		if isMAC(k) {
			c.SetMAC = firstOf(c.SetMAC, k)
		}
	}
	c.Type = ifcfgType(v, iface)
	c.Parent = firstOf(v["PHYSDEV"], v["ETHERDEVICE"], v["MACVLAN_DEVICE"], v["IPVLAN_DEVICE"])
	if c.Type == VLAN && c.Parent == "" {
		c.Parent, _, _ = strings.Cut(c.Name, ".")
	}
	c.Master = firstOf(v["MASTER"], v["TEAM_MASTER"], v["OVS_BRIDGE"])
	if b := v["BRIDGE"]; b != "" && !(m == Wicked && yes(b, false)) {
		c.Master = firstOf(c.Master, b)
	}
	for k, val := range v {
		if strings.HasPrefix(k, "BONDING_SLAVE") || strings.HasPrefix(k, "TEAM_PORT_DEVICE") || k == "BRIDGE_PORTS" {
			c.Members = append(c.Members, strings.Fields(val)...)
		}
	}
	ifcfgIPv4(&c, v)
	ifcfgIPv6(&c, v, m)
	for _, k := range []string{"DNS1", "DNS2", "DNS3"} {
		if v[k] != "" {
			c.DNS = append(c.DNS, v[k])
		}
	}
	switch m {
	case Wicked:
		// The manual says that "manual" is the default, the template says "auto":
		// only what is written counts.
		c.Off = v["STARTMODE"] == "off" || v["STARTMODE"] == "manual"
		c.Optional = v["STARTMODE"] == "hotplug"
	default:
		c.Off = !yes(v["ONBOOT"], true)
	}
	return c, !slices.Contains([]string{"wireless", "modem", "xdsl", "isdn", "bluetooth", "bnep"}, strings.ToLower(v["TYPE"])) && v["ESSID"] == "" && v["WIRELESS"] != "yes"
}

// ifcfgType finds what is configured; the variables are those of both families.
func ifcfgType(v map[string]string, iface string) Type {
	t := strings.ToLower(v["TYPE"])
	switch {
	case strings.HasPrefix(t, "ovs") || v["OVS_BRIDGE"] != "" || v["DEVICETYPE"] == "ovs":
		return OVS
	case t == "vlan" || yes(v["VLAN"], false) || v["ETHERDEVICE"] != "" || v["PHYSDEV"] != "" && v["VLAN_ID"] != "":
		return VLAN
	case t == "bond" || yes(v["BONDING_MASTER"], false) || v["BONDING_OPTS"] != "" && v["MASTER"] == "":
		return Bond
	case t == "team" || strings.EqualFold(v["DEVICETYPE"], "Team") || v["TEAM_CONFIG"] != "" && v["TEAM_MASTER"] == "" || v["TEAM_RUNNER"] != "":
		return Team
	case t == "bridge" || yes(v["BRIDGE"], false) && v["BRIDGE_PORTS"] != "" || v["BRIDGE_PORTS"] != "" || v["BRIDGE_STP"] != "":
		return Bridge
	case v["MACVLAN_DEVICE"] != "" || v["IPVLAN_DEVICE"] != "" || t == "macvlan" || t == "ipvlan":
		return Macvlan
	case t == "infiniband" || t == "ipoib":
		return InfiniBand
	case t == "wireguard":
		return WireGuard
	case t == "gre" || t == "ipip" || t == "sit" || v["TUNNEL"] != "" || strings.HasPrefix(t, "tap") || t == "vxlan" || t == "ipsec":
		return Tunnel
	case t == "dummy" || t == "veth" || strings.HasPrefix(iface, "dummy") || v["INTERFACETYPE"] == "dummy":
		return Dummy
	case t == "ethernet":
		return Ethernet
	}
	return ""
}
