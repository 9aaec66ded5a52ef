package checks

import (
	"fmt"
	"slices"

	"migimg/blockmap/ptable"
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needLoader = []facts.Key{facts.KeyGuest, facts.KeyLoader}

var bootSecureBoot = Check{
	ID: "boot.secure-boot", Code: "MIG2103", Title: "The system starts under Secure Boot of a machine that knows no keys of its own", Category: "boot", Severity: Low,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyLoader, facts.KeyKernels},
	Impact: "Where the target has Secure Boot on, the firmware refuses the loader, or the kernel refuses modules signed with a key of this machine.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		if f.Firmware.Mode == "bios" || f.Firmware.Mode == "none" {
			return skip("the disk does not start from UEFI")
		}
		r := pass("a signed loader, and no modules of foreign origin")
		var fb facts.EFIProgram
		readable := len(f.Loader.ESPs) > 0
		for _, e := range f.Loader.ESPs {
			readable = readable && e.Err == ""
			for _, s := range []string{"x64", "aa64", "ia32"} {
				if p, ok := e.Fallback(s); ok && fb.Path == "" {
					fb = p
				}
			}
		}
		switch {
		case fb.Path != "" && !fb.Signed && fb.Err == "":
			r = worst(r, warn("", "%s is not signed: it starts only with Secure Boot off", fb.Path).with(Evidence{Kind: "file", Path: fb.Path, Detail: map[string]string{"kind": fb.Kind}}))
		case fb.Path == "" && readable:
			r = worst(r, warn("", "there is no fallback loader to be signed"))
		case fb.Path == "" || fb.Err != "":
			r = worst(r, unknown("whether the loader is signed cannot be told"))
		}
		if e, ok := f.Boot.DefaultEntry(); ok && e.Unified {
			r = r.with(file(e.Kernel.Path, 0, "a unified kernel image: its initramfs cannot be changed without signing it anew"))
		}
		if n := len(f.Kernels.Foreign); n > 0 {
			x := warn("", "%d modules did not come with the kernel (%s): with Secure Boot they load only if the target knows their key", n, f.Kernels.Foreign[0])
			for _, m := range f.Loader.MOK {
				x = x.with(file(m, 0, "a key of this machine's own"))
			}
			r = worst(r, x.hint("Start the target without Secure Boot, or enrol the key there with mokutil --import."))
		}
		return r
	},
}

var bootLoaderPresent = Check{
	ID: "boot.loader-present", Code: "MIG2104", Title: "A boot loader that can be moved starts the system", Category: "boot", Severity: Blocker,
	Needs:  needLoader,
	Impact: "The firmware finds no loader, or the loader does not find its own parts.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		ev := loaderEvidence(f)
		var r Result
		switch f.Firmware.Mode {
		case "bios":
			r = biosLoader(f)
		case "uefi":
			r = efiLoader(f)
		case "both":
			r = worst(biosLoader(f), efiLoader(f))
			if r.Status == Fail {
				r.Severity = High // the other firmware starts it
			}
		case "none":
			r = fail("", "nothing on this disk starts")
		default:
			r = unknown("it cannot be told what starts this disk")
		}
		r = r.with(ev...)
		if n := len(f.Loader.Prober); n > 0 && r.Status == Pass {
			p := f.Loader.Prober[0]
			return warn(Medium, "%s; the menu has %d entries of other systems: importers expect one", r.Summary, n).with(append(ev, file(p.File, p.Line, p.Text))...)
		}
		return r
	},
}

func loaderEvidence(f *facts.Facts) (ev []Evidence) {
	for _, s := range f.Loader.Sectors {
		name := "boot sector of the disk"
		if s.Volume != "" {
			name = "boot sector of " + partTitle(s.Volume)
		}
		d := map[string]string{}
		if s.NextAt > 0 {
			d["next part at byte"], d["next part"] = fmt.Sprint(s.NextAt), s.Next
		}
		ev = append(ev, Evidence{Kind: "value", Key: name, Actual: s.Code + s.Err, Detail: d})
	}
	for _, l := range f.Boot.Loaders {
		ev = append(ev, value("configuration of", l, ""))
	}
	return ev
}

// efiLoader: which programs there are; whether the right one starts is the
// fallback's question.
func efiLoader(f *facts.Facts) Result {
	for _, e := range f.Loader.ESPs {
		for _, p := range e.Programs {
			switch p.Kind {
			case "shim", "grub", "systemd-boot", "uki", "kernel":
				return pass("%s on the EFI system partition", p.Kind)
			}
		}
	}
	for _, e := range f.Loader.ESPs {
		if e.Err != "" {
			return unknown("%s", e.Err)
		}
		if len(e.Programs) > 0 {
			return unknown("the EFI programs (%s) are none that are known", e.Programs[0].Path)
		}
	}
	if len(f.Loader.ESPs) == 0 {
		return unknown("the EFI system partition was not read")
	}
	return fail("", "the EFI system partition holds no EFI program")
}

// biosLoader follows what a BIOS starts: the first sector, and where that only
// hands over, the active partition's.
func biosLoader(f *facts.Facts) Result {
	first, ok := f.Loader.First()
	if !ok || first.Err != "" {
		return unknown("the boot sector could not be read: %s", first.Err)
	}
	s := first
	if s.Code == facts.CodeActive || s.Code == facts.CodeOther {
		// Code that only hands over. A GPT has its own flag for the partition; then
		// the one whose boot sector is a loader's is meant.
		next := slices.IndexFunc(f.Loader.Sectors[1:], func(x facts.BootSector) bool {
			return x.Active || f.Disk.Table.Kind == ptable.KindGPT && x.Code == facts.CodeSyslinux
		})
		if next >= 0 && (s.Code == facts.CodeActive || starts(f.Loader.Sectors[next+1])) {
			s = f.Loader.Sectors[next+1]
		} else if s.Code == facts.CodeActive {
			return unknown("the boot sector starts the active partition, and none is")
		}
	}
	where := "the boot sector"
	if s.Volume != "" {
		where = "the boot sector of " + partTitle(s.Volume)
	}
	switch s.Code {
	case facts.CodeGRUB2, facts.CodeGRUBLegacy:
		switch s.Next {
		case "empty":
			return fixGrub(f, fail("", "%s holds GRUB, but its next part at byte %d is empty", where, s.NextAt))
		case "gpt":
			return fixGrub(f, fail("", "%s holds GRUB, but a GPT was written over its next part at byte %d", where, s.NextAt))
		case "core":
			return pass("GRUB in %s, with its core image", where)
		}
		return pass("GRUB in %s", where)
	case facts.CodeLILO:
		return warn(High, "%s holds LILO, which has a list of the blocks of the kernel and the name of the disk", where).
			hint("Install GRUB in place of LILO before the export.")
	case facts.CodeSyslinux:
		return pass("syslinux in %s", where)
	case facts.CodeWindows:
		return unknown("%s starts Windows, and the system that was read is Linux", where)
	case facts.CodeNone:
		return fixGrub(f, fail("", "%s is empty", where))
	}
	return unknown("%s holds code that is not known", where)
}

// starts says that a boot sector is a known loader's.
func starts(s facts.BootSector) bool {
	return s.Code == facts.CodeGRUB2 || s.Code == facts.CodeGRUBLegacy || s.Code == facts.CodeSyslinux || s.Code == facts.CodeLILO
}

func fixGrub(f *facts.Facts, r Result) Result {
	switch f.OS.Family() {
	case "rhel", "suse":
		return r.command([]string{"grub2-install", f.Disk.Device})
	case "debian", "arch":
		return r.command([]string{"grub-install", f.Disk.Device})
	}
	return r.hint("Install the boot loader on %s anew.", f.Disk.Device)
}
