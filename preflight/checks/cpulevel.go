package checks

import (
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// cpuModels are the oldest of QEMU's processor models that have a level of the x86-64
// psABI, of those that run on hosts of any maker where there is one.
var cpuModels = map[int]string{2: "Nehalem", 3: "Haswell-noTSX"}

// rebuilt are the distributions whose releases are built from Red Hat's sources, and
// for the same processors: x86-64-v2 since 9, x86-64-v3 since 10 (release notes of RHEL
// 9.0 and 10.0, Architectures). AlmaLinux 10 has an edition for v2 beside it.
var rebuilt = []string{"rhel", "centos", "rocky", "almalinux", "ol"}

// cpuLevel is the level of the x86-64 psABI that the guest's programs need at least; 1 is
// every processor with 64 bits.
func cpuLevel(o facts.OS) int {
	major, _, _ := strings.Cut(o.VersionID, ".")
	n, err := strconv.Atoi(major)
	switch {
	case err != nil || !slices.Contains(rebuilt, o.ID):
		return 1
	case n >= 10 && o.ID != "almalinux":
		return 3
	case n >= 9:
		return 2
	}
	return 1
}

var kernelCPULevel = Check{
	ID: "kernel.cpu-level", Code: "MIG3110", Title: "The programs run on any processor with 64 bits", Category: "kernel", Severity: Info,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyKernels, facts.KeyOS},
	Impact: "A machine whose processor model is an old one stops at the start: \"CPU does not support x86-64-v2\".",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		arch := f.Kernels.Arch.Userland
		if arch == "" {
			arch = f.Kernels.Arch.Kernel
		}
		switch arch {
		case "x86_64":
		case "":
			return unknown("it cannot be told what processors the system is for")
		default:
			return skip("the programs are not for x86_64")
		}
		level := cpuLevel(f.OS)
		ev := file(f.OS.File, 0, strings.TrimSpace(f.OS.ID+" "+f.OS.VersionID))
		if level == 1 {
			return pass("nothing is known that asks for more than x86-64").with(ev)
		}
		return warn("", "%s is built for x86-64-v%d processors", f.OS.Pretty, level).with(ev).
			hint("Where the machine's processor model can be chosen (KVM, Proxmox, OpenStack), take the host's, or %s: qemu64 and kvm64 are too old.", cpuModels[level])
	},
}
