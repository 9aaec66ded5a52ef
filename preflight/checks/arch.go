package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/kmod"
	"migimg/preflight/targets"
)

var kernelArch = Check{
	ID: "kernel.arch", Code: "MIG3108", Title: "Kernel and programs are for the target's processors", Category: "kernel", Severity: Medium,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyKernels},
	Impact: "The target's processors do not run the system, or the importer refuses it.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		a := f.Kernels.Arch
		ev := value("architecture", a.Kernel, "x86_64|aarch64")
		ev.Detail = map[string]string{"kernel": a.KernelFile, "programs": strings.TrimSpace(a.Userland + " " + a.UserlandFile)}
		arch := a.Kernel
		if arch == "" {
			arch = a.Userland
		}
		switch {
		case arch == "":
			return unknown("it cannot be told what processors the system is for").with(ev)
		case arch == "i686" && a.Kernel == "":
			return unknown("the programs are 32-bit, and it cannot be told whether the kernel is").with(ev)
		case len(t.Architectures.Values) > 0 && !slices.Contains(t.Architectures.Values, importerArch(arch)):
			return fail(Blocker, "the system is for %s processors, the target's are %s", arch, words(t.Architectures.Values)).
				with(ev, sourced(t, t.Architectures.Fact, "architecture", importerArch(arch), strings.Join(t.Architectures.Values, "|")))
		case a.Userland == "i686" || a.Userland == "arm":
			return warn(Medium, "the kernel is for %s and the programs are 32-bit: agents of the target may not run", a.Kernel).with(ev)
		}
		return pass("%s", arch).with(ev)
	},
}

// importerArch is the name that importers give an architecture.
func importerArch(arch string) string {
	switch arch {
	case "i686":
		return "i386"
	case "aarch64":
		return "arm64"
	}
	return arch
}

// drivenSince are the releases that a driver came with. Enterprise kernels have
// drivers that are newer than their number; so it only explains what is missing.
var drivenSince = map[string][3]int{"virtio_blk": {2, 6, 25}, "virtio_pci": {2, 6, 25}, "virtio_net": {2, 6, 25}, "virtio_scsi": {3, 4, 0}, "nvme": {3, 3, 0},
	"ena": {4, 9, 0}, "gve": {5, 3, 0}, "hv_storvsc": {2, 6, 32}, "hv_netvsc": {2, 6, 32}, "vmw_pvscsi": {2, 6, 33}, "xen_blkfront": {2, 6, 23}}

var kernelSupported = Check{
	ID: "kernel.supported", Code: "MIG3109", Title: "The kernel is as new as the target needs it", Category: "kernel", Severity: High,
	Needs:  needKernels,
	Impact: "The kernel is older than the target's devices, or is one that its importer does not know.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		release := f.Drivers.Kernel
		v, _ := facts.KernelVersion(release)
		if v[0] == 0 {
			return unknown("the version of kernel %q cannot be read", release)
		}
		r := pass("%s", release)
		for _, groups := range [][][]string{t.Disk.AnyOf, t.NIC.AnyOf} {
			if len(groups) > 0 {
				r = worst(r, youngDrivers(f, v[:], groups))
			}
		}
		// Azure's least, 2.6.37, holds without numa=off.
		if e, _ := f.Boot.DefaultEntry(); !slices.Contains(bootcfg.Params(e.Cmdline, "numa"), "off") {
			r = worst(r, oldKernel(f, t))
		}
		if k, ok := f.Default(); ok && k.Owned == kmod.No {
			r = worst(r, warn(Low, "kernel %s is in no package of the distribution: importers expect its own kernel", release))
		}
		return r
	},
}

// youngDrivers fails where each group lacks a driver that is younger than the
// kernel: then no initramfs will help.
func youngDrivers(f *facts.Facts, v []int, groups [][]string) Result {
	var why []string
	for _, g := range groups {
		i := slices.IndexFunc(g, func(m string) bool {
			s, known := drivenSince[m]
			return known && older(v, s[:]) && available(f, m).Status != Pass
		})
		if i < 0 {
			return pass("")
		}
		s := drivenSince[g[i]]
		why = append(why, fmt.Sprintf("%s came with %d.%d.%d", g[i], s[0], s[1], s[2]))
	}
	return fail("", "kernel %s is too old: %s", f.Drivers.Kernel, strings.Join(slices.Compact(why), ", ")).hint("Install a newer kernel of the distribution.")
}
