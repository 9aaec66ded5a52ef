package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var bootESPFallback = Check{
	ID: "boot.esp-fallback", Code: "MIG2102", Title: "The EFI system partition has the program that unknown firmware starts", Category: "boot", Severity: Blocker,
	Needs:  needLoader,
	Impact: "Boot entries are kept in this machine's firmware and do not travel: the target's firmware finds nothing to start.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		if f.Firmware.Mode == "bios" || f.Firmware.Mode == "none" {
			return skip("the disk does not start from UEFI")
		}
		if f.Firmware.Mode == "both" && !slices.Contains(t.Firmware.Values, "uefi") {
			return skip("the target starts the disk from BIOS")
		}
		esps := f.Loader.ESPs
		if len(esps) == 0 {
			if f.Firmware.Mode == "" {
				return unknown("it cannot be told whether the disk starts from UEFI")
			}
			return unknown("the EFI system partition was not read")
		}
		var best Result
		for i, e := range esps {
			if r := fallback(f, e); i == 0 || r.Status.Rank() < best.Status.Rank() {
				best = r
			}
		}
		if best.Status == Fail && f.Firmware.Mode == "both" && slices.Contains(t.Firmware.Values, "bios") {
			best.Severity = High // it still starts from BIOS
		}
		return best
	},
}

// archSuffix are the names of the fallback programs by architecture.
var archSuffix = map[string]string{"x86_64": "x64", "i686": "ia32", "aarch64": "aa64", "arm": "arm", "riscv64": "riscv64", "loongarch64": "loongarch64"}

// fallback judges one EFI system partition. A 32-bit kernel may be started by
// firmware of either width, so any fallback that fits one of them will do.
func fallback(f *facts.Facts, e facts.ESP) Result {
	suffixes := []string{archSuffix[f.Kernels.Arch.Kernel]}
	switch f.Kernels.Arch.Kernel {
	case "":
		suffixes = []string{"x64", "aa64", "ia32", "riscv64"}
	case "i686":
		suffixes = []string{"ia32", "x64"}
	}
	ev := espEvidence(f, e)
	for _, s := range suffixes {
		p, ok := e.Fallback(s)
		switch {
		case !ok:
		case p.Kind == "none":
			return fixFallback(f, e, fail("", "%s is no EFI program: %s", p.Path, p.Err).with(ev...))
		case p.Err != "":
			return unknown("%s: %s", p.Path, p.Err).with(ev...)
		case p.Arch != s:
			return fixFallback(f, e, fail("", "%s is a program for %s", p.Path, p.Arch).with(ev...))
		default:
			return shimPartner(f, e, p, pass("%s (%s)", p.Path, p.Kind)).with(ev...)
		}
	}
	if e.Err != "" {
		return unknown("%s", e.Err).with(ev...)
	}
	want := "BOOTX64.EFI"
	if s := suffixes[0]; s != "" {
		want = "BOOT" + strings.ToUpper(s) + ".EFI"
	}
	return fixFallback(f, e, fail("", "%s has no EFI/BOOT/%s, and boot entries of this machine's firmware do not travel", f.Disk.Volumes[e.Volume].Title(), want).with(ev...))
}

// shimPartner: shim starts the program grub<ARCH>.efi beside itself, or fbx64.efi
// if that is there, which makes boot entries anew from the CSV files (shim, README.fallback).
func shimPartner(f *facts.Facts, e facts.ESP, p facts.EFIProgram, r Result) Result {
	if p.Kind != "shim" || e.Err != "" {
		return r
	}
	dir := p.Path[:strings.LastIndex(p.Path, "/")+1]
	for _, x := range e.Programs {
		for _, n := range []string{"grub" + p.Arch + ".efi", "fb" + p.Arch + ".efi", "fallback.efi"} {
			if strings.EqualFold(x.Path, dir+n) {
				return r
			}
		}
	}
	return fixFallback(f, e, fail(High, "%s is shim, and neither grub%s.efi nor fb%s.efi is beside it for it to start", p.Path, p.Arch, p.Arch))
}

func espEvidence(f *facts.Facts, e facts.ESP) (ev []Evidence) {
	v := f.Disk.Volumes[e.Volume]
	ev = append(ev, Evidence{Kind: "volume", Key: v.Title(), Actual: v.UUID, Detail: map[string]string{"mounted at": e.At}})
	for _, p := range e.Programs {
		ev = append(ev, Evidence{Kind: "file", Path: p.Path, Detail: map[string]string{"size": fmt.Sprint(p.Size), "kind": p.Kind, "machine": p.Arch}})
	}
	return ev
}

// fixFallback says how the fallback is had.
func fixFallback(f *facts.Facts, e facts.ESP, r Result) Result {
	at := e.At
	if at == "" {
		at = "/boot/efi"
		r = r.hint("Mount the EFI system partition at %s first.", at)
	}
	if slices.Contains(f.Boot.Loaders, "systemd-boot") {
		return r.command([]string{"bootctl", "install"})
	}
	from := ""
	for _, p := range e.Programs {
		if p.Kind == "shim" && strings.Contains(strings.ToLower(p.Path), "shim") {
			from = at + p.Path[:strings.LastIndex(p.Path, "/")]
		}
	}
	switch f.OS.Family() {
	case "debian":
		target := map[string]string{"aarch64": "arm64-efi", "i686": "i386-efi"}[f.Kernels.Arch.Kernel]
		if target == "" {
			target = "x86_64-efi"
		}
		return r.command([]string{"grub-install", "--target=" + target, "--efi-directory=" + at, "--removable"})
	case "rhel", "suse":
		if from != "" {
			return r.command([]string{"mkdir", "-p", at + "/EFI/BOOT"}, []string{"cp", "-a", from + "/shimx64.efi", at + "/EFI/BOOT/BOOTX64.EFI"},
				[]string{"cp", "-a", from + "/grubx64.efi", from + "/grub.cfg", at + "/EFI/BOOT/"})
		}
	}
	return r.hint("Copy the boot loader's program to EFI/BOOT/BOOTX64.EFI on the EFI system partition, with what it needs beside it.")
}
