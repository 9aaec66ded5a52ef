package vhd

import (
	"fmt"

	"migimg/encoders"
	"migimg/encoders/layout"
)

// Fixed plans disk.vhd as a fixed disk: its bytes in order, holes where the map
// carries nothing, and a footer. It is the kind that Azure takes. The zero value
// is ready.
type Fixed struct{}

var _ encoders.Encoder = Fixed{}

// Name is "vhd-fixed".
func (Fixed) Name() string { return "vhd-fixed" }

// Plan lays out disk.vhd. The virtual size is the disk's, rounded up to a sector
// of 512 bytes; the file is a sector longer. The limits are those of the dynamic
// kind.
func (Fixed) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	if err := limits(d.Map.Size()); err != nil {
		return nil, err
	}
	var b layout.Builder
	b.Append(encoders.Flat(d.Map))
	b.Pad("rest of the sector", sector)
	virtual := b.Offset()
	b.Append(layout.MetaBytes("footer", footer(virtual, fixed, d.Identity)))
	return []encoders.Output{{Path: "disk.vhd", Layout: b.Layout(), Format: "vpc", VirtualSize: virtual}}, nil
}

// limits are those of both kinds, for a disk of size bytes.
func limits(size int64) error {
	if size == 0 {
		return fmt.Errorf("vhd: the disk is empty, and a VHD holds at least one sector: %w", encoders.ErrLimit)
	}
	if size > maxDisk {
		return fmt.Errorf("vhd: the disk has %d bytes, a VHD holds at most %d (2040 GiB); use another format: %w", size, int64(maxDisk), encoders.ErrLimit)
	}
	return nil
}
