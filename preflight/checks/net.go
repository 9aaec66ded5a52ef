package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needNet = []facts.Key{facts.KeyGuest, facts.KeyNet}

var netPersistentNames = Check{
	ID: "net.persistent-names", Code: "MIG5101", Title: "No rule ties a network card's name to this machine", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "The new card gets another name (eth1), no configuration applies to it, and nobody can reach the machine.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("no such rule")
		for _, u := range f.Net.Rules {
			r = worst(r, fail("", "%s gives the name %s to %s", u.File, u.Name, u.Bound).with(file(u.File, u.Line, "")).
				command([]string{"rm", u.File}))
		}
		if r.Status == Pass && len(f.Net.Problems) > 0 {
			return unknown("%s", f.Net.Problems[0])
		}
		return r
	},
}

// active are the configurations of real cards that are brought up at boot.
func active(n facts.Net) (out []facts.NetConfig) {
	for _, c := range n.Configs {
		if !c.Off {
			out = append(out, c)
		}
	}
	return out
}

func netEvidence(c facts.NetConfig) Evidence {
	e := file(c.File, c.Line, "")
	e.Detail = map[string]string{}
	for k, v := range map[string]string{"name": c.Name, "mac": c.MAC, "method": c.Method, "addresses": strings.Join(c.Addresses, " ")} {
		if v != "" {
			e.Detail[k] = v
		}
	}
	return e
}

var netIfaceNames = Check{
	ID: "net.iface-names", Code: "MIG5103", Title: "The network configuration applies to the target's card", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "The machine boots without a network, and nobody can reach it.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		n := f.Net
		names := t.NICNames.Values
		if len(names) == 0 {
			return skip("the target's documents do not name its network card")
		}
		names = cardNames(n, names)
		ev := value("network card", strings.Join(configured(n), " "), strings.Join(names, "|"))
		switch {
		case len(n.Problems) > 0:
			return unknown("%s", n.Problems[0]).with(ev)
		case n.CloudInit && offered(f, t):
			return pass("cloud-init configures the network").with(ev)
		case n.NMAuto:
			return pass("NetworkManager configures any card by DHCP").with(ev)
		case slices.Contains(n.Managers, "dhcpcd") || slices.Contains(n.Managers, "connman"):
			return pass("%s configures any card by DHCP", strings.Join(n.Managers, ", ")).with(ev)
		}
		confs := active(n)
		var fits []string
		for _, c := range confs {
			if c.CatchAll() {
				return pass("%s takes any card", c.File).with(ev, netEvidence(c))
			}
		}
		var bound []string
		for _, name := range names {
			if slices.ContainsFunc(confs, func(c facts.NetConfig) bool { return c.MAC == "" && !c.Virtual && c.Fits(name) }) {
				fits = append(fits, name)
			}
		}
		r := fail("", "no configuration is for a card named %s", strings.Join(names, " or "))
		for _, c := range confs {
			if c.MAC != "" {
				bound = append(bound, c.File)
			}
			r = r.with(netEvidence(c))
		}
		switch {
		case len(confs) == 0:
			r.Summary = "nothing configures a network card"
		case len(fits) == len(names):
			return pass("a configuration is for %s", strings.Join(fits, ", ")).with(ev)
		case len(fits) > 0:
			r = warn(Medium, "the configuration is for %s, but without net.ifnames=0 the card's name is made of its slot (%s)", strings.Join(fits, ", "), strings.Join(names, ", ")).with(ev)
		case len(bound) > 0:
			r.Summary = bound[0] + " is bound to the hardware address of this machine's card"
		}
		return r.with(ev).hint("Add a configuration that takes any ethernet card by DHCP, or boot with net.ifnames=0 biosdevname=0 and configure eth0.")
	},
}

// cardNames are the names that the first card may have there. A target that
// promises eth0 does so for its own images, which boot with net.ifnames=0: a
// guest that does not gets names made of the slot.
func cardNames(n facts.Net, names []string) []string {
	if n.NoPredictable {
		return []string{"eth0"}
	}
	if !slices.ContainsFunc(names, func(s string) bool { return strings.HasPrefix(s, "en") }) {
		names = append(slices.Clone(names), "ens5", "enp0s5")
	}
	return names
}

func configured(n facts.Net) (names []string) {
	for _, c := range active(n) {
		if c.Name != "" && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// offered says whether cloud-init has a data source that the target offers.
func offered(f *facts.Facts, t *targets.Target) bool {
	return slices.ContainsFunc(t.Datasources.Values, f.CloudInit.Offers)
}

var netAddressing = Check{
	ID: "net.addressing", Code: "MIG5104", Title: "The network is configured by DHCP", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "The old address is of no use in the target's network, and nobody can reach the machine.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		n := f.Net
		if len(n.Problems) > 0 {
			return unknown("%s", n.Problems[0])
		}
		r := pass("no static address")
		cards := 0
		for _, c := range active(n) {
			if c.Method == "dhcp" || c.Method == "static" {
				cards++
			}
			if c.Method != "static" {
				continue
			}
			sev := Medium
			if c.Gateway {
				sev = High
			}
			if n.CloudInit && offered(f, t) {
				sev = Low
			}
			r = worst(r, warn(sev, "%s sets the address %s: it has to exist in the target's network", c.File, strings.Join(c.Addresses, ", ")).with(netEvidence(c)).
				hint("Give the new machine this address, or configure DHCP."))
		}
		if cards == 0 {
			return skip("no address is configured in a file")
		}
		if t.NICs != nil && int64(cards) > t.NICs.Value {
			r = worst(r, warn(Medium, "%d network cards are configured, the target gives %d", cards, t.NICs.Value))
		}
		return r
	},
}
