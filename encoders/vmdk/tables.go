package vmdk

import (
	"encoding/binary"

	"migimg/blockmap"
	"migimg/encoders/layout"
)

// tables computes the grain directory and the grain tables.
type tables struct {
	geometry
	grains *blockmap.Map
}

// directoryFiller points to the grain tables. All of them are there: VMware's
// reader would do without the empty ones, but its writer makes them, too.
func (t tables) directoryFiller() layout.Filler {
	return layout.Table(entryLen, func(p []byte, i int64) {
		if i < t.geometry.tables {
			binary.LittleEndian.PutUint32(p, uint32(t.tableSector(i)))
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
