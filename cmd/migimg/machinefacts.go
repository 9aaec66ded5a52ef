package main

import (
	"bytes"
	"context"
	"io"
	"slices"

	"migimg/blockmap"
	"migimg/preflight"
	"migimg/preflight/facts"
)

// facts is what preflight is told of the disks, as the images have them.
func (s *source) facts() preflight.Source {
	return s.factsOf(s.bootOrder(context.Background()))
}

// factsOf is facts with the disk first that the machine starts from.
func (s *source) factsOf(order []*disk) preflight.Source {
	first := order[0]
	d := first.facts()
	src := preflight.Source{
		Name: d.Name, At: d.At, Device: d.Device, Image: d.Image, Size: d.Size, SectorSize: d.SectorSize, Table: d.Table, RawPath: d.RawPath, Carried: d.Carried, Outputs: d.Outputs,
		Volumes: s.volumes, View: s.imagesSpace(func(d *disk) io.ReaderAt { return d.view }),
		CarriedIn: first.blocks.BytesIn, Consistency: s.consistency.Level, Drift: s.driftFacts(context.Background()),
	}
	for _, x := range order[1:] {
		src.Others = append(src.Others, x.facts())
	}
	if first.imageTable != nil { // else what to carry is just being decided
		src.Volumes = withoutLeftOut(s.volumes, &src.LeftOut)
	}
	for _, u := range s.uses {
		if u.Kind != "mount" {
			continue
		}
		src.Mounts = append(src.Mounts, preflight.Mount{Device: "/dev/" + u.Device, Partition: s.volumeOf(u), Point: u.Point, FSType: u.FSType, ReadWrite: u.Write})
	}
	return src
}

// withoutLeftOut is the tree without what the images do not have, which is added to out.
func withoutLeftOut(v *blockmap.VolumeInfo, out *[]*blockmap.VolumeInfo) *blockmap.VolumeInfo {
	x := *v
	x.Children = nil
	for _, c := range v.Children {
		if c.LeftOut {
			*out = append(*out, c)
		} else {
			x.Children = append(x.Children, withoutLeftOut(c, out))
		}
	}
	return &x
}

// facts is what preflight is told of the disk itself.
func (d *disk) facts() facts.OtherDisk {
	x := facts.OtherDisk{
		Name: d.name, Device: d.path, Image: !d.dev.Block(), At: d.at.Off, Size: d.blocks.Size(), SectorSize: d.dev.SectorSize(),
		Table: d.table, RawPath: d.path, Carried: d.blocks.Bytes(),
	}
	if d.imageTable != nil {
		x.Table, x.SectorSize = d.imageTable, d.sectorSize()
	}
	for _, im := range d.src.images() {
		if slices.ContainsFunc(im.disks, func(p *imageDisk) bool { return p.of == d }) {
			x.Outputs = append(x.Outputs, preflight.OutputInfo{Format: im.encoder, Path: im.Path, Size: im.Layout.Size(), VirtualSize: im.VirtualSize})
		}
	}
	for _, a := range d.absent {
		x.Outputs = append(x.Outputs, preflight.OutputInfo{Format: a.Format, Err: a.Reason})
	}
	return x
}

// bootOrder is the disks in the order in which a machine should have them: first the one
// that it starts from, the others as they were given. Firmware starts a disk with a boot
// loader; where several have one, that of the system is the one with its root or its
// /boot.
func (s *source) bootOrder(ctx context.Context) []*disk {
	if s.order == nil {
		s.order = s.findBootOrder(ctx)
	}
	return s.order
}

func (s *source) findBootOrder(ctx context.Context) []*disk {
	if len(s.disks) == 1 {
		return s.disks
	}
	starting := slices.DeleteFunc(slices.Clone(s.disks), func(d *disk) bool { return !d.starts() })
	switch len(starting) {
	case 1:
		return s.first(starting[0])
	case 0:
		starting = s.disks
	}
	f, err := facts.Gather(ctx, s.factsOf(s.disks), facts.Options{})
	if err != nil || !f.Guest.Found {
		return s.first(starting[0])
	}
	needed := []string{f.Guest.Root}
	for _, p := range f.Guest.Mounted {
		if p.At == "/boot" || p.At == "/boot/efi" || p.At == "/efi" {
			needed = append([]string{p.Volume}, needed...) // it is nearer to the boot loader
		}
	}
	for _, name := range needed {
		for _, v := range f.Disk.Layers(name) {
			for _, d := range starting {
				if v.Disk == d.name {
					return s.first(d)
				}
			}
		}
	}
	return s.first(starting[0])
}

// first is the disks with d in front.
func (s *source) first(d *disk) []*disk {
	return append([]*disk{d}, slices.DeleteFunc(slices.Clone(s.disks), func(x *disk) bool { return x == d })...)
}

// starts says that the disk has what firmware starts: a partition for a boot loader, or
// boot code that leads to one.
func (d *disk) starts() bool {
	active := false
	for _, p := range d.imageTable.Partitions {
		if slices.Contains(bootTypes, p.Type) {
			return true
		}
		active = active || p.Bootable
	}
	code := make([]byte, 440) // of a boot sector, before the table
	if err := blockmap.ReadFull(d.view, code, 0); err != nil {
		return false
	}
	return bytes.Contains(code, []byte("GRUB")) || active && len(bytes.Trim(code, "\x00")) > 0
}
