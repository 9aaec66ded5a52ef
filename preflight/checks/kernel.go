package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/kmod"
	"migimg/preflight/targets"
)

var needKernels = []facts.Key{facts.KeyGuest, facts.KeyDrivers, facts.KeyKernels}

var bootDefaultKernel = Check{
	ID: "boot.default-kernel", Code: "MIG2111", Title: "The kernel that boots by default is one for any machine", Category: "boot", Severity: Blocker,
	Needs:  needKernels,
	Impact: "The kernel does not start on the target, or the machine runs another kernel than it does now.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		e, ok := f.Boot.DefaultEntry()
		if !ok {
			return unknown("the default boot entry of %s cannot be told", f.Boot.File)
		}
		release := f.Drivers.Kernel
		r := pass("%s", release).with(file(e.Source, e.Line, e.Title))
		k, known := f.Default()
		switch {
		case known && k.XenPV == kmod.Yes:
			r = worst(r, fail("", "kernel %s runs only paravirtualised under Xen", release))
		case strings.Contains(e.Title, "(recovery mode)") || strings.Contains(release, "0-rescue"):
			r = worst(r, warn(High, "the default entry %q is for recovery", e.Title))
		case debugKernel(release):
			r = worst(r, warn(Medium, "kernel %s is made for debugging: it is slow", release))
		}
		if e.Hypervisor != "" {
			r = worst(r, warn(High, "the default entry starts the hypervisor %s, and the system as its first guest", e.Hypervisor))
		}
		if strings.Contains(f.Boot.DefaultWhy, "next_entry") {
			r = worst(r, warn(Medium, "the default is for the next start only: %s", f.Boot.DefaultWhy))
		}
		if run := f.Kernels.Running; run != "" && run != release {
			r = worst(r, warn(Low, "kernel %s runs now, and %s starts next: it was not tried on this machine", run, release).with(value("running", run, release)))
		}
		if list := f.Kernels.Installed; len(list) > 0 && list[0].Release != release && list[0].Image != "" && bootcfg.CompareReleases(list[0].Release, release) > 0 && !debugKernel(list[0].Release) {
			r = worst(r, warn(Low, "kernel %s is installed and newer", list[0].Release))
		}
		return betterKernel(f, t, r)
	},
}

func debugKernel(release string) bool {
	return strings.HasSuffix(release, "debug") || strings.HasSuffix(release, "-dbg") || strings.HasSuffix(release, "+debug")
}

// betterKernel names an installed kernel that has the drivers which the default
// one has not, or that runs everywhere. The newest such one is taken.
func betterKernel(f *facts.Facts, t *targets.Target, r Result) Result {
	need := func(k facts.InstalledKernel) bool {
		return slices.ContainsFunc(t.Disk.AnyOf, func(g []string) bool {
			return !slices.ContainsFunc(g, func(m string) bool { return !k.Has[m] })
		})
	}
	own, ok := f.Default()
	if !ok || own.Has == nil || len(t.Disk.AnyOf) == 0 || need(own) && own.XenPV != kmod.Yes {
		return r
	}
	for _, k := range f.Kernels.Installed {
		if k.Release == own.Release || k.Has == nil || k.Image == "" || !need(k) || k.XenPV == kmod.Yes || debugKernel(k.Release) {
			continue
		}
		r = worst(r, warn(Medium, "kernel %s, which is installed too, has the target's drivers", k.Release))
		if f.OS.Family() == "rhel" {
			return r.command([]string{"grubby", "--set-default", k.Image})
		}
		return r.hint("Make %s the default of the boot loader.", k.Image)
	}
	return r
}

var bootFIPS = Check{
	ID: "boot.fips", Code: "MIG2112", Title: "FIPS mode finds what it checks", Category: "boot", Severity: High,
	Needs:  needKernels,
	Impact: "In FIPS mode the initramfs checks the kernel before it mounts the root, and stops the machine if it cannot.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		e, ok := f.Boot.DefaultEntry()
		if !ok {
			return unknown("the default boot entry of %s cannot be told", f.Boot.File)
		}
		if v, _ := bootcfg.Param(e.Cmdline, "fips"); v != "1" {
			return skip("FIPS mode is off")
		}
		r := pass("fips=1, with all it needs").with(file(e.Source, e.Line, e.Cmdline))
		separate := slices.ContainsFunc(f.Fstab.Lines, func(l facts.FstabLine) bool { return l.Point == "/boot" })
		if _, set := bootcfg.Param(e.Cmdline, "boot"); separate && !set {
			r = worst(r, fail("", "/boot is a filesystem of its own, and there is no boot= for FIPS mode to find it"))
		}
		switch h := f.Kernels.HMAC; {
		case e.Unified: // the image is signed as a whole
		case h.Err != "":
			r = worst(r, unknown("%s: %s", h.Path, h.Err))
		case h.Size < 0:
			r = worst(r, warn("", "%s is missing: the kernel's checksum", h.Path).hint("Install the kernel's package anew."))
		}
		if f.Early.Generator != "dracut" || slices.Contains(f.Early.Parts, "fips") {
			return r
		}
		if f.Early.Opaque != "" || len(f.Early.Parts) == 0 {
			return worst(r, unknown("whether the initramfs knows FIPS mode cannot be told %s", f.Early.Opaque))
		}
		return worst(r, fail("", "the initramfs was made without dracut's module fips").
			command([]string{"dracut", "-f", "--add", "fips"}))
	},
}

var bootCrashkernel = Check{
	ID: "boot.crashkernel", Code: "MIG2113", Title: "Memory dumps are set up for the target", Category: "boot", Severity: Low,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyBoot, facts.KeyKernels},
	Impact: "Memory is set apart and missing on a small machine, or a crash leaves no dump.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		e, ok := f.Boot.DefaultEntry()
		if !ok {
			return unknown("the default boot entry of %s cannot be told", f.Boot.File)
		}
		v, set := bootcfg.Param(e.Cmdline, "crashkernel")
		if !set || v == "" || v == "0" || v == "no" {
			return skip("no memory is set apart for dumps")
		}
		ev := file(e.Source, e.Line, e.Cmdline)
		r := pass("crashkernel=%s", v).with(ev)
		if v == "auto" {
			r = worst(r, warn("", "crashkernel=auto: the kernel takes what suits this machine's memory, and newer kernels refuse the word"))
		}
		for _, l := range f.Kernels.Kdump {
			w := strings.Fields(l.Text)
			if len(w) < 2 {
				continue
			}
			switch w[0] {
			case "raw", "ext2", "ext3", "ext4", "xfs", "btrfs", "minix":
				if x := device(f, t, w[0]+" "+w[1], w[1], Low); x.Status != Pass {
					r = worst(r, x.with(file(l.File, l.Line, l.Text)))
				}
			case "nfs", "nfs4", "ssh", "net":
				r = worst(r, warn(Low, "dumps go over the network to %s", w[1]).with(file(l.File, l.Line, l.Text)))
			}
		}
		return r
	},
}
