package vhdx

import (
	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/layout"
)

var (
	fileParametersID = known(0xcaa16737, 0xfa36, 0x4d43, 0xb3b6, 0x33f0aa44e76b)
	diskSizeID       = known(0x2fa54224, 0xcd1b, 0x4876, 0xb211, 0x5dbed83bf4b8)
	diskID           = known(0xbeca12ab, 0xb2e6, 0x4523, 0x93ef, 0xc309e000c746)
	logicalSectorID  = known(0x8141bf1d, 0xa96f, 0x4709, 0xba47, 0xf233a8faab5f)
	physicalSectorID = known(0xcda348c7, 0x445d, 0x4471, 0x9cc9, 0xe9885251c556)
)

const (
	// Flags of a metadata item (2.6.1.2): it is of the disk, not of the file; who
	// does not know it must not open the file.
	ofDisk   = 1 << 1
	required = 1 << 2

	tableSize  = 64 << 10 // of the metadata table; items follow
	tableEntry = 32

	// States of a block (2.5.1.1). One that is not in the file is said to be zeros:
	// what is "not present" may be read as anything.
	zero    = 2
	present = 6
)

// metadata is the table and the items of the metadata region (2.6).
func (g geometry) metadata(identity [32]byte) []byte {
	items := []struct {
		id    [16]byte
		flags uint32
		value []byte
	}{
		{fileParametersID, required, le.AppendUint32(le.AppendUint32(nil, uint32(g.block)), 0)},
		{diskSizeID, ofDisk | required, le.AppendUint64(nil, uint64(g.virtual))},
		{diskID, ofDisk | required, encoders.GUID("vhdx disk", identity)},
		{logicalSectorID, ofDisk | required, le.AppendUint32(nil, uint32(g.sector))},
		{physicalSectorID, ofDisk | required, le.AppendUint32(nil, uint32(g.physical()))},
	}
	b := make([]byte, tableSize)
	copy(b, "metadata")
	le.PutUint16(b[10:], uint16(len(items)))
	for i, item := range items {
		e := b[(i+1)*tableEntry:]
		copy(e, item.id[:])
		le.PutUint32(e[16:], uint32(len(b)))
		le.PutUint32(e[20:], uint32(len(item.value)))
		le.PutUint32(e[24:], item.flags)
		b = append(b, item.value...)
	}
	return b
}

// allocationTable says where each block of the disk is (2.5). After each chunk of
// blocks stands the entry of a sector bitmap, which only disks with a parent have.
func (g geometry) allocationTable(blocks *blockmap.Map) layout.Filler {
	return func(p []byte, off int64) {
		k := int64(-1)
		layout.Table(entryLen, func(p []byte, i int64) {
			if i%(g.chunk+1) == g.chunk {
				return
			}
			i -= i / (g.chunk + 1)
			if !blocks.Carried(i) {
				le.PutUint64(p, zero)
				return
			}
			if k < 0 {
				k = blocks.Rank(i)
			}
			le.PutUint64(p, uint64(g.blockOffset(k))<<20|present)
			k++
		})(p, off)
	}
}
