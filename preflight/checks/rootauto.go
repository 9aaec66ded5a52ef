package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
)

// rootTypes are the types that a partition with a root filesystem has (UAPI.2, the
// Discoverable Partitions Specification), by architecture.
var rootTypes = map[string]string{"x86_64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "aarch64": "b921b045-1df0-41c3-af44-4c6f280d3fae", "i686": "44479540-f297-41b2-9af7-d131d5f0458a"}

// rootByType judges an entry that names no root. systemd in the initramfs takes the
// partition of the root's type, if systemd-boot or its stub started the kernel
// (systemd-gpt-auto-generator(8)); other initramfs have the root written into them.
func rootByType(f *facts.Facts, e facts.BootEntry) Result {
	for _, x := range f.Early.Embedded {
		if x.Kind == "arg" && x.Key == "root" {
			return warn(Low, "entry %q has no root=; the initramfs has root=%s of its own", e.Title, x.Value).with(file(x.File, x.Line.Line, x.Text))
		}
	}
	typ := rootTypes[f.Kernels.Arch.Kernel]
	var found []facts.Volume
	for _, v := range f.Disk.Volumes {
		if v.PartType != "" && v.PartType == typ {
			found = append(found, v)
		}
	}
	own := f.Guest.Root
	if len(found) == 1 && (found[0].Name == own || strings.HasPrefix(own, found[0].Name+"/")) &&
		(e.Unified || slices.Contains(f.Boot.Loaders, "systemd-boot")) && f.Early.Programs["systemd"] != "" {
		return pass("no root=: %s has the type of a root filesystem", found[0].Title())
	}
	return warn(Medium, "entry %q has no root=: the initramfs or the partition's type decides", e.Title)
}

// deviceNumber: four hexadecimal digits or MAJOR:MINOR (kernel, block/early-lookup.c).
func deviceNumber(s string) bool {
	major, minor, ok := strings.Cut(s, ":")
	if ok {
		return major != "" && minor != "" && strings.Trim(major+minor, "0123456789") == ""
	}
	return (len(s) == 3 || len(s) == 4) && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
