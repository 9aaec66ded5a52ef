// Package vmdk plans VMware's disks: streamOptimized, the kind that clouds and
// OVF packages take ([Encoder]); monolithicSparse, which Workstation and
// VirtualBox run from ([Sparse]); and a text beside the plain disk, which ESXi
// runs from ([Flat]).
//
// The first:
//
//	header | descriptor | grain directory | grain tables | grains | end of stream
//
// A grain is 64 KiB of the disk as a zlib stream. It is not compressed: a
// stream of two stored blocks has the same length whatever is in it, so that a
// grain always takes 129 sectors, and the place of each is a rank in the map.
// Only its checksum depends on the data.
//
// The format: VMware's "Virtual Disk Format 5.0" and its own writer,
// github.com/vmware/open-vmdk. As in the latter, the directory and the tables
// come first and there is no footer, which OpenStack refuses; grains lie in the
// order of the disk.
package vmdk

import (
	"fmt"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/layout"
)

// Encoder plans disk.vmdk. The zero value is ready.
type Encoder struct {
	// File is the file's name where it is another one.
	File string
}

var _ encoders.Encoder = Encoder{}

// Name is "vmdk".
func (Encoder) Name() string { return "vmdk" }

// fileName is also in the descriptor: a reader looks for the extent by it.
const fileName = "disk.vmdk"

func (e Encoder) file() string {
	if e.File != "" {
		return e.File
	}
	return fileName
}

// sparse is the extent in a descriptor that lies in the extent itself.
func sparse(file string) string { return `SPARSE "` + file + `"` }

// Plan lays out disk.vmdk. The virtual size is the disk's, rounded up to a
// grain of 64 KiB, as the format wants it. ErrLimit: an empty disk, one of more
// than 62 TiB, or more data than a file of 2 TiB holds.
func (e Encoder) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	m := d.Map
	if err := limits(m); err != nil {
		return nil, err
	}
	grains := m.Coarsen(grain)
	g, err := newGeometry(m.Size(), grains.Count())
	if err != nil {
		return nil, err
	}
	b := g.builder(e.file(), grains, d.Identity, g.grainSector)
	device := func(k int64) int64 { return grains.Select(k) * grain }
	b.Append(layout.Segment{Name: "grains", Rec: &layout.Records{
		Count:  g.data,
		Unit:   grain,
		Device: device,
		Run:    layout.Run(grain, g.data, device),
		Parts:  grainParts(device),
	}})
	b.Append(endOfStream())
	return []encoders.Output{{Path: e.file(), Layout: b.Layout(), Format: "vmdk", VirtualSize: g.virtual}}, nil
}

// builder has all that comes before the grains of a streamOptimized disk; place is
// the sector of the k-th one.
func (g geometry) builder(file string, grains *blockmap.Map, identity [32]byte, place func(k int64) int64) *layout.Builder {
	t := tables{grains: grains, tables: g.tables, grainSector: place}
	var b layout.Builder
	b.Append(layout.MetaBytes("header", kind{
		version:     3, // ESXi refuses version 1 of this kind as too old
		flags:       flagLineEnds | flagCompressed | flagMarkers,
		directoryAt: directoryAt,
		overhead:    g.grainSector(0),
		compression: deflate,
	}.header(g.virtual)))
	b.Append(layout.MetaBytes("descriptor", embedded(descriptor(g.virtual, "streamOptimized", sparse(file), identity))))
	b.Append(layout.Segment{Name: "grain directory", Kind: layout.Meta, Len: g.directory * sector, Fill: t.directoryFiller(g.tableSector)})
	b.Append(layout.Segment{Name: "grain tables", Kind: layout.Meta, Len: g.tables * tableLen, Fill: t.tableFiller()})
	return &b
}

// endOfStream is a marker of type 0.
func endOfStream() layout.Segment { return layout.MetaBytes("end of stream", make([]byte, sector)) }

// limits are those of all kinds.
func limits(m *blockmap.Map) error {
	switch {
	case m.Size() == 0:
		return fmt.Errorf("vmdk: the disk is empty, and a VMDK holds at least one sector: %w", encoders.ErrLimit)
	case m.Size() > maxDisk:
		return fmt.Errorf("vmdk: the disk has %d bytes, a VMDK holds at most %d (62 TiB); use another format: %w", m.Size(), int64(maxDisk), encoders.ErrLimit)
	case grain%m.ClusterSize() != 0:
		return fmt.Errorf("vmdk: the map's clusters of %d bytes do not go into grains of %d", m.ClusterSize(), grain)
	}
	return nil
}
