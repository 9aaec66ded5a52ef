package facts

import (
	"context"
	"fmt"

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
	// Truncated says that the file ends in the middle of an archive; it is also
	// one of Opaque's reasons.
	Truncated bool
	// Undecoded names the compressions that the kernel's configuration says it
	// cannot unpack.
	Undecoded []string
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
	// Deps are the modules that it needs, as modules.dep says.
	Deps []string
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
	if d.Kernel, err = g.releaseOf(e); err != nil {
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
	var archives []*initramfs.Archive
	opaque := ""
	initrds := e.Initrds
	if e.Unified {
		initrds = []BootFile{e.Kernel}
	}
	for _, f := range initrds {
		a, i, err := g.initrd(ctx, f, e.Unified)
		if err != nil {
			return err
		}
		undecoded(tree, &i)
		d.Initrds = append(d.Initrds, i)
		if a != nil {
			archives = append(archives, a)
		}
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
	g.gatherEarly(archives, opaque, tree)
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
