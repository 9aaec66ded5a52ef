package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/netcfg"
	"migimg/preflight/targets"
)

var netAddressing = Check{
	ID: "net.addressing", Code: "MIG5104", Title: "The network is configured by DHCP", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "The old address is of no use in the target's network, and nobody can reach the machine.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		n := &f.Net
		if len(n.Problems) > 0 {
			return unknown("%s", n.Problems[0])
		}
		r := pass("no static address")
		cards, addressed := map[string]bool{}, 0
		for _, c := range n.Active() {
			static := isStatic(c)
			if static || c.V4.Method == netcfg.DHCP || c.V6.Method == netcfg.DHCP {
				addressed++
				if !c.Virtual() && !c.CatchAll() {
					cards[firstWord(c.SetName, c.Name, c.ID)] = true
				}
			}
			if !static {
				continue
			}
			sev := Medium
			if c.V4.Gateway != "" || c.V6.Gateway != "" {
				sev = High
			}
			if configuresNet(f, t) {
				sev = Low
			}
			r = worst(r, dhcpInstead(warn(sev, "%s sets the address %s: it has to exist in the target's network", c.File, strings.Join(staticAddresses(c), ", ")).with(netEvidence(c)), c))
		}
		if addressed == 0 {
			return skip("no address is configured in a file")
		}
		if t.NICs != nil && int64(len(cards)) > t.NICs.Value {
			r = worst(r, warn(Medium, "%d network cards are configured, the target gives %d", len(cards), t.NICs.Value))
		}
		return r
	},
}

// isStatic says that an interface has a fixed address and learns none of the
// family: what is added to a DHCP address does not cut anybody off.
func isStatic(c facts.NetConfig) bool {
	return c.V4.Method == netcfg.Static && len(c.V4.Addresses) > 0 ||
		c.V6.Method == netcfg.Static && len(c.V6.Addresses) > 0 && c.V4.Method != netcfg.DHCP
}

func staticAddresses(c facts.NetConfig) (out []string) {
	for _, f := range []netcfg.Family{c.V4, c.V6} {
		if f.Method == netcfg.Static {
			out = append(out, f.Addresses...)
		}
	}
	return out
}

// dhcpInstead says how each manager is told to ask for an address.
func dhcpInstead(r Result, c facts.NetConfig) Result {
	how := map[netcfg.Manager]string{
		netcfg.Ifcfg:      "BOOTPROTO=dhcp, without IPADDR, PREFIX, NETMASK and GATEWAY",
		netcfg.Wicked:     "BOOTPROTO=dhcp and STARTMODE=auto, without IPADDR, and no default line in routes",
		netcfg.Interfaces: "iface " + firstWord(c.Name, "eth0") + " inet dhcp, without address and gateway",
		netcfg.Netplan:    "dhcp4: true, without addresses, routes and gateway4",
		netcfg.Keyfile:    "method=auto in [ipv4], without address1 and gateway",
		netcfg.Networkd:   "DHCP=yes in [Network], without Address= and Gateway=",
		netcfg.Dhcpcd:     "no line that begins with static",
		netcfg.CloudInit:  "remove the file, so that cloud-init takes the target's",
	}[c.Manager]
	return r.hint("Give the new machine this address, or configure DHCP in %s: %s.", c.File, how)
}

var netDHCPClient = Check{
	ID: "net.dhcp-client", Code: "MIG5105", Title: "A program that asks for an address is installed and started", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "The card stays without an address, and nobody can reach the machine.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		n := &f.Net
		if len(n.Problems) > 0 {
			return unknown("%s", n.Problems[0])
		}
		if n.NMAuto {
			return pass("NetworkManager asks by itself")
		}
		var r Result
		asked := false
		for _, c := range n.Configs {
			if c.Off || c.Manager == netcfg.CloudInit || c.V4.Method != netcfg.DHCP && c.V6.Method != netcfg.DHCP {
				continue
			}
			one := dhcpClient(n, c)
			if !asked || one.Status.Rank() < r.Status.Rank() {
				r = one // one configuration that works is enough
			}
			asked = true
		}
		if !asked {
			return skip("no interface is configured by DHCP")
		}
		if r.Status == Fail {
			switch f.OS.Family() {
			case "debian":
				r = r.command([]string{"apt-get", "install", "isc-dhcp-client"})
			case "rhel":
				r = r.command([]string{"yum", "install", "dhclient"})
			case "suse":
				r = r.command([]string{"zypper", "in", "wicked"})
			case "alpine":
				r = r.command([]string{"apk", "add", "dhcpcd"})
			}
		}
		return r
	},
}

// dhcpClient judges one configuration: whether the program it is written for is
// started, and can ask.
func dhcpClient(n *facts.Net, c facts.NetConfig) Result {
	if !n.InForce(c) {
		return warn("", "%s is for %s, which is not started at boot (%s is)", c.File, c.Manager, strings.Join(n.Managers, ", ")).with(netEvidence(c))
	}
	any := []string{"dhclient", "dhcpcd", "udhcpc", "pump"}
	own := map[netcfg.Manager][]string{
		netcfg.Ifcfg: any, netcfg.Interfaces: any, netcfg.Wicked: append([]string{"wicked"}, any...),
		netcfg.Keyfile: {"NetworkManager"}, netcfg.Networkd: {"networkd"}, netcfg.Dhcpcd: {"dhcpcd"},
	}[c.Manager]
	if (c.Manager == netcfg.Ifcfg || c.Manager == netcfg.Wicked) && slices.Contains(n.Managers, "NetworkManager") {
		own = append([]string{"NetworkManager"}, own...)
	}
	if c.Manager == netcfg.Netplan {
		if own = []string{"networkd"}; n.NetplanRenderer == "NetworkManager" {
			own = []string{"NetworkManager"}
		}
	}
	for _, p := range own {
		if slices.Contains(n.DHCPClients, p) {
			return pass("%s", p).with(netEvidence(c))
		}
	}
	return fail("", "%s asks for an address by DHCP, and none of %s is installed", c.File, strings.Join(own, ", ")).with(netEvidence(c))
}
