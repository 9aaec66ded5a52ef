package netcfg

import (
	"path"
	"slices"
	"strings"
)

// link finds .link files that tie a name to one card.
func (r *reader) link(file string, kv []KeyValue) {
	rule := NameRule{File: "/" + file}
	for _, x := range kv {
		switch x.Section + "." + x.Key {
		case "Match.MACAddress", "Match.PermanentMACAddress", "Match.Path":
			rule.Bound = x.Value
		case "Link.Name":
			rule.Name, rule.Line = x.Value, x.Line
		}
	}
	if rule.Name != "" && rule.Bound != "" {
		r.res.Rules = append(r.res.Rules, rule)
	}
}

// udev reads the rules of /etc that name network cards, and finds out whether
// udev makes predictable names at all: a rule of systemd 197 and later does
// (80-net-name-slot, then 80-net-setup-link), and /etc may mask it.
func (r *reader) udev() {
	names, masked := r.list("etc/udev/rules.d")
	for _, n := range names {
		if !strings.HasSuffix(n, ".rules") {
			continue
		}
		if text, ok := r.read(path.Join("etc/udev/rules.d", n)); ok {
			r.udevRules("/etc/udev/rules.d/"+n, text)
		}
	}
	predictable := []string{"80-net-setup-link.rules", "80-net-name-slot.rules"}
	for _, n := range predictable {
		if masked[n] {
			r.res.NoPredictable = firstOf(r.res.NoPredictable, "/etc/udev/rules.d/"+n)
		}
	}
	any, found := false, false
	for _, d := range []string{"usr/lib/udev/rules.d", "lib/udev/rules.d"} {
		names, _ := r.list(d)
		any = any || slices.Contains(names, "50-udev-default.rules")
		found = found || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(predictable, n) })
	}
	switch {
	case any && !found && r.res.NoPredictable == "":
		r.res.NoPredictable = "udev is older than predictable names"
	case !any && !found && r.exists("etc/mdev.conf"):
		r.res.NoPredictable = "/etc/mdev.conf" // BusyBox renames nothing
	}
}

// udevRules finds rules that bind an interface's name to its address or place,
// as the generators of older systems wrote them (udev(7)).
func (r *reader) udevRules(file, text string) {
	n, from, joined := 0, 0, ""
	for line := range strings.Lines(text) {
		n++
		t := strings.TrimSpace(line)
		if joined == "" {
			from = n
			if t == "" || t[0] == '#' {
				continue
			}
		}
		if strings.HasSuffix(t, `\`) {
			joined += strings.TrimSuffix(t, `\`)
			continue
		}
		rule, net := udevRule(joined + t)
		joined = ""
		if (net || strings.Contains(file, "persistent-net")) && rule.Name != "" && rule.Bound != "" && len(r.res.Rules) < maxFiles {
			rule.File, rule.Line = file, from
			r.res.Rules = append(r.res.Rules, rule)
		}
	}
}

func udevRule(s string) (rule NameRule, net bool) {
	for part := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			continue
		}
		assigns := !strings.HasPrefix(v, "=")
		v = strings.Trim(strings.TrimPrefix(v, "="), ` "`)
		switch key := strings.TrimRight(k, " =:+!"); {
		case strings.HasSuffix(k, "!"): // "is not"
		case key == "SUBSYSTEM" || key == "SUBSYSTEMS":
			net = net || v == "net"
		case slices.Contains([]string{"ATTR{address}", "SYSFS{address}", "ATTRS{address}", "KERNELS", "ID", "ATTR{dev_id}"}, key) && !assigns:
			// A rule with an address often has a dev_id beside it.
			if key != "ATTR{dev_id}" {
				rule.Bound = v
			}
		case key == "NAME" && assigns:
			rule.Name = v
		}
	}
	// A name that udev makes up from a variable is a policy and no binding.
	if strings.ContainsAny(rule.Name, "$%") {
		rule.Name = ""
	}
	return rule, net
}
