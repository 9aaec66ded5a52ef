// Package bootcfg reads what the boot loaders of a guest offer, and which entry
// they boot when nobody touches the keyboard. It reads GRUB 2 (its script is
// run as far as it decides the menu), GRUB legacy, the Boot Loader Specification
// as systemd-boot and GRUB's blscfg use it, and syslinux, extlinux and isolinux.
//
// # What is certain
//
// An entry that is the default says so by [Entry.Default]. Where the
// configuration does not tell it, because a condition depends on the machine or a
// file, a unified kernel image too, could not be read, no entry has the mark, and
// [Config.DefaultWhy] says why: the caller must treat the default as unknown, not
// as the first entry.
//
// # Paths
//
// A loader counts paths from the root of the filesystem it found, the guest
// from its own root. [Env] tells which filesystem is mounted where; without it
// a path is tried below /boot and as it is, and the file that exists is meant.
package bootcfg

import (
	"io/fs"
	"slices"
)

// Loaders, as Config.Loader names them.
const (
	GRUB2       = "grub2"
	GRUBLegacy  = "grub-legacy"
	SystemdBoot = "systemd-boot"
	Extlinux    = "extlinux"
	BLS         = "bls" // entries that no loader found on the disk claims
)

// Entry is one line of a boot menu.
type Entry struct {
	// Title is what the menu shows.
	Title string `json:"title"`
	// ID is the name by which a default may choose the entry, or empty.
	ID string `json:"id,omitempty"`
	// Menu is the titles of the submenus around the entry, joined by ">".
	Menu string `json:"menu,omitempty"`
	// Kernel is the Linux kernel's path in the guest, or empty for an entry that
	// boots something else; see Action.
	Kernel string `json:"kernel,omitempty"`
	// Unified says that Kernel is a unified kernel image, which holds the kernel,
	// the initramfs and, unless an entry overrides it, the command line.
	Unified bool `json:"unified,omitempty"`
	// Initrds are the paths in the guest of what is loaded as initramfs, in order.
	Initrds []string `json:"initrds,omitempty"`
	// Cmdline is the kernel's command line, without the BOOT_IMAGE= that some
	// loaders put in front.
	Cmdline string `json:"cmdline,omitempty"`
	// Hypervisor is the path of what is booted before the kernel: Xen, tboot.
	Hypervisor string `json:"hypervisor,omitempty"`
	// Action is what an entry without a kernel does: "chainloader ...",
	// "configfile ...", "fwsetup", "localboot".
	Action string `json:"action,omitempty"`
	// Source and Line are where the entry is written, a path of the guest.
	Source string `json:"source"`
	Line   int    `json:"line"`
	// Default says that this entry is booted when nobody chooses.
	Default bool `json:"default,omitempty"`
}

// Config is what one boot loader offers.
type Config struct {
	// Loader is one of the constants of this package.
	Loader string `json:"loader"`
	// File is the configuration that the loader opens first.
	File string `json:"file"`
	// Entries are in the menu's order, submenus flattened.
	Entries []Entry `json:"entries"`
	// DefaultWhy is how the default was found, or why it is not known.
	DefaultWhy string `json:"default_why"`
	// Problems are what could not be read or is odd, in words for the owner.
	Problems []string `json:"problems,omitempty"`

	menuFile string   // the file whose menu is shown, after all handing over
	used     []string // folders of loader entries that the menu took in
}

// DefaultEntry is the entry that is booted when nobody chooses; ok is false
// where that is not known.
func (c Config) DefaultEntry() (e Entry, ok bool) {
	if i := slices.IndexFunc(c.Entries, func(e Entry) bool { return e.Default }); i >= 0 {
		return c.Entries[i], true
	}
	return Entry{}, false
}

// Env is what is known of the guest's machine and disk. The zero value knows
// nothing.
type Env struct {
	// Firmware is "bios", "uefi" or empty for unknown.
	Firmware string
	// Mount says where in the guest's tree a filesystem is mounted, as "/" or
	// "/boot". kind is "uuid" or "label" of the filesystem, or "partition" with
	// the number of a partition of the boot disk, from 1. ok is false where the
	// exported disk does not have it. nil means that nothing is known.
	Mount func(kind, value string) (mount string, ok bool)
}

// Read finds the configurations of all boot loaders, the one that most likely
// boots the guest first. The error is one of the file system: what is written in
// the configurations is never an error, but a Problem.
func Read(fsys fs.FS, env Env) ([]Config, error) {
	t := &tree{fsys: fsys, env: env}
	platform := map[string]string{"bios": "pc", "uefi": "efi"}[env.Firmware]
	disk, legacy := t.grubDisk(platform), t.legacy()
	bios := t.err
	esps := t.esps()
	esp, sys := t.grubESP(esps), t.syslinux(esps)
	sd, bls := t.bootLoaderSpec(esps)
	if env.Firmware == "bios" && len(disk)+len(legacy) > 0 {
		t.err = bios // an EFI system partition that cannot be read does not matter
	}
	var order [][]Config
	switch env.Firmware {
	case "uefi":
		order = [][]Config{esp, sd, disk, sys, legacy}
		if t.fallbackIsSystemdBoot(esps) {
			order[0], order[1] = sd, esp
		}
	case "bios":
		order = [][]Config{disk, legacy, sys, esp, sd}
	default:
		order = [][]Config{disk, esp, sd, legacy, sys}
	}
	var out []Config
	for _, c := range slices.Concat(order...) {
		// A configuration that only hands over to another one is that other one.
		if !slices.ContainsFunc(out, func(o Config) bool { return o.Loader == c.Loader && o.menuFile == c.menuFile }) {
			out = append(out, c)
		}
	}
	return append(out, unclaimed(bls, out)...), t.err
}

// unclaimed drops the folders of entries that a loader has already shown.
func unclaimed(bls, found []Config) (out []Config) {
	for _, b := range bls {
		claimed := slices.ContainsFunc(found, func(c Config) bool { return slices.Contains(c.used, b.File) })
		if !claimed {
			out = append(out, b)
		}
	}
	return out
}
