package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"migimg/preflight/facts/initramfs"
	"migimg/preflight/facts/kmod"
)

// Drivers is what the kernel that will boot has, and its initramfs.
type Drivers struct {
	// Kernel is the release (uname -r), KernelPath the image's guest path.
	Kernel, KernelPath string
	Initrds            []Initrd
	// Modules tells of each wanted module where it is.
	Modules map[string]ModuleState
	// Problems are what is odd with the modules' folder.
	Problems []string
}

// Initrd is one initramfs that the boot entry names.
type Initrd struct {
	Path, SHA256 string
	Size         int64
	// Compressions are those of the segments, in order.
	Compressions []string
	Modules      int
	// Kernels are the releases whose modules it holds.
	Kernels []string
	// Init says that it has a program to start.
	Init bool
	// Err is why it could not be read; Opaque why it may hold more than was
	// seen; Problems are what is odd.
	Err, Opaque string
	Problems    []string
	// Hostonly is what dracut was called with, if it was dracut; one line.
	Hostonly string
	// NetRules are members that give network cards names by their addresses.
	NetRules []string
}

// ModuleState is where a driver is: kmod's status, and for "modules-only" in an
// initramfs without what it depends on, what is missing.
type ModuleState struct {
	Status  kmod.Status
	Missing []string
	// Available says that the driver is built in or below /lib/modules, which is
	// enough once the root is mounted.
	Available kmod.Tri
}

func (g *gatherer) drivers(ctx context.Context) error {
	e, ok := g.f.Boot.DefaultEntry()
	if a, absent := g.f.Absent(KeyBoot); absent || !ok {
		if !absent {
			a.Reason = "it cannot be told which kernel boots"
		}
		g.f.SetAbsent(KeyDrivers, Absence{NotApplicable: a.NotApplicable, Reason: a.Reason})
		return nil
	}
	d := &g.f.Drivers
	d.KernelPath = e.Kernel.Path
	var err error
	if d.Kernel, err = g.release(e.Kernel.Path); err != nil {
		g.f.SetAbsent(KeyDrivers, Absence{Reason: err.Error()})
		return nil
	}
	tree, err := kmod.Load(g.fs, d.Kernel)
	if err != nil {
		g.f.SetAbsent(KeyDrivers, Absence{Reason: fmt.Sprintf("the modules of kernel %s: %v", d.Kernel, err)})
		return nil
	}
	d.Problems = tree.Problems
	var all *initramfs.Archive
	opaque := ""
	for _, f := range e.Initrds {
		a, i, err := g.initrd(ctx, f)
		if err != nil {
			return err
		}
		d.Initrds = append(d.Initrds, i)
		switch {
		case a == nil:
			opaque = i.Err
		case all == nil:
			all = a
		default: // several are unpacked one over the other
			all = join(all, a)
		}
	}
	if opaque != "" {
		if all == nil {
			all = &initramfs.Archive{}
		}
		all.Opaque = opaque
	}
	g.early = all
	d.Modules = map[string]ModuleState{}
	for _, name := range g.o.Modules {
		s, missing := tree.Status(name, all)
		m := ModuleState{Status: s, Missing: missing, Available: tree.Builtin(name)}
		if _, ok := tree.Path(name); ok {
			m.Available = kmod.Yes
		}
		d.Modules[name] = m
	}
	return nil
}

func join(a, b *initramfs.Archive) *initramfs.Archive {
	j := &initramfs.Archive{
		Segments: append(append([]initramfs.Segment{}, a.Segments...), b.Segments...),
		Files:    append(append([]initramfs.File{}, a.Files...), b.Files...),
		Modules:  append(append([]initramfs.Module{}, a.Modules...), b.Modules...),
		Opaque:   firstOf(a.Opaque, b.Opaque),
		Contents: map[string][]byte{},
	}
	for _, m := range []map[string][]byte{a.Contents, b.Contents} {
		for k, v := range m {
			j.Contents[k] = v
		}
	}
	return j
}

// release finds the version of a kernel image: in the image itself, or from its
// name and the folders of modules.
func (g *gatherer) release(kernel string) (string, error) {
	f, err := g.fs.Open(guestName(kernel))
	if err != nil {
		return "", fmt.Errorf("kernel %s: %w", kernel, err)
	}
	defer func() { _ = f.Close() }()
	if r, ok := f.(io.ReaderAt); ok {
		if v, err := kmod.Release(r); err == nil {
			return v, nil
		} else if !errors.Is(err, kmod.ErrNoRelease) {
			return "", fmt.Errorf("kernel %s: %w", kernel, err)
		}
	}
	for _, d := range []string{"lib/modules", "usr/lib/modules"} {
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if strings.HasSuffix(path.Base(kernel), "-"+e.Name()) {
				return e.Name(), nil
			}
		}
	}
	return "", fmt.Errorf("kernel %s: its version cannot be told, neither from the image nor from its name", kernel)
}

// maxInitrd bounds an initramfs, in bytes as it lies on the disk.
const maxInitrd = 1 << 30

// initrd reads one initramfs. The error is that of a cancelled context.
func (g *gatherer) initrd(ctx context.Context, b BootFile) (*initramfs.Archive, Initrd, error) {
	i := Initrd{Path: b.Path, Size: b.Size}
	switch {
	case b.Err != "":
		i.Err = b.Err
	case b.Size < 0:
		i.Err = "the file is missing"
	case b.Size > maxInitrd:
		i.Err = fmt.Sprintf("%d bytes are more than an initramfs has", b.Size)
	}
	if i.Err != "" {
		return nil, i, nil
	}
	f, err := g.fs.Open(guestName(b.Path))
	if err != nil {
		i.Err = err.Error()
		return nil, i, nil
	}
	defer func() { _ = f.Close() }()
	r, ok := f.(io.ReaderAt)
	if !ok {
		i.Err = "no random access"
		return nil, i, nil
	}
	a, err := initramfs.Read(ctx, r, b.Size, initramfs.Limits{})
	if ctx.Err() != nil {
		return nil, i, ctx.Err()
	}
	if err != nil {
		i.Err = err.Error()
		return nil, i, nil
	}
	h := sha256.New()
	if n, err := io.Copy(h, io.NewSectionReader(r, 0, b.Size)); err != nil || n != b.Size {
		i.Err = fmt.Sprintf("read %d of %d bytes: %v", n, b.Size, err)
		return nil, i, nil
	}
	i.SHA256 = hex.EncodeToString(h.Sum(nil))
	for _, s := range a.Segments {
		i.Compressions = append(i.Compressions, s.Compression)
	}
	i.Modules, i.Opaque, i.Problems = len(a.Modules), a.Opaque, a.Problems
	i.NetRules = netRulesIn(a)
	seen := map[string]bool{}
	for _, m := range a.Modules {
		if m.Kernel != "" && !seen[m.Kernel] {
			seen[m.Kernel] = true
			i.Kernels = append(i.Kernels, m.Kernel)
		}
	}
	for _, n := range []string{"init", "sbin/init", "usr/lib/systemd/systemd", "linuxrc"} {
		if _, ok := a.Find(n); ok {
			i.Init = true
		}
	}
	for p, text := range a.Contents {
		if strings.HasSuffix(p, "dracut/build-parameter.txt") {
			i.Hostonly = strings.TrimSpace(string(text))
		}
	}
	return a, i, nil
}
