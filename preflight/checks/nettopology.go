package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/netcfg"
	"migimg/preflight/targets"
)

var netTopology = Check{
	ID: "net.topology", Code: "MIG5106", Title: "No bond, VLAN or bridge lies between the card and the network", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "Networks of clouds know no LACP, no VLAN tags and one hardware address a card: what lies on such an interface is cut off.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		n := &f.Net
		confs := n.Active()
		r := pass("addresses lie on the cards themselves")
		for _, c := range confs {
			r = worst(r, topology(c, confs, configuresNet(f, t)))
		}
		if r.Status == Pass && len(n.Problems) > 0 {
			return unknown("%s", n.Problems[0])
		}
		return r
	},
}

// topology judges one interface. What stands on no card (a bridge for
// containers, a dummy) is the guest's own.
func topology(c facts.NetConfig, all []facts.NetConfig, anew bool) Result {
	sev := Severity("")
	if anew {
		sev = Low // cloud-init gives the card an address besides
	}
	ev := netEvidence(c)
	name := firstWord(c.Name, c.ID)
	what := fail
	if anew {
		what = warn
	}
	switch c.Type {
	case netcfg.Bond, netcfg.Team:
		return what(sev, "%s joins %s in a %s", name, firstWord(strings.Join(c.Members, ", "), "cards"), c.Type).with(ev).
			hint("Put the address on one card and remove the %s.", c.Type)
	case netcfg.VLAN:
		if onCard(c.Parent, all, 0) {
			return what(sev, "%s is a VLAN on %s", name, firstWord(c.Parent, "a card")).with(ev).hint("Give the machine one card for each network, without tags.")
		}
	case netcfg.OVS:
		return warn(High, "%s belongs to Open vSwitch", name).with(ev)
	case netcfg.Bridge:
		if slices.ContainsFunc(c.Members, func(m string) bool { return onCard(m, all, 0) }) {
			if anew {
				return warn(Low, "%s is a bridge over %s", name, strings.Join(c.Members, ", ")).with(ev)
			}
			return warn(High, "%s is a bridge over %s", name, strings.Join(c.Members, ", ")).with(ev).
				hint("Put the address on the card, or name the target's card as the bridge's port; machines behind the bridge are cut off.")
		}
	case netcfg.Macvlan:
		return warn(High, "%s has a hardware address of its own on %s", name, firstWord(c.Parent, "a card")).with(ev)
	case netcfg.WireGuard, netcfg.Tunnel:
		return warn(Low, "%s is a tunnel (%s): the other end may know this machine by its old address", name, c.Type).with(ev)
	}
	if len(c.Rules) > 0 && !c.Virtual() {
		ev.Detail["rules"] = strings.Join(c.Rules[:min(len(c.Rules), 5)], "; ")
		return warn(Medium, "%s has policy routing for the addresses of this place", name).with(ev)
	}
	return Result{Status: Pass}
}

// onCard says whether an interface is, or stands on, a network card. One that
// nothing is known of is a card.
func onCard(name string, all []facts.NetConfig, depth int) bool {
	i := slices.IndexFunc(all, func(c facts.NetConfig) bool { return c.Name == name || c.ID == name })
	if i < 0 || depth > 8 {
		return true
	}
	c := all[i]
	switch c.Type {
	case "", netcfg.Ethernet, netcfg.InfiniBand:
		return true
	case netcfg.Bridge, netcfg.Bond, netcfg.Team:
		return slices.ContainsFunc(c.Members, func(m string) bool { return onCard(m, all, depth+1) })
	case netcfg.VLAN, netcfg.Macvlan:
		return c.Parent == "" || onCard(c.Parent, all, depth+1)
	}
	return false
}

var netOnlineWait = Check{
	ID: "net.online-wait", Code: "MIG5107", Title: "The boot does not wait for a card that is gone", Category: "network", Severity: Medium,
	Needs:  needNet,
	Impact: "Each boot takes two to five minutes longer.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		n := &f.Net
		if configuresNet(f, t) {
			return pass("cloud-init configures the network")
		}
		r := pass("nothing waits for a card that the target does not have")
		for _, c := range n.Active() {
			if c.Optional || !vanishes(n, t, c) {
				continue
			}
			if one, ok := waits(n, c); ok {
				r = worst(r, one.with(netEvidence(c)))
			}
		}
		if r.Status == Pass && len(n.Problems) > 0 {
			return unknown("%s", n.Problems[0])
		}
		return r
	},
}

// waits says whether the boot waits for a configuration's card; ok is false
// where it does not.
func waits(n *facts.Net, c facts.NetConfig) (Result, bool) {
	has := func(unit string) bool { return slices.Contains(n.WaitOnline, unit) }
	name := firstWord(c.Name, c.MAC, c.ID)
	switch c.Manager {
	case netcfg.Netplan:
		// Netplan makes its renderer wait for every interface that is not optional.
		if n.NetplanRenderer != "NetworkManager" || has("NetworkManager-wait-online.service") {
			return warn("", "the boot waits for %s", name).hint("Set optional: true for %s in %s.", c.ID, c.File), true
		}
	case netcfg.Networkd:
		if has("systemd-networkd-wait-online.service") {
			return warn("", "systemd-networkd-wait-online waits for a network, and %s is for the card %s", c.File, name).hint("Set RequiredForOnline=no in [Link] of %s.", c.File), true
		}
	case netcfg.Keyfile:
		if has("NetworkManager-wait-online.service") {
			return warn(Low, "NetworkManager-wait-online may wait for %s", name).hint("Set autoconnect=false in [connection] of %s.", c.File), true
		}
	case netcfg.Interfaces:
		// Only Ubuntu's older boots wait for it; others report a failed service.
		return warn(Low, "%s is brought up at boot and is not there", name).hint("Replace auto %s with allow-hotplug %s in %s.", c.Name, c.Name, c.File), true
	case netcfg.Ifcfg:
		if slices.Contains(n.Managers, "network") {
			return warn("", "the service network brings up %s, which is not there", name).command([]string{"sed", "-i", "s/^ONBOOT=.*/ONBOOT=no/", c.File}), true
		}
	case netcfg.Wicked:
		return warn("", "wicked waits for %s", name).command([]string{"sed", "-i", "s/^STARTMODE=.*/STARTMODE=hotplug/", c.File}), true
	}
	return Result{}, false
}
