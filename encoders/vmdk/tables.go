package vmdk

import (
	"encoding/binary"

	"migimg/blockmap"
	"migimg/encoders/layout"
)

// tables computes the grain directory and the grain tables.
type tables struct {
	grains *blockmap.Map
	tables int64 // how many there are
	// grainSector is where the k-th grain of the file begins.
	grainSector func(k int64) int64
}

// directoryFiller points to the grain tables that begin at the sectors that table
// says. All of them are there: VMware's reader would do without the empty ones,
// but its writer makes them, too.
func (t tables) directoryFiller(table func(i int64) int64) layout.Filler {
	return layout.Table(entryLen, func(p []byte, i int64) {
		if i < t.tables {
			binary.LittleEndian.PutUint32(p, uint32(table(i)))
		}
	})
}

// tableFiller points to the grains; 0 for a hole. Entries are asked for in
// ascending order, so that one rank serves all of a read.
func (t tables) tableFiller() layout.Filler {
	return func(p []byte, off int64) {
		k := int64(-1)
		layout.Table(entryLen, func(p []byte, i int64) {
			if i >= t.grains.Clusters() || !t.grains.Carried(i) {
				return
			}
			if k < 0 {
				k = t.grains.Rank(i)
			}
			binary.LittleEndian.PutUint32(p, uint32(t.grainSector(k)))
			k++
		})(p, off)
	}
}
