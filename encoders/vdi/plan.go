// Package vdi plans VirtualBox's disk image, version 1.1, of the growing kind.
//
//	header | block map | blocks
//
// A block is 1 MiB of the disk. Blocks lie in the order of the disk, and only
// those exist in which the map carries something.
//
// The format has no specification. The facts are from VirtualBox's
// src/VBox/Storage/VDICore.h and VDI.cpp, and from QEMU's block/vdi.c.
package vdi

import (
	"fmt"

	"migimg/encoders"
	"migimg/encoders/layout"
)

// Encoder plans disk.vdi. The zero value is ready.
type Encoder struct{}

var _ encoders.Encoder = Encoder{}

// Name is "vdi".
func (Encoder) Name() string { return "vdi" }

// Plan lays out disk.vdi. The virtual size is the disk's, rounded up to a sector
// of 512 bytes. An empty disk, and one of a PiB or more, are refused with
// ErrLimit.
func (Encoder) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	m := d.Map
	switch {
	case m.Size() == 0:
		return nil, fmt.Errorf("vdi: the disk is empty, and VirtualBox opens no such one: %w", encoders.ErrLimit)
	case ceil(m.Size(), block) > maxBlocks:
		return nil, fmt.Errorf("vdi: the disk has %d bytes, a VDI holds at most %d; use another format: %w", m.Size(), int64(maxBlocks*block), encoders.ErrLimit)
	case block%m.ClusterSize() != 0:
		return nil, fmt.Errorf("vdi: the map's clusters of %d bytes do not go into blocks of %d", m.ClusterSize(), block)
	}
	blocks := m.Coarsen(block)
	g := newGeometry(m.Size(), blocks.Count())

	var b layout.Builder
	b.Append(layout.MetaBytes("header", g.header(d.Identity)))
	b.Append(layout.Segment{Name: "block map", Kind: layout.Meta, Len: g.entries * entryLen, Fill: blockMap(blocks)})
	b.Pad("padding", block)
	device := func(k int64) int64 { return blocks.Select(k) * block }
	b.Append(layout.Segment{Name: "blocks", Rec: &layout.Records{
		Count:  g.data,
		Unit:   block,
		Device: device,
		Run:    layout.Run(block, g.data, device),
		Parts:  []layout.Part{{Name: "block", Kind: layout.Data, Len: block}},
	}})
	return []encoders.Output{{Path: "disk.vdi", Layout: b.Layout(), Format: "vdi", VirtualSize: g.virtual}}, nil
}
