package stream

import (
	"migimg/blockmap"
	"migimg/encoders/tarblock"
)

const (
	member = "disk.raw"

	mapInHeader    = 4  // entries of the sparse map in the member's header
	mapInExtension = 21 // and in each block that follows it
	mapEntry       = 24
)

// headers are the member's header and the blocks with the rest of its sparse map, in
// the old GNU format (GNU tar's manual, "Old GNU Format"; src/tar.h), which has behind the
// names:
//
//	386  4 x entry of the map    482  c  more blocks follow    483  12s real size
//
// An entry is the offset and the length of a piece of data, 12 bytes each. A file that
// ends in a hole has one without length at its end.
func headers(m *blockmap.Map) []byte {
	entries, data := sparseMap(m)
	h := tarblock.Header(member, 0o600, data, 'S', tarblock.GNU)
	n := copy(h[386:386+mapInHeader*mapEntry], entries)
	entries = entries[n:]
	if len(entries) > 0 {
		h[482] = 1
	}
	tarblock.Number(h[483:495], m.Size())
	tarblock.Seal(h)
	for len(entries) > 0 {
		b := make([]byte, tarblock.Size)
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
		tarblock.Number(b[:12], off)
		tarblock.Number(b[12:], n)
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
