package vmdk

import "encoding/binary"

const (
	magic = 0x564d444b // "KDMV" in the file

	// Flags: the header has a test for mangled line ends; there is a second
	// directory; grains are compressed; there are markers.
	flagLineEnds   = 1 << 0
	flagRedundant  = 1 << 1
	flagCompressed = 1 << 16
	flagMarkers    = 1 << 17

	deflate = 1
)

// kind is what tells the kinds of a sparse extent apart.
type kind struct {
	version     uint32
	flags       uint32
	redundantAt int64 // the second directory's sector; 0 is none
	directoryAt int64 // sector, as the next
	overhead    int64
	compression uint16
}

// header is the first sector, little-endian (spec, "Hosted Sparse Extent
// Header"):
//
//	 0  u32 magic           28  u64 descriptor's sector    64  u64 overhead
//	 4  u32 version         36  u64 descriptor's sectors   72  u8  unclean shutdown
//	 8  u32 flags           44  u32 entries of a table     73  4s  line ends
//	12  u64 capacity        48  u64 redundant directory    77  u16 compression
//	20  u64 grain's size    56  u64 directory's sector
//
// Sizes and places are in sectors.
func (k kind) header(virtual int64) []byte {
	b := make([]byte, sector)
	le := binary.LittleEndian
	le.PutUint32(b[0:], magic)
	le.PutUint32(b[4:], k.version)
	le.PutUint32(b[8:], k.flags)
	le.PutUint64(b[12:], uint64(virtual/sector))
	le.PutUint64(b[20:], grainSectors)
	le.PutUint64(b[28:], descriptorAt)
	le.PutUint64(b[36:], descriptorSectors)
	le.PutUint32(b[44:], perTable)
	le.PutUint64(b[48:], uint64(k.redundantAt))
	le.PutUint64(b[56:], uint64(k.directoryAt))
	le.PutUint64(b[64:], uint64(k.overhead))
	copy(b[73:], "\n \r\n")
	le.PutUint16(b[77:], k.compression)
	return b
}
