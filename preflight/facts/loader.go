package facts

import (
	"context"
	"io/fs"
	"path"
	"strings"
)

// Loader is what of the disk a firmware starts.
type Loader struct {
	// Sectors are the disk's first sector and the boot sectors of partitions that
	// hold code or are active, in the order of the disk.
	Sectors []BootSector
	// ESPs are the EFI system partitions, in the order of the disk.
	ESPs []ESP
	// MOK are the files of the guest's own keys for signing modules: the firmware
	// of this machine knows them, another one does not.
	MOK []string
	// Prober is the GRUB configuration's entries for other systems (os-prober).
	Prober []Line
}

// Line is a line of a file of the guest.
type Line struct {
	File string
	Line int
	Text string
}

// First is the disk's first sector.
func (l *Loader) First() (BootSector, bool) {
	if len(l.Sectors) == 0 {
		return BootSector{}, false
	}
	return l.Sectors[0], true
}

// maxSectors bounds the partitions whose boot sectors are read.
const maxSectors = 128

// loader reads boot sectors and the EFI system partitions, and corrects with them
// what the partition table alone made of the firmware.
func (g *gatherer) loader(ctx context.Context) error {
	l := &g.f.Loader
	l.Sectors = append(l.Sectors, readSector(g.src.own(), "", 0))
	for _, v := range g.f.Disk.Volumes {
		if v.Number == 0 || v.Start < 0 || v.Disk != g.f.Disk.Name || len(l.Sectors) > maxSectors {
			continue
		}
		s := readSector(g.src.own(), v.Name, v.Start-g.src.At)
		for _, p := range g.f.Disk.Table.Partitions {
			s.Active = s.Active || p.Number == v.Number && p.Bootable
		}
		if s.Active || s.Code != CodeNone && s.Code != CodeOther {
			l.Sectors = append(l.Sectors, s)
		}
	}
	for i, v := range g.f.Disk.Volumes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if v.PartType == espGUID || v.PartType == "0xef" {
			l.ESPs = append(l.ESPs, g.esp(i))
		}
	}
	for _, p := range []string{"var/lib/shim-signed/mok/MOK.der", "var/lib/dkms/mok.pub", "root/.mok/client.cer", "etc/pki/akmods/certs/public_key.der"} {
		if _, err := fs.Stat(g.fs, p); err == nil {
			l.MOK = append(l.MOK, "/"+p)
		}
	}
	g.starts()
	return nil
}

// starts settles Firmware.Mode by what was found: a BIOS boot partition starts
// nothing while the first sector is empty, and an EFI system partition nothing
// while no EFI program is on it. Both are common: installers make partitions for
// either firmware and use one.
func (g *gatherer) starts() {
	f := &g.f.Firmware
	why := func(s string) { f.Reasons = append(f.Reasons, s) }
	first, _ := g.f.Loader.First()
	uefi, empty := false, len(g.f.Loader.ESPs) > 0
	for _, e := range g.f.Loader.ESPs {
		uefi = uefi || len(e.Programs) > 0 || e.Err != ""
		empty = empty && e.Err == "" && len(e.Programs) == 0
	}
	switch {
	case f.Mode == "bios" && first.Code == CodeNone && uefi:
		f.Mode = "uefi"
		why("but the boot sector is empty")
	case f.Mode == "bios" && first.Code == CodeNone && len(g.f.Loader.ESPs) == 0 && !g.f.Guest.Live:
		f.Mode = "none"
		why("but the boot sector is empty")
	case f.Mode == "both" && (first.Next == "empty" || first.Next == "gpt") && uefi:
		f.Mode = "uefi"
		why("but GRUB's core image, which the boot sector starts, is gone")
	case f.Mode == "both" && empty:
		f.Mode = "bios"
		why("but no EFI program is on the EFI system partition")
	case f.Mode == "uefi" && empty && f.Running != "uefi":
		f.Mode = ""
		if first.Code == CodeNone {
			f.Mode = "none"
		}
		why("but no EFI program is on the EFI system partition")
	}
}

// prober finds the entries that os-prober put into GRUB's configuration.
func (g *gatherer) prober() {
	if !strings.HasSuffix(g.f.Boot.File, "grub.cfg") {
		return
	}
	lines, err := g.lines(g.f.Boot.File)
	if err != nil {
		return // the boot facts say so
	}
	for i, l := range lines {
		if len(g.f.Loader.Prober) == maxSectors {
			return
		}
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "menuentry") && (strings.Contains(l, "--class windows") || strings.Contains(l, "osprober-")) {
			g.f.Loader.Prober = append(g.f.Loader.Prober, Line{path.Clean("/" + g.f.Boot.File), i + 1, l})
		}
	}
}
