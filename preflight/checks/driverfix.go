package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// extra judges one of the further drivers that a target asks for.
func extra(f *facts.Facts, t *targets.Target, x targets.Extra, groups [][]string) Result {
	judge := available
	if x.Early {
		judge = early
	}
	r := bestGroup(f, groups, judge)
	if r.Status == Pass {
		return r
	}
	r.Summary += ": " + x.Why
	r = r.with(sourced(t, x.Fact, "drivers", "", strings.Join(x.Any, "|")))
	if x.Severity != "" {
		r.Severity = Severity(x.Severity)
		if r.Status == Fail && r.Severity.Rank() <= Low.Rank() {
			r.Status = Warn
		}
	}
	if x.Early && r.Status != Unknown {
		r = fixInitramfs(f, t, r, x.Any)
	}
	return r
}

// targetModules are the drivers that belong into the initramfs for a target: its
// likeliest disk and its network cards.
func targetModules(t *targets.Target) []string {
	modules := slices.Clone(t.Disk.AnyOf[0])
	for _, g := range t.NIC.AnyOf {
		for _, m := range g {
			if !slices.Contains(modules, m) {
				modules = append(modules, m)
			}
		}
	}
	return modules
}

// fixInitramfs says how the drivers get into the initramfs.
func fixInitramfs(f *facts.Facts, t *targets.Target, r Result, modules []string) Result {
	list := strings.Join(modules, " ")
	image := ""
	if n := len(f.Drivers.Initrds); n > 0 {
		image = f.Drivers.Initrds[n-1].Path
	}
	k := f.Drivers.Kernel
	switch f.OS.Family() {
	case "debian":
		r = r.hint("Add these lines to /etc/initramfs-tools/modules: %s", list).command([]string{"update-initramfs", "-u", "-k", k})
	case "rhel", "suse":
		r = r.command([]string{"dracut", "-f", "--add-drivers", list, image, k}).
			hint(`Keep it for later kernels: a file in /etc/dracut.conf.d with add_drivers+=" %s ".`, list)
	case "arch":
		r = r.hint("Set MODULES=(%s) in /etc/mkinitcpio.conf.", list).command([]string{"mkinitcpio", "-P"})
	case "alpine":
		// mkinitfs's features are lists of modules in /etc/mkinitfs/features.d;
		// virtio's is there.
		if slices.ContainsFunc(modules, func(m string) bool { return !strings.HasPrefix(m, "virtio") }) {
			r = r.hint("Name the modules %s by their paths in a file /etc/mkinitfs/features.d/target.modules, and add target to features in /etc/mkinitfs/mkinitfs.conf.", list)
		} else {
			r = r.hint("Add virtio to features in /etc/mkinitfs/mkinitfs.conf.")
		}
		r = r.command([]string{"mkinitfs", k})
	default:
		r = r.hint("Build the initramfs of kernel %s with the modules %s.", k, list)
	}
	for _, s := range t.Sources {
		if t.Disk.Source < len(t.Sources) && s == t.Sources[t.Disk.Source] && strings.HasPrefix(s.Ref, "http") {
			r.Remediation = append(r.Remediation, Remediation{Type: "link", URL: s.Ref, Text: s.Title})
		}
	}
	return r
}
