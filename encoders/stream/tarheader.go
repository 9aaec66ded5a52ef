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
	h := make([]byte, tarblock.Size)
	copy(h, member)
	tarblock.Number(h[100:108], 0o600)
	tarblock.Number(h[108:116], 0)
	tarblock.Number(h[116:124], 0)
	tarblock.Number(h[124:136], data)
	tarblock.Number(h[136:148], tarblock.Modified)
	h[156] = 'S'
	copy(h[257:], "ustar  \x00")
	copy(h[265:], "root")
	copy(h[297:], "root")
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
