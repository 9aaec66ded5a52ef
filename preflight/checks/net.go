package checks

import (
	"path"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/answer"
	"migimg/preflight/facts/netcfg"
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
			if u.File == "" {
				r = worst(r, fail("", "ifname= on the kernel's command line gives the name %s to %s", u.Name, u.Bound).
					with(value("ifname", u.Name+":"+u.Bound, "")).hint("Take ifname= out of the boot loader's configuration."))
				continue
			}
			one := fail("", "%s gives the name %s to %s", u.File, u.Name, u.Bound).with(file(u.File, u.Line, "")).command([]string{"rm", u.File})
			if strings.Contains(u.File, "persistent-net") && f.OS.Family() == "rhel" && strings.HasPrefix(f.OS.VersionID, "6") {
				// Its generator writes the rule again at the next boot.
				one = one.command([]string{"ln", "-s", "/dev/null", "/etc/udev/rules.d/75-persistent-net-generator.rules"})
			}
			r = worst(r, one)
		}
		for _, i := range f.Net.InitramfsRules {
			one := warn(Medium, "the initramfs has a copy of such rules (%s)", i).with(value("initramfs", i, "no persistent-net rules"))
			if f.Drivers.Kernel != "" {
				one = rebuildInitramfs(one, f)
			}
			r = worst(r, one)
		}
		if r.Status == Pass && len(f.Net.Problems) > 0 {
			return unknown("%s", f.Net.Problems[0])
		}
		return r
	},
}

// rebuildInitramfs says how the family of the guest makes an initramfs anew.
func rebuildInitramfs(r Result, f *facts.Facts) Result {
	switch f.OS.Family() {
	case "debian":
		return r.command([]string{"update-initramfs", "-u", "-k", f.Drivers.Kernel})
	case "rhel", "suse":
		return r.command([]string{"dracut", "--force", "--kver", f.Drivers.Kernel})
	}
	return r.hint("Make the initramfs anew after the rules are gone.")
}

// configuresNet says that cloud-init sets the network up anew on the target,
// from what the target says.
func configuresNet(f *facts.Facts, t *targets.Target) bool {
	return f.Net.CloudInit && f.Net.CloudInitFile == "" && provisions(f, t) == answer.Yes
}

// physical are the active configurations of real cards, and of those whose kind
// is not said. The ports of an active bond or bridge, and what a VLAN lies on,
// are brought up with it, whether or not a configuration of theirs says so.
func physical(n *facts.Net) (out []facts.NetConfig) {
	active := n.Active()
	for _, c := range active {
		if !c.Virtual() {
			out = append(out, c)
		}
	}
	for _, c := range active {
		ports := c.Members
		if c.Type == netcfg.VLAN && c.Parent != "" {
			ports = append(slices.Clone(ports), c.Parent)
		}
		for _, p := range ports {
			by := func(x facts.NetConfig) bool { return x.Name == p || x.SetName == p || x.ID == p }
			if slices.ContainsFunc(active, by) {
				continue
			}
			port := facts.NetConfig{Manager: c.Manager, File: c.File, Line: c.Line, ID: p, Name: p}
			if i := slices.IndexFunc(n.Configs, by); i >= 0 && n.InForce(n.Configs[i]) && !n.Configs[i].Virtual() {
				port = n.Configs[i]
			}
			if !slices.ContainsFunc(out, by) {
				out = append(out, port)
			}
		}
	}
	return out
}

// hasDriver says whether the target's card has the driver that a configuration
// asks for.
func hasDriver(c facts.NetConfig, t *targets.Target) bool {
	if c.Driver == "" {
		return true
	}
	for _, group := range t.NIC.AnyOf {
		for _, m := range group {
			for p := range strings.FieldsSeq(c.Driver) {
				if ok, err := path.Match(strings.ReplaceAll(p, "-", "_"), strings.ReplaceAll(m, "-", "_")); err == nil && ok {
					return true
				}
			}
		}
	}
	return false
}

func netEvidence(c facts.NetConfig) Evidence {
	e := file(c.File, c.Line, "")
	e.Detail = map[string]string{}
	for k, v := range map[string]string{"name": c.Name, "mac": firstWord(c.MAC, c.SetMAC), "method": method(c), "addresses": strings.Join(c.Addresses(), " "),
		"manager": string(c.Manager), "type": string(c.Type), "members": strings.Join(c.Members, " "), "parent": c.Parent} {
		if v != "" {
			e.Detail[k] = v
		}
	}
	return e
}

func method(c facts.NetConfig) string {
	return firstWord(string(c.V4.Method), string(c.V6.Method))
}

func firstWord(s ...string) string {
	for _, x := range s {
		if x != "" {
			return x
		}
	}
	return ""
}

var netMACBinding = Check{
	ID: "net.mac-binding", Code: "MIG5102", Title: "No configuration is bound to a hardware address", Category: "network", Severity: High,
	Needs:  needNet,
	Impact: "The new card has another address: the configuration does not apply to it, or sets an address that the target's network refuses.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		n := &f.Net
		r := pass("no configuration names a hardware address")
		others := slices.ContainsFunc(physical(n), func(c facts.NetConfig) bool { return c.CatchAll() }) || n.NMAuto
		for _, c := range physical(n) {
			if c.MAC == "" && c.SetMAC == "" {
				continue
			}
			one := fail("", "%s is for the card %s only", c.File, c.MAC)
			switch {
			case c.MAC == "":
				one = warn(Medium, "%s gives the card the hardware address %s, which networks of clouds drop", c.File, c.SetMAC)
			case c.CloudInit && configuresNet(f, t):
				one = warn(Low, "%s is for the card %s only; cloud-init makes the file anew on the target", c.File, c.MAC)
			case configuresNet(f, t):
				one = warn(Medium, "%s is for the card %s only; cloud-init configures the target's card", c.File, c.MAC)
			case others:
				one = warn(Medium, "%s is for the card %s only; another configuration takes any card", c.File, c.MAC)
			}
			r = worst(r, unbind(one.with(netEvidence(c)), c))
		}
		for _, c := range n.Active() {
			if c.Virtual() && c.MAC != "" {
				r = worst(r, warn(Medium, "%s is for the hardware address %s", c.File, c.MAC).with(netEvidence(c)))
			}
		}
		if r.Status == Pass && len(n.Problems) > 0 {
			return unknown("%s", n.Problems[0])
		}
		return r
	},
}

// unbind says how to take the address out of a file of each manager.
func unbind(r Result, c facts.NetConfig) Result {
	switch c.Manager {
	case "ifcfg":
		return r.command([]string{"sed", "-i", "-E", "s/^(HWADDR|MACADDR)=/#&/", c.File})
	case "wicked":
		return r.command([]string{"sed", "-i", "-E", "s/^(LLADDR|HWADDR)=/#&/", c.File})
	case "keyfile":
		return r.command([]string{"sed", "-i", "-E", "s/^(cloned-)?mac-address=/#&/", c.File})
	case "interfaces":
		return r.command([]string{"sed", "-i", "-E", `s/^[[:space:]]*hwaddress[[:space:]]/#&/`, c.File})
	case "networkd":
		return r.hint("In %s, replace MACAddress= in [Match] with Name=e* or Type=ether.", c.File)
	case "cloud-init":
		return r.command([]string{"rm", c.File}, []string{"cloud-init", "clean"})
	case "netplan":
		return r.hint("In %s, replace match: macaddress: and set-name: of %s with match: {name: \"e*\"}.", c.File, c.ID)
	}
	return r.hint("Take the hardware address out of %s.", c.File)
}
