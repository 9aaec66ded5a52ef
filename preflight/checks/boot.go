package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var bootFirmware = Check{
	ID: "boot.firmware", Code: "MIG2101", Title: "The target starts the disk the way it wants to be started", Category: "boot", Severity: Blocker,
	Needs:  needGuest,
	Impact: "The target's firmware finds nothing to start.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		fw := f.Firmware
		ev := value("firmware", fw.Mode, strings.Join(t.Firmware.Values, "|"))
		if len(fw.Reasons) > 0 {
			ev.Detail = map[string]string{"because": strings.Join(fw.Reasons, "; ")}
		}
		switch {
		case fw.Mode == "":
			return unknown("it cannot be told whether the disk starts from BIOS or UEFI").with(ev)
		case fw.Mode == "none":
			return fail("", "nothing on this disk starts: %s", strings.Join(fw.Reasons, "; ")).with(ev).
				hint("Install the boot loader on this disk, or export the disk that holds it.")
		case len(t.Firmware.Values) == 0:
			return skip("the target's documents do not say how it starts a disk")
		case !slices.Contains(t.Firmware.Values, fw.Mode):
			return outside(t.Firmware.Otherwise, "the disk starts from %s, the target from %s by default", strings.ToUpper(fw.Mode), strings.ToUpper(t.Firmware.Values[0])).
				with(ev, sourced(t, t.Firmware.Fact, "firmware", fw.Mode, words(t.Firmware.Values))).advise(t.Firmware.Advice, t.Firmware.Error)
		case fw.Running != "" && fw.Mode != "both" && fw.Running != fw.Mode:
			return warn(Medium, "this machine was started by %s, but the disk looks like %s", strings.ToUpper(fw.Running), strings.ToUpper(fw.Mode)).with(ev)
		}
		return pass("%s", strings.ToUpper(fw.Mode)).with(ev)
	},
}

var bootRootSpec = Check{
	ID: "boot.root-spec", Code: "MIG2105", Title: "The boot loader names the root filesystem so that the target finds it", Category: "boot", Severity: Blocker,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyBoot},
	Impact: "The kernel or the initramfs waits for a root device that does not appear, and stops.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		e, ok := f.Boot.DefaultEntry()
		if !ok {
			return unknown("the default boot entry of %s cannot be told", f.Boot.File)
		}
		r := rootOf(f, t, e).with(file(e.Source, e.Line, e.Cmdline))
		if r.Status == Fail {
			r = fixRoot(f, r)
		}
		var bad []string
		for i, o := range f.Boot.Entries {
			if i != f.Boot.Default && rootOf(f, t, o).Status == Fail {
				bad = append(bad, o.Title)
			}
		}
		if len(bad) > 0 && r.Status == Pass {
			r2 := warn(Low, "%s; but %d other entries name a root that the target does not have (%s)", r.Summary, len(bad), bad[0])
			r2.Evidence = r.Evidence
			return r2
		}
		return r
	},
}

// rootOf judges the root= of one entry.
func rootOf(f *facts.Facts, t *targets.Target, e facts.BootEntry) Result {
	s := e.Root
	switch {
	case !e.RootSet, slices.Contains([]string{"gpt-auto", "/dev/gpt-auto-root", "fstab", "dissect"}, e.RootArg):
		return rootByType(f, e)
	case deviceNumber(e.RootArg):
		return unknown("root=%s is a device number, which depends on the machine", e.RootArg)
	case s.Kind == "none" || s.Kind == "file":
		return fail("", "root=%s is not on a disk", e.RootArg)
	case s.Kind == "by-id" || s.Kind == "by-path":
		return fail("", "root=%s is made of this machine's hardware", e.RootArg)
	case s.Kind == "device":
		return deviceName(f, t, "root=", s)
	case s.Place == facts.Elsewhere:
		return fail("", "root=%s: %s", e.RootArg, s.Why)
	case s.Place == facts.Unsure:
		return unknown("root=%s: %s", e.RootArg, s.Why)
	}
	if v := f.Disk.Volumes[s.Volume]; v.Name != f.Guest.Root {
		return warn(Medium, "root=%s is %s, but the system that was read is on %s", e.RootArg, v.Title(), partTitle(f.Guest.Root))
	}
	return pass("root=%s", e.RootArg)
}

func partTitle(name string) string { return facts.Volume{Name: name}.Title() }

// deviceName judges a kernel name such as /dev/sda2: it survives only where the
// target gives the disk the same name.
func deviceName(f *facts.Facts, t *targets.Target, what string, s facts.Spec) Result {
	disk, _ := facts.DiskOf(s.Value)
	if s.Place == facts.Elsewhere {
		return fail("", "%s%s: %s", what, s.Value, s.Why)
	}
	if len(t.DiskNames.Values) == 0 {
		return unknown("%s%s, and the target's disk names are not known", what, s.Value)
	}
	name := strings.TrimPrefix(disk, "/dev/")
	switch slices.Index(t.DiskNames.Values, name) {
	case 0:
		return pass("%s%s, the name that the target's first disk has", what, s.Value)
	case -1:
		return fail("", "%s%s, but on the target the disk is %s", what, s.Value, t.DiskNames.Values[0])
	}
	return warn(Medium, "%s%s holds only where the target's disk is %s and not %s", what, s.Value, name, t.DiskNames.Values[0])
}

// fixRoot says how root=UUID= is had on this distribution.
func fixRoot(f *facts.Facts, r Result) Result {
	uuid := f.Guest.RootUUID
	if uuid == "" {
		return r.hint("Name the root by its UUID; blkid prints it.")
	}
	switch f.OS.Family() {
	case "debian":
		return r.hint("Remove GRUB_DISABLE_LINUX_UUID and any root= from /etc/default/grub.").command([]string{"update-grub"})
	case "rhel":
		return r.command([]string{"grubby", "--update-kernel=ALL", "--args=root=UUID=" + uuid})
	case "suse":
		return r.hint("Set root=UUID=%s in /etc/default/grub.", uuid).command([]string{"grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"})
	case "arch":
		return r.command([]string{"grub-mkconfig", "-o", "/boot/grub/grub.cfg"})
	case "alpine":
		return r.hint("Set root=UUID=%s in /etc/update-extlinux.conf.", uuid).command([]string{"update-extlinux"})
	}
	return r.hint("Replace it by root=UUID=%s in %s.", uuid, f.Boot.File)
}

var bootKernelFiles = Check{
	ID: "boot.kernel-files", Code: "MIG2108", Title: "Kernel and initramfs of the boot entries are there", Category: "boot", Severity: Blocker,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyBoot},
	Impact: "The boot loader stops with \"file not found\".",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		e, ok := f.Boot.DefaultEntry()
		if !ok {
			return unknown("the default boot entry of %s cannot be told", f.Boot.File)
		}
		r := worst(bootFiles(e), oldInitrd(e))
		var bad []string
		for i, o := range f.Boot.Entries {
			if i != f.Boot.Default && bootFiles(o).Status == Fail {
				bad = append(bad, o.Title)
			}
		}
		if len(bad) > 0 && r.Status == Pass {
			r2 := warn(Low, "%s; files of %d other entries are missing (%s)", r.Summary, len(bad), bad[0])
			r2.Evidence = r.Evidence
			return r2
		}
		return r
	},
}

func bootFiles(e facts.BootEntry) Result {
	r := pass("%s", e.Kernel.Path)
	for _, b := range append([]facts.BootFile{e.Kernel}, e.Initrds...) {
		ev := Evidence{Kind: "file", Path: b.Path, Detail: map[string]string{"size": fmt.Sprint(b.Size)}}
		if b.SHA256 != "" {
			ev.Detail["sha256"] = b.SHA256
		}
		switch {
		case b.Path == "":
			r = worst(r, unknown("entry %q names no kernel that was understood", e.Title))
			continue
		case b.Err != "":
			r = worst(r, unknown("%s: %s", b.Path, b.Err).with(ev))
		case b.Size < 0:
			r = worst(r, fail("", "%s is missing", b.Path).with(Evidence{Kind: "file", Path: b.Path, Actual: "missing"}))
		case b.Size == 0:
			r = worst(r, fail("", "%s is empty", b.Path).with(ev))
		default:
			r = r.with(ev)
		}
	}
	return r
}

// oldInitrd: an initramfs is made when its kernel is installed, or later. One that
// is a day older was kept from another one, or could not be made.
func oldInitrd(e facts.BootEntry) Result {
	if len(e.Initrds) == 0 || e.Kernel.Size < 0 || e.Kernel.Modified.IsZero() {
		return pass("")
	}
	i := e.Initrds[len(e.Initrds)-1]
	if i.Size < 0 || i.Modified.IsZero() || e.Kernel.Modified.Sub(i.Modified) < 24*time.Hour {
		return pass("")
	}
	return warn(Low, "%s is older than the kernel %s", i.Path, e.Kernel.Path).with(value("changed", i.Modified.UTC().Format(time.DateOnly), "not before "+e.Kernel.Modified.UTC().Format(time.DateOnly)))
}
