// Package raw plans the plainest image: the disk's own bytes, in order.
//
// What the map does not carry is a hole. The file is exactly as long as the
// disk; nothing is added and nothing is rounded.
package raw

import (
	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/layout"
)

// Encoder plans disk.raw. The zero value is ready.
type Encoder struct{}

var _ encoders.Encoder = Encoder{}

// Name is "raw".
func (Encoder) Name() string { return "raw" }

// Plan never fails: a raw image has no limits of its own.
func (Encoder) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	m := d.Map
	var b layout.Builder
	b.Append(layout.Segment{Name: "disk", Kind: layout.Data, Len: m.Size(), Extent: extents(m), Alloc: m.ClusterBytes()})
	return []encoders.Output{{Path: "disk.raw", Layout: b.Layout(), Format: "raw", VirtualSize: m.Size()}}, nil
}

// window bounds how much of the map is looked at to find out how far an extent
// goes, in clusters: 4 GiB of the disk at 64 KiB. Without it each read in a
// full disk of 16 TiB would scan the 32 MiB of bits that follow.
const window = 1 << 16

// extents is the map's Extent, cut where it passes the window.
func extents(m *blockmap.Map) func(off int64) (int64, bool) {
	return func(off int64) (int64, bool) {
		c := off / m.ClusterSize()
		carried := m.Carried(c)
		end := min(c+window, m.Clusters())
		alike := m.Rank(end) - m.Rank(c)
		if !carried {
			alike = end - c - alike
		}
		if alike < end-c { // the other kind begins inside the window
			end = m.Next(c, !carried)
		}
		return min(m.Size(), end*m.ClusterSize()) - off, carried
	}
}
