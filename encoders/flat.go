package encoders

import (
	"migimg/blockmap"
	"migimg/encoders/layout"
)

// Flat is the disk as it is, in a segment as long as the disk, with holes where
// the map carries nothing.
func Flat(m *blockmap.Map) layout.Segment {
	return layout.Segment{Name: "disk", Kind: layout.Data, Len: m.Size(), Extent: extents(m), Alloc: m.ClusterBytes()}
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
