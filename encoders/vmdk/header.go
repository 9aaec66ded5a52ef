package vmdk

import "encoding/binary"

const (
	magic   = 0x564d444b // "KDMV" in the file
	version = 3          // ESXi refuses version 1 of this kind as too old
	// The header has a test for mangled line ends, grains are compressed, and
	// there are markers.
	flags   = 1<<0 | 1<<16 | 1<<17
	deflate = 1
)

// header is the first sector, little-endian (spec, "Hosted Sparse Extent
// Header"):
//
//	 0  u32 magic           28  u64 descriptor's sector    64  u64 overhead
//	 4  u32 version         36  u64 descriptor's sectors   72  u8  unclean shutdown
//	 8  u32 flags           44  u32 entries of a table     73  4s  line ends
//	12  u64 capacity        48  u64 redundant directory    77  u16 compression
//	20  u64 grain's size    56  u64 directory's sector
//
// Sizes and places are in sectors. There is no redundant directory.
func (g geometry) header() []byte {
	b := make([]byte, sector)
	le := binary.LittleEndian
	le.PutUint32(b[0:], magic)
	le.PutUint32(b[4:], version)
	le.PutUint32(b[8:], flags)
	le.PutUint64(b[12:], uint64(g.virtual/sector))
	le.PutUint64(b[20:], grainSectors)
	le.PutUint64(b[28:], descriptorAt)
	le.PutUint64(b[36:], descriptorSectors)
	le.PutUint32(b[44:], perTable)
	le.PutUint64(b[56:], directoryAt)
	le.PutUint64(b[64:], uint64(g.grainSector(0)))
	copy(b[73:], "\n \r\n")
	le.PutUint16(b[77:], deflate)
	return b
}
