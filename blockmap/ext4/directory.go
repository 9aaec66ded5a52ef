package ext4

import (
	"encoding/binary"
)

// An entry of a directory is (kernel, Documentation/filesystems/ext4/directory.rst):
//
//	0x00 inode  0x04 rec_len (16)  0x06 name_len (8)  0x07 file_type (8)  0x08 name
//
// The nodes of a hashed directory's tree look like entries without an inode, or lie
// behind the last one that there is: what is linear reads them rightly. A checksum at
// the end of a block is an entry without an inode, too.
const (
	kindUnknown = 0
	kindDir     = 2
)

type entry struct {
	dir  uint32 // it is in
	ino  uint32
	kind byte
	name []byte // of the block
}

// entries adds those in a block of the directory dir to all.
func entries(all []entry, b []byte, dir uint32) []entry {
	le := binary.LittleEndian
	size := len(b)
	for len(b) >= 8 {
		n := int(le.Uint16(b[4:]))
		if n == 0xffff || n == 0 && size >= 1<<16 { // ext4_rec_len_from_disk in fs/ext4/ext4.h
			n = size
		}
		n = n&0xfffc | n&3<<16
		if n == 0 && size >= 1<<16 {
			n = size
		}
		if n < 8 || n > len(b) {
			return all
		}
		ino, k := le.Uint32(b), int(b[6])
		if text := b[8:min(n, 8+k)]; ino != 0 && len(text) == k && k > 0 && string(text) != "." && string(text) != ".." {
			all = append(all, entry{dir, ino, b[7], text})
		}
		b = b[n:]
	}
	return all
}

// directory reads the inode of a directory: where its blocks lie, or the entries
// that it holds itself. Of what is none, nothing.
func (c *claims) directory(ino uint32, raw []byte) []entry {
	s, le := c.f.sb, binary.LittleEndian
	if le.Uint16(raw)&modeType != modeDir {
		return nil
	}
	if !s.inodeSound(ino, raw) {
		c.failed++
		return nil
	}
	if le.Uint32(raw[0x20:])&inodeInline == 0 {
		if !c.body(ino, raw, true) {
			c.failed++
		}
		return nil
	}
	// Behind the parent's number in block[15], and in the attribute system.data.
	return entries(entries(nil, raw[0x2c:0x64], ino), inlineRest(raw), ino)
}

// inlineRest is the value of the attribute system.data in the inode, in which what
// does not fit into block[15] lies (kernel, inlinedata.rst and attributes.rst). The
// attributes follow the extra fields: a magic of 4 bytes, and entries, which a null
// word ends:
//
//	0x00 name_len (8)  0x01 name_index (8)  0x02 value_offs (16)  0x04 value_inum
//	0x08 value_size  0x0c hash  0x10 name
func inlineRest(raw []byte) []byte {
	le := binary.LittleEndian
	if len(raw) <= 0x84 {
		return nil
	}
	at := 0x80 + int(le.Uint16(raw[0x80:]))
	if at+4 > len(raw) || le.Uint32(raw[at:]) != 0xea020000 {
		return nil
	}
	area := raw[at+4:]
	for e := area; len(e) >= 16 && le.Uint32(e) != 0; {
		n := 16 + int(e[0])
		if n > len(e) {
			return nil
		}
		off, size := int64(le.Uint16(e[2:])), int64(le.Uint32(e[8:]))
		if e[1] == 7 && string(e[16:n]) == "data" && le.Uint32(e[4:]) == 0 && off+size <= int64(len(area)) {
			return area[off : off+size]
		}
		n = (n + 3) &^ 3
		if n > len(e) {
			return nil
		}
		e = e[n:]
	}
	return nil
}
