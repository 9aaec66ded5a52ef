package ext4

import (
	"encoding/binary"
	"hash/crc32"
)

// castagnoli is computed once; it is a table of constants.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c continues the checksum seed over p the way the kernel does: without
// the inversions that the usual CRC-32C has at its beginning and end.
func crc32c(seed uint32, p []byte) uint32 { return ^crc32.Update(^seed, castagnoli, p) }

// crc16 continues the CRC-16 (polynomial x^16+x^15+x^2+1, bits reflected) that
// gdt_csum uses (kernel, lib/crc/crc16.c).
func crc16(crc uint16, p []byte) uint16 {
	for _, b := range p {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}

// checksumSeed is what every metadata_csum checksum but the superblock's starts
// from: the checksum of the UUID, or, so that the UUID can be changed later,
// its stored value.
func (s *superblock) checksumSeed() uint32 {
	if s.incompat&incompatCsumSeed != 0 {
		return binary.LittleEndian.Uint32(s.raw[0x270:])
	}
	return crc32c(^uint32(0), s.raw[0x68:0x78])
}

// hasDescCsum says whether group descriptors have checksums, and so whether
// their flags mean anything.
func (s *superblock) hasDescCsum() bool {
	return s.roCompat&(roCompatGDTCsum|roCompatMetadataCsum) != 0
}

// descCsum is the checksum that descriptor d of group g must bear: 16 bits of
// CRC-32C with metadata_csum, else a CRC-16 (kernel, Documentation/filesystems/
// ext4/group_descr.rst). The field itself counts as zero in the first and is
// left out of the second.
func (s *superblock) descCsum(g int64, d []byte) uint16 {
	var group [4]byte
	binary.LittleEndian.PutUint32(group[:], uint32(g))
	if s.roCompat&roCompatMetadataCsum != 0 {
		c := crc32c(s.seed, group[:])
		c = crc32c(c, d[:0x1e])
		c = crc32c(c, []byte{0, 0})
		return uint16(crc32c(c, d[0x20:]))
	}
	c := crc16(^uint16(0), s.raw[0x68:0x78])
	c = crc16(c, group[:])
	c = crc16(c, d[:0x1e])
	return crc16(c, d[0x20:])
}
