package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/kmod"
	"migimg/preflight/targets"
)

var driverBlacklist = Check{
	ID: "driver.blacklist", Code: "MIG3104", Title: "No rule keeps the target's drivers from being loaded", Category: "drivers", Severity: Blocker,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyDrivers, facts.KeyModprobe},
	Impact: "The driver is there and is not loaded: no root device, no network, or no configuration from the target.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		r := pass("none")
		if groups := there(f, t.Disk.AnyOf, early); len(groups) > 0 {
			r = worst(r, bestGroup(f, groups, blockedEarly).at(Blocker))
		}
		if m, ok := rootModules[f.Guest.RootType]; ok {
			r = worst(r, blockedEarly(f, m).at(Blocker))
		}
		if groups := there(f, t.NIC.AnyOf, available); len(groups) > 0 {
			r = worst(r, bestGroup(f, groups, blockedLater(High)))
		}
		for _, x := range t.Extra {
			groups := [][]string{}
			for _, m := range x.Any {
				groups = append(groups, []string{m})
			}
			if groups = there(f, groups, available); len(groups) > 0 {
				if one := bestGroup(f, groups, blockedLater(Medium)); one.Status != Pass {
					one = one.more(": %s", x.Why)
					r = worst(r, one)
				}
			}
		}
		r = worst(r, oldAliases(f))
		if r.Status == Pass {
			r.Summary, r.Evidence = "none", nil
		}
		return r
	},
}

// there are the groups whose drivers the guest has: that others are blocked does
// not matter. Where it has none whole, the first is asked about.
func there(f *facts.Facts, groups [][]string, judge func(*facts.Facts, string) Result) (out [][]string) {
	for _, g := range groups {
		if !slices.ContainsFunc(g, func(m string) bool { return judge(f, m).Status == Fail }) {
			out = append(out, g)
		}
	}
	if len(out) == 0 && len(groups) > 0 {
		return groups[:1]
	}
	return out
}

// blockedEarly judges the rules for a driver that has to be there before the root.
func blockedEarly(f *facts.Facts, module string) Result {
	if m := f.Drivers.Modules[module]; m.Status == kmod.StatusBuiltin {
		return pass("%s is built in", module) // nothing is loaded
	}
	out := pass("%s", module)
	for _, r := range f.Blocking(module, facts.RuleInitramfs, facts.RuleCmdline) {
		_, sure := r.Blocks()
		if forced := r.Kind == facts.RuleBlacklist && slices.Contains(f.Early.Forced, module); !sure || forced {
			// A command may load the module after all; and a module that is loaded by
			// its own name passes the blacklist with some tools and not with others.
			out = worst(out, unblock(r, unknown("%s: whether %s is loaded in the initramfs cannot be told", place(r), module)))
			continue
		}
		out = worst(out, unblock(r, fail("", "%s keeps %s from being loaded before the root is mounted", place(r), module)))
	}
	if out.Status != Pass {
		return out
	}
	for _, r := range f.Blocking(module, facts.RuleGuest) {
		if f.Early.Opaque != "" {
			out = worst(out, unblock(r, unknown("%s is about %s, and whether the rule is in the initramfs cannot be told", place(r), module)))
			continue
		}
		out = worst(out, unblock(r, warn(Medium, "%s: the rule about %s is not in the initramfs yet, and gets there when it is made anew", place(r), module)))
	}
	return out
}

// blockedLater judges the rules for a driver that is loaded from the root.
func blockedLater(s Severity) func(*facts.Facts, string) Result {
	return func(f *facts.Facts, module string) Result {
		m := f.Drivers.Modules[module]
		if m.Status == kmod.StatusBuiltin {
			return pass("%s is built in", module)
		}
		out := pass("%s", module)
		for _, r := range f.Blocking(module, facts.RuleGuest, facts.RuleCmdline) {
			x := fail(s, "%s keeps %s from being loaded", place(r), module)
			if _, sure := r.Blocks(); !sure {
				x = result(Unknown, s, "%s: whether %s is loaded cannot be told", place(r), module)
			}
			out = worst(out, unblock(r, x))
		}
		return out
	}
}

func place(r facts.ModprobeRule) string {
	if r.Where == facts.RuleCmdline || strings.Contains(r.Text, "=") && r.Kind != facts.RuleInstall {
		return r.Text
	}
	return fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Text)
}

func unblock(r facts.ModprobeRule, x Result) Result {
	ev := file(r.File, r.Line, r.Text)
	ev.Detail = map[string]string{"where": r.Where}
	x = x.with(ev)
	switch r.Where {
	case facts.RuleGuest:
		return x.command([]string{"sed", "-i", fmt.Sprintf("%ds/^/#/", r.Line), r.File})
	case facts.RuleInitramfs:
		return x.hint("Take the line out of the file of the same name in the system, and make the initramfs anew.")
	}
	return x.hint("Take the argument out of the kernel's command line.")
}

// oldAliases are modprobe.conf's names of hardware, by which the tools of RHEL 5
// and older choose what goes into the initramfs and which card is eth0.
func oldAliases(f *facts.Facts) Result {
	r := pass("")
	for _, a := range f.Modprobe {
		if a.Kind != facts.RuleAlias || a.Ignored != "" {
			continue
		}
		card := strings.HasPrefix(a.Module, "eth") && len(a.Module) > 3 && a.Module[3] >= '0' && a.Module[3] <= '9'
		switch {
		case strings.HasPrefix(a.Value, "virtio"), !card && !strings.HasPrefix(a.Module, "scsi_hostadapter"):
		default:
			r = worst(r, warn(Medium, "%s:%d: alias %s %s names this machine's hardware", a.File, a.Line, a.Module, a.Value).with(file(a.File, a.Line, a.Text)).
				hint("Name virtio_net for eth0 and virtio_blk for scsi_hostadapter, and make the initramfs anew."))
		}
	}
	return r
}

var kernelThirdParty = Check{
	ID: "kernel.third-party-modules", Code: "MIG3107", Title: "No kernel modules of foreign origin", Category: "kernel", Severity: Low,
	Needs:  needKernels,
	Impact: "A module for hardware that the target does not have fails at every start; one that takes the place of the kernel's own driver may not work there.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		r := pass("none")
		if list := f.Kernels.Foreign; len(list) > 0 {
			x := warn("", "%d modules did not come with kernel %s (%s)", len(list), f.Drivers.Kernel, list[0])
			for _, p := range list[:min(len(list), 10)] {
				x = x.with(file(p, 0, ""))
			}
			r = worst(r, x)
			needed := t.Modules()
			for _, p := range list {
				name := moduleOf(p)
				if slices.Contains(needed, name) {
					// The clouds' own driver packages are meant to be there.
					r = worst(r, warn(Medium, "%s takes the place of the kernel's own %s, which the target needs", p, name).with(file(p, 0, "")))
				}
			}
		}
		if d := f.Kernels.DKMS; len(d) > 0 {
			r = worst(r, warn("", "DKMS builds modules on this machine: %s", strings.Join(d, ", ")).with(file("/var/lib/dkms", 0, strings.Join(d, " "))))
		}
		for _, w := range f.Kernels.Wanted {
			switch {
			case w.Known == kmod.No:
				r = worst(r, warn("", "%s:%d: kernel %s has no %s: systemd-modules-load fails at every start", w.File, w.Line.Line, f.Drivers.Kernel, w.Module).with(file(w.File, w.Line.Line, w.Text)))
			case hardware(w.Module):
				r = worst(r, warn("", "%s:%d: %s is for hardware that the target may not have", w.File, w.Line.Line, w.Module).with(file(w.File, w.Line.Line, w.Text)))
			}
		}
		if p := f.Kernels.Problems; len(p) > 0 {
			r = worst(r, unknown("%s", p[0]))
		}
		return r
	},
}

// moduleOf is a module's name by the path of its file.
func moduleOf(p string) string {
	base, _, _ := strings.Cut(p[strings.LastIndex(p, "/")+1:], ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// hardware: drivers of host adapters, cards and guest tools that belong to a
// machine or to another hypervisor.
func hardware(module string) bool {
	for _, p := range []string{"vmw", "vmxnet", "vbox", "nvidia", "nouveau", "amdgpu", "mpt2sas", "mpt3sas", "megaraid", "hpsa", "cciss", "aacraid", "qla", "lpfc", "bnx2", "ipmi_si", "coretemp", "it87", "nct6775", "i2c_i801", "xen_", "hv_"} {
		if strings.HasPrefix(module, p) {
			return true
		}
	}
	return false
}
