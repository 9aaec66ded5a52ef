package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var netIfaceNames = Check{
	ID: "net.iface-names", Code: "MIG5103", Title: "The network configuration applies to the target's card", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "The machine boots without a network, and nobody can reach it.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		n := &f.Net
		if len(t.NICNames.Values) == 0 {
			return skip("the target's documents do not name its network card")
		}
		names := cardNames(n, t.NICNames.Values)
		ev := value("network card", strings.Join(configured(n), " "), strings.Join(names, "|"))
		switch {
		case len(n.Problems) > 0:
			return unknown("%s", n.Problems[0]).with(ev)
		case configuresNet(f, t):
			return pass("cloud-init configures the network").with(ev)
		case n.NMAuto:
			return pass("NetworkManager configures any card by DHCP").with(ev)
		case slices.Contains(n.Managers, "dhcpcd") || slices.Contains(n.Managers, "connman"):
			return pass("%s configures any card by DHCP", strings.Join(n.Managers, ", ")).with(ev)
		}
		confs := physical(n)
		for _, c := range confs {
			if c.CatchAll() {
				return pass("%s takes any card", c.File).with(ev, netEvidence(c))
			}
		}
		var fits []string
		for _, name := range names {
			if slices.ContainsFunc(confs, func(c facts.NetConfig) bool { return c.MAC == "" && c.Place == "" && hasDriver(c, t) && c.Fits(name) }) {
				fits = append(fits, name)
			}
		}
		return catchAll(unfit(n, confs, names, fits).with(ev), f, names)
	},
}

// unfit judges configurations of which none takes any card: fits are those of
// the target's names that one of them is for.
func unfit(n *facts.Net, confs []facts.NetConfig, names, fits []string) Result {
	r := fail("", "no configuration is for a card named %s", strings.Join(names, " or "))
	bound := ""
	for _, c := range confs {
		if bound == "" && (c.MAC != "" || c.Place != "" || c.Driver != "") {
			bound = c.File
		}
		r = r.with(netEvidence(c))
	}
	switch {
	case len(confs) == 0 && len(n.Configs) > 0:
		r = r.saying("the network configuration is not brought up at boot")
		if i := slices.IndexFunc(n.Configs, func(c facts.NetConfig) bool { return !c.Off && !c.Virtual() && !n.InForce(c) }); i >= 0 {
			c := n.Configs[i]
			// Something that no link on the disk tells may start it.
			r = warn(High, "%s is for %s, which is not started at boot (%s is)", c.File, c.Manager, strings.Join(n.Managers, ", "))
		}
		for _, c := range n.Configs[:min(len(n.Configs), 5)] {
			r = r.with(netEvidence(c))
		}
	case len(confs) == 0 && len(n.Managers) == 0:
		return unknown("no network configuration of a kind that is read, and no program for it is started at boot")
	case len(confs) == 0:
		r = r.saying("nothing configures a network card")
	case len(fits) == len(names):
		return pass("a configuration is for %s", strings.Join(fits, ", "))
	case len(fits) > 0:
		r = warn(Medium, "the configuration is for %s, but without net.ifnames=0 the card's name is made of its slot (%s)", strings.Join(fits, ", "), strings.Join(names, ", "))
	case bound != "":
		r = r.saying("%s is bound to this machine's card", bound)
	}
	return r
}

// catchAll adds what makes the configuration fit any card, for the manager that
// the guest starts.
func catchAll(r Result, f *facts.Facts, names []string) Result {
	if r.Status == Pass {
		return r
	}
	n := &f.Net
	switch {
	case n.NetplanRenderer != "":
		return r.hint("Add /etc/netplan/99-migration.yaml (mode 0600): network: {version: 2, ethernets: {any: {match: {name: \"e*\"}, dhcp4: true}}}")
	case slices.Contains(n.Managers, "networkd"):
		return r.hint("Add /etc/systemd/network/99-migration.network: [Match] Type=ether, [Network] DHCP=yes.")
	case slices.Contains(n.Managers, "NetworkManager"):
		return r.hint("Add a profile for any card to /etc/NetworkManager/system-connections/migration.nmconnection (mode 0600): [connection] id=migration, type=ethernet; [ipv4] method=auto; [ipv6] method=auto.")
	}
	switch f.OS.Family() {
	case "suse":
		return r.hint("Add /etc/sysconfig/network/ifcfg-%s with BOOTPROTO=dhcp and STARTMODE=auto, and boot with net.ifnames=0.", names[0])
	case "rhel":
		return r.hint("Boot with net.ifnames=0 biosdevname=0 and add /etc/sysconfig/network-scripts/ifcfg-eth0 with DEVICE=eth0, BOOTPROTO=dhcp, ONBOOT=yes.")
	case "debian", "alpine":
		return r.hint("Boot with net.ifnames=0 and configure eth0 in /etc/network/interfaces: auto eth0, iface eth0 inet dhcp.")
	}
	return r.hint("Add a configuration that takes any ethernet card by DHCP, or boot with net.ifnames=0 biosdevname=0 and configure eth0.")
}

// cardNames are the names that the first card may have there. A target that
// promises eth0 does so for its own images, which boot with net.ifnames=0: a
// guest that does not gets names made of the slot.
func cardNames(n *facts.Net, names []string) []string {
	if n.NoPredictable {
		return []string{"eth0"}
	}
	if !slices.ContainsFunc(names, func(s string) bool { return strings.HasPrefix(s, "en") }) {
		names = append(slices.Clone(names), "ens5", "enp0s5")
	}
	return names
}

func configured(n *facts.Net) (names []string) {
	for _, c := range n.Active() {
		if c.Name != "" && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// vanishes says that a configuration is for a card that the target does not
// have: bound to an address, or to a name that the target's card cannot have.
func vanishes(n *facts.Net, t *targets.Target, c facts.NetConfig) bool {
	if c.Virtual() || c.CatchAll() || len(t.NICNames.Values) == 0 && c.MAC == "" {
		return false
	}
	if c.MAC != "" || c.Place != "" || !hasDriver(c, t) {
		return true
	}
	return !slices.ContainsFunc(cardNames(n, t.NICNames.Values), c.Fits)
}
