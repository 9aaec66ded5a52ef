// Package vhdx plans the dynamic VHDX of Hyper-V.
//
//	identifier | headers | region tables | log | metadata | block allocation table | blocks
//
// All but the headers and region tables lies at multiples of 1 MiB. The log is
// empty. Blocks lie in the order of the disk, and only those exist in which the
// map carries something; the others are said to be zeros.
//
// The format: Microsoft's "[MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format";
// what readers make of it: QEMU's block/vhdx.c.
package vhdx

import (
	"fmt"

	"migimg/encoders"
	"migimg/encoders/layout"
)

// Encoder plans disk.vhdx. The zero value is ready.
type Encoder struct{}

var _ encoders.Encoder = Encoder{}

// Name is "vhdx".
func (Encoder) Name() string { return "vhdx" }

// Plan lays out disk.vhdx with blocks of o.BlockSize and the disk's sectors. The
// virtual size is the disk's, rounded up to a sector. An empty disk, and one of
// more than 64 TiB, are refused with ErrLimit.
func (Encoder) Plan(d encoders.Disk, o encoders.Options) ([]encoders.Output, error) {
	m := d.Map
	g, err := newGeometry(m.Size(), d.SectorSize, o.BlockSize)
	if err != nil {
		return nil, err
	}
	if g.block%m.ClusterSize() != 0 {
		return nil, fmt.Errorf("vhdx: the map's clusters of %d bytes do not go into blocks of %d", m.ClusterSize(), g.block)
	}
	blocks := m.Coarsen(g.block)

	var b layout.Builder
	b.Append(layout.MetaBytes("file type identifier", identifier()))
	b.Pad("padding", reserved)
	for seq := range uint64(2) {
		b.Append(layout.MetaBytes("header", header(seq+1, d.Identity)))
		b.Pad("padding", reserved)
	}
	for range 2 {
		b.Append(layout.MetaBytes("region table", g.regionTable()))
	}
	b.Pad("padding", mib)
	b.Append(layout.Segment{Name: "log", Len: logLen})
	b.Append(layout.MetaBytes("metadata", g.metadata(d.Identity)))
	b.Pad("padding", mib)
	b.Append(layout.Segment{Name: "block allocation table", Kind: layout.Meta, Len: g.entries * entryLen, Fill: g.allocationTable(blocks)})
	b.Pad("padding", mib)
	device := func(k int64) int64 { return blocks.Select(k) * g.block }
	b.Append(layout.Segment{Name: "blocks", Rec: &layout.Records{
		Count:  blocks.Count(),
		Unit:   g.block,
		Device: device,
		Run:    layout.Run(g.block, blocks.Count(), device),
		Parts:  []layout.Part{{Name: "block", Kind: layout.Data, Len: g.block}},
	}})
	return []encoders.Output{{Path: "disk.vhdx", Layout: b.Layout(), Format: "vhdx", VirtualSize: g.virtual}}, nil
}
