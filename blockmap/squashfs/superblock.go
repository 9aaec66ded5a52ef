package squashfs

import (
	"encoding/binary"
	"fmt"
)

// superSize is the superblock's length, in bytes (kernel, struct
// squashfs_super_block in fs/squashfs/squashfs_fs.h).
const superSize = 96

// absent is where a table lies that is not there.
const absent = ^uint64(0)

const (
	metadataBlock = 8 << 10 // of uncompressed metadata, in bytes
	minBlockLog   = 12
	maxBlockLog   = 20
)

// compressors are the ids of version 4, from 1 (same file).
var compressors = []string{1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}

type superblock struct {
	inodes, blockSize, fragments            uint32
	compression, blockLog, ids, major       uint16
	minor                                   uint16
	used                                    uint64
	idTable, xattrTable, inodeTable         uint64
	directoryTable, fragmentTable, nfsTable uint64
}

// parseSuper reads a superblock of version 4.
func parseSuper(b []byte) *superblock {
	le := binary.LittleEndian
	return &superblock{
		inodes: le.Uint32(b[4:]), blockSize: le.Uint32(b[12:]), fragments: le.Uint32(b[16:]),
		compression: le.Uint16(b[20:]), blockLog: le.Uint16(b[22:]), ids: le.Uint16(b[26:]),
		major: le.Uint16(b[28:]), minor: le.Uint16(b[30:]),
		used:    le.Uint64(b[40:]),
		idTable: le.Uint64(b[48:]), xattrTable: le.Uint64(b[56:]), inodeTable: le.Uint64(b[64:]),
		directoryTable: le.Uint64(b[72:]), fragmentTable: le.Uint64(b[80:]), nfsTable: le.Uint64(b[88:]),
	}
}

// check says why the superblock cannot be believed; size is the volume's. The
// tests are those of squashfs_fill_super (kernel, fs/squashfs/super.c), and that
// the tables lie in the order in which they are written.
func (sb *superblock) check(size int64) string {
	switch {
	case sb.minor != 0:
		return fmt.Sprintf("squashfs of version %d.%d, which is not known", sb.major, sb.minor)
	case sb.blockLog < minBlockLog || sb.blockLog > maxBlockLog || sb.blockSize != 1<<sb.blockLog:
		return fmt.Sprintf("the squashfs has blocks of %d bytes, and of 2^%d: run unsquashfs -s", sb.blockSize, sb.blockLog)
	case sb.compression == 0 || int(sb.compression) >= len(compressors):
		return fmt.Sprintf("the squashfs is compressed with method %d, which is not known", sb.compression)
	case sb.used > uint64(size):
		return fmt.Sprintf("the squashfs has %d bytes, the volume only %d: the image was cut short when it was written", sb.used, size)
	case sb.ids == 0:
		return "the squashfs has no ids: it is damaged"
	}
	at := uint64(superSize)
	for _, t := range []struct {
		name  string
		at    uint64
		may   bool // be absent
		index uint64
	}{
		{"inode", sb.inodeTable, false, 0},
		{"directory", sb.directoryTable, false, 0},
		{"fragment", sb.fragmentTable, sb.fragments == 0, indexLen(uint64(sb.fragments), 16)},
		{"export", sb.nfsTable, true, indexLen(uint64(sb.inodes), 8)},
		{"id", sb.idTable, false, indexLen(uint64(sb.ids), 4)},
		{"xattr", sb.xattrTable, true, xattrHead},
	} {
		if t.at == absent && t.may {
			continue
		}
		if t.at < at || t.at > sb.used || t.index > sb.used-t.at {
			return fmt.Sprintf("the squashfs is damaged: its %s table is at byte %d, of %d", t.name, t.at, sb.used)
		}
		at = t.at + t.index
	}
	if sb.xattrTable == absent && at != sb.used {
		return fmt.Sprintf("the squashfs is damaged: its last table ends at byte %d, the filesystem at %d", at, sb.used)
	}
	return ""
}

// indexLen is the length of the list of the metadata blocks of a table with n
// entries of size bytes, 8 bytes for each block (squashfs_fs.h).
func indexLen(n, size uint64) uint64 {
	return (n*size + metadataBlock - 1) / metadataBlock * 8
}

// xattrHead is the length of what the superblock's xattr offset points to; its
// list of metadata blocks follows.
const xattrHead = 16

// checkXattr is check for what the xattr table's head says: it is the last
// table, and must end where the filesystem does (kernel, fs/squashfs/xattr_id.c).
func (sb *superblock) checkXattr(head []byte) string {
	start, n := binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint32(head[8:])
	end := sb.xattrTable + xattrHead + indexLen(uint64(n), 16)
	if n == 0 || start < superSize || start >= sb.xattrTable || end != sb.used {
		return fmt.Sprintf("the squashfs is damaged: its xattr table of %d entries ends at byte %d, the filesystem at %d", n, end, sb.used)
	}
	return ""
}
