package vhd

import (
	"encoding/binary"

	"migimg/blockmap"
	"migimg/encoders/layout"
)

// unused is the table's entry of a block that is not in the file, and what the
// table is padded with.
const unused = 0xffffffff

// allocationTable says for each block of the disk in which sector of the file
// its bitmap lies (spec, "Block Allocation Table").
func allocationTable(g geometry, blocks *blockmap.Map) layout.Filler {
	return layout.Table(entryLen, func(p []byte, i int64) {
		at := uint32(unused)
		if i < g.entries && blocks.Carried(i) {
			at = uint32(g.blockOffset(blocks.Rank(i)) / sector)
		}
		binary.BigEndian.PutUint32(p, at)
	})
}
