package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/facts/bootcfg"
)

// maxEntries bounds the boot entries whose files are looked at.
const maxEntries = 200

// boot reads the boot loader's configuration.
func (g *gatherer) boot(ctx context.Context) error {
	if err := g.unreadableAt("boot", "boot/grub", "boot/grub2", "etc"); err != nil {
		g.f.SetAbsent(KeyBoot, Absence{Reason: err.Error()})
		return nil
	}
	// A BIOS and a UEFI loader may both be there; what is known of the firmware
	// decides which one counts. On a disk that starts from both, the BIOS one.
	env := bootcfg.Env{Firmware: g.f.Firmware.Mode, Mount: g.mountOf}
	switch {
	case g.f.Firmware.Running != "":
		env.Firmware = g.f.Firmware.Running
	case env.Firmware == "both":
		env.Firmware = "bios"
	case env.Firmware == "none":
		env.Firmware = ""
	}
	configs, err := bootcfg.Read(g.fs, env)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err != nil {
		g.f.SetAbsent(KeyBoot, Absence{Reason: err.Error()})
		return nil
	}
	if len(configs) == 0 {
		// That there is no configuration can be said only of a tree that was read
		// whole: on UEFI it may all be on the EFI system partition.
		why := "no boot loader's configuration was found"
		if len(g.f.Guest.Problems) > 0 {
			why += "; " + g.f.Guest.Problems[0]
		}
		g.f.SetAbsent(KeyBoot, Absence{Reason: why})
		return nil
	}
	c := configs[0]
	b := &g.f.Boot
	b.Loader, b.File, b.DefaultWhy, b.Problems = c.Loader, c.File, c.DefaultWhy, c.Problems
	for _, x := range configs {
		if !slices.Contains(b.Loaders, x.Loader) {
			b.Loaders = append(b.Loaders, x.Loader)
		}
	}
	for i, e := range c.Entries {
		if i == maxEntries {
			b.Problems = append(b.Problems, fmt.Sprintf("%d more entries were not looked at", len(c.Entries)-i))
			break
		}
		if e.Default {
			b.Default = len(b.Entries)
		}
		b.Entries = append(b.Entries, g.bootEntry(e))
	}
	if b.Default >= 0 {
		k := &b.Entries[b.Default].Kernel
		k.SHA256 = g.sum(*k)
	}
	return ctx.Err()
}

// maxKernel bounds a kernel image whose checksum is made, in bytes.
const maxKernel = 256 << 20

// sum is a file's checksum, "" where it cannot be read.
func (g *gatherer) sum(b BootFile) string {
	if b.Size <= 0 || b.Size > maxKernel {
		return ""
	}
	f, err := g.fs.Open(guestName(b.Path))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // nothing was written
	h := sha256.New()
	if n, err := io.Copy(h, io.LimitReader(f, b.Size)); err != nil || n != b.Size {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (g *gatherer) bootEntry(e bootcfg.Entry) BootEntry {
	x := BootEntry{Title: e.Title, ID: e.ID, Cmdline: e.Cmdline, Source: e.Source, Line: e.Line, Unified: e.Unified, Hypervisor: e.Hypervisor}
	if e.Kernel != "" {
		x.Kernel = g.file(e.Kernel)
	}
	for _, i := range e.Initrds {
		x.Initrds = append(x.Initrds, g.file(i))
	}
	x.RootArg, x.RootSet = bootcfg.Param(e.Cmdline, "root")
	if x.RootSet {
		x.Root = g.f.Disk.rootSpec(x.RootArg)
	}
	return x
}

// rootSpec resolves root=, which has a form of its own besides those of fstab:
// PARTUUID=ID/PARTNROFF=N is the partition N numbers after that one (kernel,
// block/early-lookup.c).
func (d *Disk) rootSpec(arg string) Spec {
	arg = strings.TrimPrefix(arg, "block:") // dracut.cmdline(7)
	base, off, ok := strings.Cut(arg, "/PARTNROFF=")
	if !ok {
		return d.Resolve(arg, "")
	}
	sp := d.Resolve(base, "")
	sp.Value += "/PARTNROFF=" + off
	n, err := strconv.Atoi(off)
	if sp.Place != OnDisk || err != nil {
		sp.Place, sp.Volume, sp.Why = Unsure, -1, or(sp.Why, "the number after PARTNROFF is none")
		return sp
	}
	number := d.Volumes[sp.Volume].Number + n
	for i, v := range d.Volumes {
		if v.Number != 0 && v.Number == number && v.Disk == d.Volumes[sp.Volume].Disk {
			sp.Volume = i
			return sp
		}
	}
	sp.Place, sp.Volume, sp.Why = Elsewhere, -1, fmt.Sprintf("the disk has no partition %d", number)
	return sp
}

// mountOf answers the boot loader's "search" for a filesystem.
func (g *gatherer) mountOf(kind, value string) (string, bool) {
	spec := map[string]string{"uuid": "UUID=", "label": "LABEL="}[kind] + value
	if kind == "partition" {
		for _, v := range g.f.Disk.Volumes {
			if v.Number != 0 && fmt.Sprint(v.Number) == value && v.Disk == g.f.Disk.Name {
				return g.mountOfVolume(v.Name)
			}
		}
		return "", false
	}
	sp := g.f.Disk.Resolve(spec, "")
	if sp.Place != OnDisk {
		return "", false
	}
	return g.mountOfVolume(g.f.Disk.Volumes[sp.Volume].Name)
}

// mountOfVolume is where a volume is in the guest's tree.
func (g *gatherer) mountOfVolume(name string) (string, bool) {
	if name == g.f.Guest.Root {
		return "/", true
	}
	for _, p := range g.f.Guest.Mounted {
		if p.Volume == name {
			return p.At, true
		}
	}
	for _, l := range g.f.Fstab.Lines {
		if l.Resolved.Place == OnDisk && g.f.Disk.Volumes[l.Resolved.Volume].Name == name {
			return l.Point, true
		}
	}
	return "", false
}
