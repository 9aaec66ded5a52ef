package xfs

import (
	"bytes"
	"encoding/binary"
)

// A directory, big-endian (kernel, fs/xfs/libxfs/xfs_da_format.h; offsets in
// bytes). A short one lies in its inode: 0 number of entries (8), 1 that of those
// with inode numbers of 64 bits (8), 2 the parent's inode (32, or 64 if there is
// such an entry). Each entry is 0 length of the name (8), 1 a tag (16), 3 the name,
// the file's type (8) if the filesystem has them, the inode (32 or 64).
//
// Others are blocks. Those with entries lie in the file before 32 GiB, an index
// behind that. Such a block begins with
//
//	0 magic    4 free space (3 times 32)
//
// and in version 5 with 0 magic, 4 crc, 8 blkno (64), 16 lsn (64), 24 uuid[16],
// 40 owner (64), 48 free space, 60 padding. Entries follow, at multiples of 8: 0
// inode (64), 8 length of the name (8), the name, the type, padding, a tag (16).
// What is free is 0 0xffff (16), 2 length (16). The only block of a directory has
// the index at its end: entries of 8 bytes, and behind them 0 their number, 4 those
// of them that are unused.
const (
	dirBlockV4, dirDataV4 = "XD2B", "XD2D" // the only block, one of several
	dirBlockV5, dirDataV5 = "XDB3", "XDD3"
	dirHeaderV4           = 16
	dirHeaderV5           = 64
	crcDir                = 4
	dirIndex              = 32 << 30 // byte of the directory from which on it has no entries

	typeUnknown, typeDir = 0, 2
)

// entry is called for each entry of a directory; kind is 0 where it is not known.
// It keeps nothing of name.
type entry func(name []byte, ino uint64, kind byte)

// shortEntries reads a directory that lies in its inode, as far as it makes sense.
func (l *inodeLayout) shortEntries(b []byte, do entry) {
	be := binary.BigEndian
	if len(b) < 6 {
		return
	}
	count, width := int(b[0]), 4
	if b[1] > 0 {
		width = 8
	}
	extra := width
	if l.ftype {
		extra++
	}
	b = b[min(2+width, len(b)):]
	for range count {
		if len(b) < 3 || len(b) < 3+int(b[0])+extra || b[0] == 0 {
			return
		}
		name, rest, kind := b[3:3+int(b[0])], b[3+int(b[0]):], byte(typeUnknown)
		if l.ftype {
			kind, rest = rest[0], rest[1:]
		}
		if width == 8 {
			do(name, be.Uint64(rest), kind)
		} else {
			do(name, uint64(be.Uint32(rest)), kind)
		}
		b = rest[width:]
	}
}

// blockEntries reads a block of directory ino, as far as it makes sense, and says
// whether all of it does.
func (f *fsys) blockEntries(b []byte, ino uint64, do entry) bool {
	be := binary.BigEndian
	magic, header := string(b[:4]), dirHeaderV4
	only := magic == dirBlockV4
	if f.sb.version == 5 {
		header, only = dirHeaderV5, magic == dirBlockV5
		if !only && magic != dirDataV5 || sumIsWrong(b, crcDir) != "" ||
			!bytes.Equal(b[24:40], f.sb.metaUUID) || be.Uint64(b[40:]) != ino {
			return false
		}
	} else if !only && magic != dirDataV4 {
		return false
	}
	if only {
		index := int64(be.Uint32(b[len(b)-8:]))
		if index > int64(len(b)-header-8)/8 {
			return false
		}
		b = b[:int64(len(b))-8-8*index]
	}
	for b = b[header:]; len(b) >= 16; {
		if be.Uint16(b) == 0xffff {
			n := int(be.Uint16(b[2:]))
			if n == 0 || n%8 != 0 || n > len(b) {
				return false
			}
			b = b[n:]
			continue
		}
		n := int(b[8])
		end, kind := 9+n, byte(typeUnknown)
		if f.inodes.ftype {
			end++
		}
		size := (end + 2 + 7) &^ 7
		if n == 0 || size > len(b) {
			return false
		}
		if f.inodes.ftype {
			kind = b[9+n]
		}
		do(b[9:9+n], be.Uint64(b), kind)
		b = b[size:]
	}
	return true
}
