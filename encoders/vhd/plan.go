// Package vhd plans the virtual hard disk of Virtual PC, Hyper-V and Azure: the
// dynamic kind
//
//	footer copy | dynamic header | block allocation table | blocks | footer
//
// and the fixed one, which is the disk and a footer.
//
// A block is a bitmap of its sectors and 2 MiB of the disk. Blocks lie in the
// order of the disk, and only those exist in which the map carries something.
//
// The format: Microsoft's "Virtual Hard Disk Image Format Specification",
// version 1.0 of 2006, and libvhdi's notes on it; what readers make of it:
// QEMU's block/vpc.c.
package vhd

import (
	"bytes"
	"fmt"

	"migimg/encoders"
	"migimg/encoders/layout"
)

// Encoder plans disk.vhd. The zero value is ready.
type Encoder struct{}

var _ encoders.Encoder = Encoder{}

// Name is "vhd".
func (Encoder) Name() string { return "vhd" }

// Plan lays out disk.vhd. The virtual size is the disk's, rounded up to a
// sector of 512 bytes. A disk of more than 2040 GiB, and an empty one, are
// refused with ErrLimit.
func (Encoder) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	m := d.Map
	if err := limits(m.Size()); err != nil {
		return nil, err
	}
	if block%m.ClusterSize() != 0 {
		return nil, fmt.Errorf("vhd: the map's clusters of %d bytes do not go into blocks of %d", m.ClusterSize(), block)
	}
	blocks := m.Coarsen(block)
	g := newGeometry(m.Size(), blocks.Count())
	foot := footer(g.virtual, dynamic, d.Identity)

	var b layout.Builder
	b.Append(layout.MetaBytes("footer copy", foot))
	b.Append(layout.MetaBytes("dynamic header", dynamicHeader(g)))
	b.Append(layout.Segment{Name: "block allocation table", Kind: layout.Meta, Len: g.table, Fill: allocationTable(g, blocks)})
	device := func(k int64) int64 { return blocks.Select(k) * block }
	b.Append(layout.Segment{Name: "blocks", Rec: &layout.Records{
		Count:  g.data,
		Unit:   block,
		Device: device,
		Run:    layout.Run(block, g.data, device),
		Parts: []layout.Part{
			{Name: "sector bitmap", Kind: layout.Meta, Len: bitmap, Fill: allOnes},
			{Name: "block", Kind: layout.Data, Len: block},
		},
	}})
	b.Append(layout.MetaBytes("footer", bytes.Clone(foot)))
	return []encoders.Output{{Path: "disk.vhd", Layout: b.Layout(), Format: "vpc", VirtualSize: g.virtual}}, nil
}

// allOnes is the bitmap of a block: all of its sectors hold data. The last
// block is whole as well, even where the disk ends inside it.
func allOnes(p []byte, _, _ int64) {
	for i := range p {
		p[i] = 0xff
	}
}
