package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/kmod"
	"migimg/preflight/targets"
)

var needDrivers = []facts.Key{facts.KeyGuest, facts.KeyDrivers}

// rootModules are the kernel modules of root filesystems that driver.boot-disk
// asks for besides the target's own.
var rootModules = map[string]string{"ext2": "ext4", "ext3": "ext4", "ext4": "ext4", "xfs": "xfs", "btrfs": "btrfs", "f2fs": "f2fs", "jfs": "jfs", "reiserfs": "reiserfs"}

// RootModules returns every kernel module that the checks themselves ask about,
// whatever the target.
func RootModules() (names []string) {
	names = append(names, "dm_mod", "dm_crypt", "md_mod", "sd_mod")
	for _, m := range rootModules {
		if !slices.Contains(names, m) {
			names = append(names, m)
		}
	}
	slices.Sort(names)
	return names
}

var driverBootDisk = Check{
	ID: "driver.boot-disk", Code: "MIG3101", Title: "Boot disk driver available before the root is mounted", Category: "drivers", Severity: Blocker,
	Needs:  needDrivers,
	Impact: "The machine stops in the initramfs's emergency shell: there is no root device.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		if len(t.Disk.AnyOf) == 0 {
			return skip("the target's documents do not say which disk it has")
		}
		r := bestGroup(f, withDisks(t.Disk.AnyOf), early)
		if m, ok := rootModules[f.Guest.RootType]; ok {
			// CONFIG_EXT2_FS and EXT3_FS are drivers of their own on old kernels.
			own := early(f, f.Guest.RootType)
			if own.Status != Pass {
				own = early(f, m)
			}
			r = worst(r, own)
		}
		if e, ok := f.Boot.DefaultEntry(); ok && e.RootSet && e.Root.Kind == "mapper" {
			r = worst(r, early(f, "dm_mod"))
		}
		for _, i := range f.Drivers.Initrds {
			ev := Evidence{Kind: "file", Path: i.Path, Detail: map[string]string{"sha256": i.SHA256, "compression": strings.Join(i.Compressions, " "), "modules": fmt.Sprint(i.Modules)}}
			if f.Early.Generator != "" {
				ev.Detail["made by"] = f.Early.Generator + hostonly(f)
			}
			r = r.with(ev)
		}
		if r.Status == Fail {
			r = fixInitramfs(f, t, leftOut(f, t, r), targetModules(t))
		}
		return r
	},
}

// bestGroup is the result of the group that does best.
func bestGroup(f *facts.Facts, groups [][]string, judge func(*facts.Facts, string) Result) Result {
	var best Result
	for i, g := range groups {
		r := pass("%s", strings.Join(g, ", "))
		var more []string
		for _, m := range g {
			one := judge(f, m)
			switch {
			case one.Status == Pass:
				r.Evidence = append(r.Evidence, one.Evidence...)
				continue
			case r.Status == one.Status:
				more = append(more, m)
			}
			r = worst(r, one)
		}
		if len(more) > 0 {
			r = r.more("; likewise %s", strings.Join(more, ", "))
		}
		if i == 0 || r.Status.Rank() < best.Status.Rank() {
			best = r
		}
	}
	return best
}

// early judges a driver that has to be there before the root is.
func early(f *facts.Facts, module string) Result {
	m, ok := f.Drivers.Modules[module]
	ev := value("module:"+module, string(m.Status), "builtin|initramfs")
	if len(m.Missing) > 0 {
		ev.Detail = map[string]string{"missing": strings.Join(m.Missing, " ")}
	}
	where := "there is no initramfs"
	if n := len(f.Drivers.Initrds); n > 0 {
		where = "not in " + f.Drivers.Initrds[n-1].Path
	}
	switch {
	case !ok || m.Status == kmod.StatusUnknown:
		return unknown("it cannot be told whether %s is in the initramfs of kernel %s%s", module, f.Drivers.Kernel, opaque(f)).with(ev)
	case m.Status == kmod.StatusBuiltin || m.Status == kmod.StatusInitramfs:
		return pass("%s: %s", module, m.Status).with(ev)
	case m.Status == kmod.StatusAbsent:
		return fail("", "kernel %s has no %s at all", f.Drivers.Kernel, module).with(ev)
	case len(m.Missing) > 0:
		return fail("", "%s is in the initramfs, but %s, which it needs, is not", module, strings.Join(m.Missing, ", ")).with(ev)
	}
	return fail("", "%s is a module of kernel %s, and %s", module, f.Drivers.Kernel, where).with(ev)
}

func opaque(f *facts.Facts) string {
	for _, i := range f.Drivers.Initrds {
		if why := i.Opaque + i.Err; why != "" {
			return fmt.Sprintf(" (%s: %s)", i.Path, why)
		}
	}
	return ""
}

var driverNetwork = Check{
	ID: "driver.network", Code: "MIG3102", Title: "Network driver available", Category: "drivers", Severity: High,
	Needs:  needDrivers,
	Impact: "The machine boots, and nobody can reach it.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		if len(t.NIC.AnyOf) == 0 {
			return skip("the target's documents do not say which network card it has")
		}
		return bestGroup(f, t.NIC.AnyOf, available)
	},
}

// available judges a driver that may be loaded from the root filesystem.
func available(f *facts.Facts, module string) Result {
	m, ok := f.Drivers.Modules[module]
	ev := value("module:"+module, string(m.Status), "builtin|initramfs|modules-only")
	switch {
	case m.Available == kmod.Yes:
		return pass("%s", module).with(ev)
	case !ok || m.Available == kmod.Unknown || m.Status == kmod.StatusUnknown:
		return unknown("it cannot be told whether kernel %s has %s", f.Drivers.Kernel, module).with(ev)
	}
	return fail("", "kernel %s has no %s", f.Drivers.Kernel, module).with(ev).
		hint("Install the distribution's full kernel (Debian's cloud and Ubuntu's virtual kernels have it too).")
}

var driverTargetExtra = Check{
	ID: "driver.target-extra", Code: "MIG3103", Title: "Other drivers that the target needs", Category: "drivers", Severity: Medium,
	Needs:  needDrivers,
	Impact: "The target's way of configuring the machine does not work.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		if len(t.Extra) == 0 {
			return skip("the target needs none")
		}
		r := pass("all there")
		for _, x := range t.Extra {
			groups := make([][]string, len(x.Any))
			for i, m := range x.Any {
				groups[i] = []string{m}
			}
			r = worst(r, extra(f, t, x, groups))
		}
		return r
	},
}

var initramfsReadable = Check{
	ID: "initramfs.readable", Code: "MIG3105", Title: "The initramfs is whole and belongs to the kernel", Category: "drivers", Severity: Blocker,
	Needs:  needDrivers,
	Impact: "The kernel stops with \"Unable to mount root fs\".",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		d := f.Drivers
		if len(d.Initrds) == 0 {
			return skip("the boot entry has no initramfs")
		}
		r := pass("%s", d.Initrds[len(d.Initrds)-1].Path)
		modules, init, kernels := 0, false, []string(nil)
		for _, i := range d.Initrds {
			ev := Evidence{Kind: "file", Path: i.Path, Detail: map[string]string{"size": fmt.Sprint(i.Size), "sha256": i.SHA256, "compression": strings.Join(i.Compressions, " ")}}
			switch {
			case i.Err != "":
				r = worst(r, unknown("%s: %s", i.Path, i.Err).with(ev))
			case i.Truncated:
				r = worst(r, fail("", "%s is cut short: %s", i.Path, i.Opaque).with(ev))
			case len(i.Undecoded) > 0:
				r = worst(r, fail("", "%s is compressed with %s, which kernel %s cannot unpack", i.Path, strings.Join(i.Undecoded, " and "), d.Kernel).with(ev))
			case i.Opaque != "":
				r = worst(r, unknown("%s: %s", i.Path, i.Opaque).with(ev))
			case len(i.Problems) > 0:
				r = worst(r, warn(Low, "%s: %s", i.Path, i.Problems[0]).with(ev))
			default:
				r = r.with(ev)
			}
			modules, init = modules+i.Modules, init || i.Init
			kernels = append(kernels, i.Kernels...)
		}
		switch {
		case r.Status == Unknown || r.Status == Fail:
		case !init:
			r = worst(r, fail("", "the initramfs has no program to start (init)"))
		case len(kernels) > 0 && !slices.Contains(kernels, d.Kernel):
			r = worst(r, fail("", "the initramfs is of kernel %s, but %s boots", kernels[0], d.Kernel))
		}
		return r
	},
}
