package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"migimg/blockmap/ptable"
	"migimg/preflight/guestfs"
)

// Firmware is how the disk starts.
type Firmware struct {
	// Mode is "bios", "uefi", "both", "none" (nothing on the disk starts), or ""
	// where it cannot be told.
	Mode string
	// Running is how this machine was started, when the guest is its own system:
	// "bios", "uefi", or "".
	Running string
	// Reasons are what Mode was concluded from.
	Reasons []string
	// ESP is the index in Disk.Volumes of the EFI system partition, -1 for none.
	ESP int
}

// Boot is the boot loader's configuration.
type Boot struct {
	// Loader and File are of the configuration that decides; Loaders are all
	// kinds found.
	Loader, File string
	Loaders      []string
	// Entries are that configuration's; Default is the index of the one that is
	// started without anybody's doing, -1 where it cannot be told. DefaultWhy is
	// how it was found.
	Entries    []BootEntry
	Default    int
	DefaultWhy string
	Problems   []string
}

// BootEntry is a line of the boot menu.
type BootEntry struct {
	Title, ID, Cmdline, Source string
	Line                       int
	Kernel                     BootFile
	Initrds                    []BootFile
	// Unified says that Kernel is a unified kernel image: kernel, initramfs and
	// command line in one EFI program.
	Unified bool
	// Hypervisor is the path of what is started before the kernel (Xen), or empty.
	Hypervisor string
	// Root is the argument root=, resolved; RootArg is as written, and RootSet
	// false where there is none.
	Root    Spec
	RootArg string
	RootSet bool
}

// BootFile is a file that a boot entry names.
type BootFile struct {
	// Path is the guest's.
	Path string
	// Size is in bytes; -1 where the file is missing.
	Size int64
	// Modified is the time of the last change; zero where it is not known.
	Modified time.Time
	// SHA256 is of the whole file, in hexadecimal; only the kernel that boots by
	// default has it.
	SHA256 string
	// Err is why it cannot be told whether the file is there.
	Err string
}

// DefaultEntry is the entry that is started by default.
func (b *Boot) DefaultEntry() (BootEntry, bool) {
	if b.Default < 0 || b.Default >= len(b.Entries) {
		return BootEntry{}, false
	}
	return b.Entries[b.Default], true
}

// firmware concludes from the partition table and the boot sector how the disk
// starts. A BIOS-boot partition is there for GRUB on a BIOS only; an EFI system
// partition without one is for UEFI (the rule of virt-v2v's conversion).
func (g *gatherer) firmware() {
	f, d := &g.f.Firmware, &g.f.Disk
	f.ESP = -1
	bios, uefi := false, false
	why := func(format string, a ...any) { f.Reasons = append(f.Reasons, fmt.Sprintf(format, a...)) }
	for _, p := range d.Table.Partitions {
		switch {
		case p.Type == biosBootGUID:
			bios = true
			why("partition %d is a BIOS boot partition", p.Number)
		case p.Type == espGUID || p.Type == "0xef":
			uefi = true
			why("partition %d is an EFI system partition", p.Number)
			for i, v := range d.Volumes {
				if v.Number == p.Number && v.Disk == d.Name {
					f.ESP = i
				}
			}
		}
	}
	switch d.BootCode {
	case "grub":
		bios = true
		why("the boot sector holds GRUB")
	case "other":
		// Boot code that is not GRUB's: parted and fdisk write code of their own,
		// which only starts the active partition.
		if !uefi && d.Table.Kind == ptable.KindMBR {
			for _, p := range d.Table.Partitions {
				if p.Bootable {
					bios = true
					why("the boot sector holds code, and partition %d is active", p.Number)
				}
			}
		}
	}
	switch {
	case bios && uefi && d.BootCode == "grub":
		f.Mode = "both"
	case bios:
		f.Mode = "bios"
	case uefi:
		f.Mode = "uefi"
	case d.BootCode == "none":
		f.Mode = "none"
		why("the boot sector is empty and there is no EFI system partition")
	}
	if g.f.Guest.Live && g.f.Guest.RootPath == "/" {
		f.Running = "bios"
		if _, err := os.Stat(path.Join(g.src.sys(), "firmware/efi")); err == nil {
			f.Running = "uefi"
		}
		why("this machine was started by %s", strings.ToUpper(f.Running))
		if f.Mode == "" {
			f.Mode = f.Running
		}
	}
}

// file looks at a file that the boot loader names.
func (g *gatherer) file(name string) BootFile {
	b := BootFile{Path: name, Size: -1}
	fi, err := fs.Stat(g.fs, guestName(name))
	switch {
	case err == nil && fi.Mode().IsRegular():
		b.Size, b.Modified = fi.Size(), fi.ModTime()
	case err == nil:
		b.Err = "not a regular file"
	case !errors.Is(err, fs.ErrNotExist):
		b.Err = err.Error()
	}
	return b
}

// guestName makes an io/fs name of a guest's path.
func guestName(p string) string {
	if n := strings.Trim(path.Clean("/"+p), "/"); n != "" {
		return n
	}
	return "."
}

// unreadableAt says whether a path of the guest lies in a part of it that could
// not be read, and why.
func (g *gatherer) unreadableAt(names ...string) error {
	for _, n := range names {
		if _, err := fs.Stat(g.fs, n); err != nil && errors.Is(err, guestfs.ErrUnreadable) {
			return err
		}
	}
	return nil
}
