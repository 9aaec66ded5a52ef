package erofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// The superblock lies at byte 1024; 128 bytes of it are in every image, and
// sb_extslots times 16 follow (kernel, struct erofs_super_block in
// fs/erofs/erofs_fs.h).
const (
	superOffset = 1024
	superSize   = 128
	extSlot     = 16
)

const magic = "\xe2\xe1\xf5\xe0"

const (
	compatChecksum  = 0x1
	incompatDevices = 0x8 // shared with a second compressor for a file's head
	incompat48Bit   = 0x80
	incompatKnown   = 0x1ff
	minBlockBits    = 9
	maxBlockBits    = 16
)

// featureNames are those of dump.erofs, by bit.
var (
	compatNames   = []string{"sb_csum", "mtime", "xattr_filter", "shared_ea_in_metabox", "plain_xattr_pfx"}
	incompatNames = []string{"0padding", "compr_cfgs", "chunked_file", "device_table", "ztailpacking", "fragments", "xattr_prefixes", "48bit", "metabox"}
)

type superblock struct {
	b                []byte // superSize bytes
	compat, incompat uint32
	blockBits        uint8
	blocks           int64
	extraDevices     uint16
}

// parseSuper reads the superblock. The numbers of its format are little-endian.
func parseSuper(b []byte) *superblock {
	le := binary.LittleEndian
	sb := &superblock{
		b:            b[:superSize],
		compat:       le.Uint32(b[8:]),
		incompat:     le.Uint32(b[80:]),
		blockBits:    b[12],
		blocks:       int64(le.Uint32(b[36:])),
		extraDevices: le.Uint16(b[86:]),
	}
	// The number's high part lies where the root's number was, which has a place
	// of its own then (kernel, erofs_read_superblock).
	if sb.incompat&incompat48Bit != 0 && le.Uint64(b[112:]) != 0 {
		sb.blocks |= int64(le.Uint16(b[14:])) << 32
	}
	return sb
}

// size is the filesystem's length in bytes.
func (sb *superblock) size() int64 { return sb.blocks << sb.blockBits }

// check says why the superblock cannot be believed; size is the volume's.
func (sb *superblock) check(size int64) string {
	blockSize := int64(1) << min(sb.blockBits, 62)
	le := binary.LittleEndian
	switch {
	case sb.blockBits < minBlockBits || sb.blockBits > maxBlockBits:
		return fmt.Sprintf("the erofs has blocks of 2^%d bytes, which are not known", sb.blockBits)
	case sb.b[90] != 0:
		return fmt.Sprintf("the erofs has directory blocks of another size (%d), which are not known", sb.b[90])
	case sb.incompat&^incompatKnown != 0:
		return fmt.Sprintf("the erofs has features that are not known: %#x", sb.incompat&^incompatKnown)
	case sb.extraDevices != 0:
		return fmt.Sprintf("the erofs has its data on %d more devices, perhaps on this one behind its end: how they lie is not read", sb.extraDevices)
	case int64(superSize)+int64(sb.b[13])*extSlot > max(blockSize, 4096)-superOffset:
		return fmt.Sprintf("the erofs is damaged: its superblock has %d more slots", sb.b[13])
	case sb.blocks > size>>sb.blockBits:
		return fmt.Sprintf("the erofs has %d blocks of %d bytes, the volume only %d bytes: the image was cut short when it was written", sb.blocks, blockSize, size)
	case sb.size() < superOffset+superSize:
		return fmt.Sprintf("the erofs is damaged: it has %d blocks", sb.blocks)
	}
	// Where metadata begins. Shared xattrs may have no place.
	if meta := int64(le.Uint32(sb.b[40:])); meta > sb.blocks {
		return fmt.Sprintf("the erofs is damaged: its inodes begin at block %d, of %d", meta, sb.blocks)
	}
	return ""
}

// checkedLen is how many bytes from the superblock on its checksum covers: to
// the end of the first block, or a block where it is smaller than the space
// before (kernel, erofs_superblock_csum_verify).
func (sb *superblock) checkedLen() int64 {
	n := int64(1) << sb.blockBits
	if n > superOffset {
		n -= superOffset
	}
	return n
}

// sound says whether the checksum over b, of checkedLen bytes, is right. It is a
// CRC32C without the inversion at the end.
func (sb *superblock) sound(b []byte) bool {
	b = bytes.Clone(b)
	want := binary.LittleEndian.Uint32(b[4:])
	clear(b[4:8])
	return ^crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) == want
}

// features names the bits that are set.
func (sb *superblock) features() (names []string) {
	for _, w := range []struct {
		word  uint32
		names []string
	}{{sb.compat, compatNames}, {sb.incompat, incompatNames}} {
		for i, name := range w.names {
			if w.word>>i&1 != 0 {
				names = append(names, name)
			}
		}
	}
	return names
}

// identity is the UUID and the label as blkid prints them.
func (sb *superblock) identity() (uuid, label string) {
	u := sb.b[48:64]
	if strings.Trim(string(u), "\x00") != "" {
		uuid = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	label, _, _ = strings.Cut(string(sb.b[64:80]), "\x00")
	return uuid, label
}
