package stream

import (
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

const (
	tarBlock = 512
	member   = "disk.raw"
	// modified is the member's time: a constant, since an archive of an unchanged disk
	// must not change, and not 0, which tar calls implausible. 2000-01-01.
	modified = 946684800

	mapInHeader    = 4  // entries of the sparse map in the member's header
	mapInExtension = 21 // and in each block that follows it
	mapEntry       = 24
)

// headers are the member's header and the blocks with the rest of its sparse map, in
// the old GNU format (GNU tar's manual, "Old GNU Format"; src/tar.h):
//
//	  0 100s name       156  c  type 'S'          386  4 x entry of the map
//	100   8s mode       257  8s magic             482  c  more blocks follow
//	108   8s owner      265 32s owner's name      483  12s real size
//	116   8s group      297 32s group's name
//	124  12s size of the data
//	136  12s time
//	148   8s sum of the header's bytes
//
// An entry is the offset and the length of a piece of data, 12 bytes each. A file that
// ends in a hole has one without length at its end.
func headers(m *blockmap.Map) []byte {
	entries, data := sparseMap(m)
	h := make([]byte, tarBlock)
	copy(h, member)
	octal(h[100:108], 0o600)
	octal(h[108:116], 0)
	octal(h[116:124], 0)
	octal(h[124:136], data)
	octal(h[136:148], modified)
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	copy(h[265:], "root")
	copy(h[297:], "root")
	n := copy(h[386:386+mapInHeader*mapEntry], entries)
	entries = entries[n:]
	if len(entries) > 0 {
		h[482] = 1
	}
	octal(h[483:495], m.Size())
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	for len(entries) > 0 {
		b := make([]byte, tarBlock)
		n := copy(b[:mapInExtension*mapEntry], entries)
		if entries = entries[n:]; len(entries) > 0 {
			b[mapInExtension*mapEntry] = 1
		}
		h = append(h, b...)
	}
	return h
}

// sparseMap is the map's entries, and how many bytes of data there are.
func sparseMap(m *blockmap.Map) (entries []byte, data int64) {
	entry := func(off, n int64) {
		var b [mapEntry]byte
		octal(b[:12], off)
		octal(b[12:], n)
		entries = append(entries, b[:]...)
		data += n
	}
	end := int64(0)
	for off := int64(0); off < m.Size(); {
		n, carried := m.Extent(off)
		if carried {
			entry(off, n)
			end = off + n
		}
		off += n
	}
	if end < m.Size() || m.Size() == 0 {
		entry(m.Size(), 0)
	}
	return entries, data
}

// octal writes a number as tar has it: octal digits and a NUL, or, where these are too
// few, a byte 0x80 and the number in binary (GNU tar).
func octal(b []byte, n int64) {
	digits := len(b) - 1
	if n < 1<<(3*digits) {
		copy(b, fmt.Sprintf("%0*o", digits, n))
		return
	}
	b[0] = 0x80
	binary.BigEndian.PutUint64(b[len(b)-8:], uint64(n))
}
