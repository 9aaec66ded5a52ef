package facts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/facts/efi"
	"migimg/preflight/guestfs"
)

// ESP is an EFI system partition and the programs on it.
type ESP struct {
	// Volume is the volume's index in Disk.Volumes; At is where the guest mounts
	// it, empty where it does not.
	Volume int
	At     string
	// Programs are the .EFI files, by their paths on the partition. Configs are
	// GRUB's and systemd-boot's configurations there.
	Programs []EFIProgram
	Configs  []string
	// Err is why not all of it could be read.
	Err string
}

// EFIProgram is a file that firmware or a loader can start.
type EFIProgram struct {
	// Path begins at the partition's root: "/EFI/BOOT/BOOTX64.EFI".
	Path string
	Size int64
	// Kind is efi's word; Arch that of its file header ("x64").
	Kind, Arch string
	Signed     bool
	// Err is why it is no program, or could not be read.
	Err string
}

// Fallback is the program that firmware starts which knows nothing of the disk:
// EFI/BOOT/BOOT<ARCH>.EFI (UEFI specification 2.10, 3.5.1.1), by the name of its
// file; ok is false where there is none.
func (e ESP) Fallback(arch string) (p EFIProgram, ok bool) {
	for _, p := range e.Programs {
		if strings.EqualFold(p.Path, "/EFI/BOOT/BOOT"+arch+".EFI") {
			return p, true
		}
	}
	return EFIProgram{}, false
}

// The bounds on an EFI system partition; vendors' have a few dozen programs.
const (
	maxPrograms = 200
	maxESPNames = 5000
	maxESPDepth = 6
)

func (g *gatherer) esp(volume int) ESP {
	v := g.f.Disk.Volumes[volume]
	e := ESP{Volume: volume}
	if v.Type != "vfat" { // firmware reads FAT and nothing else
		e.Err = fmt.Sprintf("%s is of the type of an EFI system partition and holds %s", v.Title(), or(v.Type, "unknown contents"))
		return e
	}
	at, mounted := g.mountOfVolume(v.Name)
	if mounted {
		e.At = at
	}
	names := 0
	if fi, err := fs.Stat(g.fs, guestName(at)); mounted && err == nil && fi.IsDir() && !g.hides(at) {
		e.walk(g.fs, guestName(at), "/", 0, &names)
		return e
	}
	t, point, err := g.espTree(v)
	if err != nil {
		e.Err = fmt.Sprintf("%s: %v", v.Title(), err)
		return e
	}
	defer func() { _ = t.Close() }() // read only
	if e.At == "" {
		e.At = point
	}
	e.walk(guestfs.Compose(t), ".", "/", 0, &names)
	return e
}

// espTree opens a partition that the guest's fstab does not name: where it is
// mounted, as systemd does by itself, or as it lies on the disk.
func (g *gatherer) espTree(v Volume) (t guestfs.Tree, point string, err error) {
	for _, m := range g.src.Mounts {
		if m.Partition == v.Name {
			t, err = guestfs.Live(g.livePath(m.Point))
			return t, m.Point, err
		}
	}
	t, err = g.offline(v)
	return t, "", err
}

// hides says that the guest's tree has nothing at a mount point because what is
// mounted there could not be read.
func (g *gatherer) hides(at string) bool {
	for _, p := range g.f.Guest.Mounted {
		if p.At == at && p.Unreadable != "" {
			return true
		}
	}
	return false
}

// walk lists the programs below a folder. dir is the name in the tree, at the path
// on the partition.
func (e *ESP) walk(tree fs.FS, dir, at string, depth int, names *int) {
	fail := func(err error) {
		if e.Err == "" {
			e.Err = err.Error()
		}
	}
	entries, err := fs.ReadDir(tree, dir)
	if err != nil {
		fail(err)
		return
	}
	for _, x := range entries {
		if *names++; *names > maxESPNames || len(e.Programs) >= maxPrograms {
			fail(fmt.Errorf("%s: more files than are looked at", at))
			return
		}
		name, guest := path.Join(at, x.Name()), path.Join(dir, x.Name())
		low := strings.ToLower(x.Name())
		switch {
		case x.IsDir() && depth < maxESPDepth:
			e.walk(tree, guest, name, depth+1, names)
		case x.IsDir():
			fail(fmt.Errorf("%s: folders are nested too deep", name))
		case low == "grub.cfg", low == "loader.conf":
			e.Configs = append(e.Configs, name)
		case strings.HasSuffix(low, ".efi"):
			e.Programs = append(e.Programs, program(tree, guest, name))
		}
	}
}

func program(tree fs.FS, name, at string) EFIProgram {
	p := EFIProgram{Path: at, Size: -1}
	fi, err := fs.Stat(tree, name)
	if err != nil {
		p.Err = err.Error()
		return p
	}
	if p.Size = fi.Size(); !fi.Mode().IsRegular() {
		p.Err = "not a regular file"
		return p
	}
	f, err := tree.Open(name)
	if err != nil {
		p.Err = err.Error()
		return p
	}
	defer func() { _ = f.Close() }() // nothing was written
	r, ok := f.(io.ReaderAt)
	if !ok {
		p.Err = "no random access"
		return p
	}
	x, err := efi.Open(r, p.Size)
	switch {
	case errors.Is(err, efi.ErrNotEFI) || errors.Is(err, io.ErrUnexpectedEOF):
		p.Kind, p.Err = "none", err.Error()
	case err != nil:
		p.Err = err.Error()
	default:
		p.Kind, p.Arch, p.Signed = string(x.Kind), x.Arch, x.Signed
	}
	return p
}
