package vhdx

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"migimg/verify/decoder"
)

// guid is a GUID as it is stored: the first three groups little endian.
type guid [16]byte

// parseGUID reads the notation of the specification's tables.
func parseGUID(s string) (g guid) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != len(g) {
		panic("vhdx: not a GUID: " + s)
	}
	copy(g[:], b)
	g[0], g[1], g[2], g[3] = b[3], b[2], b[1], b[0]
	g[4], g[5], g[6], g[7] = b[5], b[4], b[7], b[6]
	return g
}

// The known regions (2.2.3.2).
var (
	batRegion      = parseGUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
	metadataRegion = parseGUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
)

// maxEntries bounds the region table and the metadata table (2.2.3.1, 2.6.1.1).
const maxEntries = 2047

// regions are the regions of the file that a reader must know.
type regions struct{ bat, metadata extent }

// regionTable gives the region table and its place: the first of the two copies
// that is sound (2.2.3).
func regionTable(f decoder.File, ps *decoder.Problems) (b []byte, at int64, ok bool) {
	one, oneOK := sound(f, tablesAt[0], tableSize, "regi", "region table 1", ps)
	two, twoOK := sound(f, tablesAt[1], tableSize, "regi", "region table 2", ps)
	if oneOK && twoOK && !bytes.Equal(one, two) {
		ps.Failf(tablesAt[1], "vhdx: the two region tables differ")
	}
	if oneOK {
		return one, tablesAt[0], true
	}
	return two, tablesAt[1], twoOK
}

// parseRegions checks the region table (2.2.3), marks the regions' places as
// taken, and gives the two that are known. Its header is 16 bytes, little endian:
//
//	0 "regi", 4 checksum, 8 entry count, 12 reserved
//
// and each entry after it 32:
//
//	0 GUID, 16 file offset, 24 length, 28 required
func parseRegions(b []byte, at int64, f decoder.File, s *space, ps *decoder.Problems) (r regions, ok bool) {
	le := binary.LittleEndian
	if le.Uint32(b[12:]) != 0 {
		ps.Failf(at+12, "vhdx: region table: reserved bytes are not zero")
	}
	n := int64(le.Uint32(b[8:]))
	if n > maxEntries {
		ps.Failf(at+8, "vhdx: region table: %d entries, at most %d fit", n, maxEntries)
		return r, false
	}
	ok = true
	seen := map[guid]bool{}
	optional := int64(-1)
	for i := range n {
		e, entryAt := b[16+32*i:][:32], at+16+32*i
		id, required := guid(e[:16]), le.Uint32(e[28:])
		if seen[id] {
			ps.Failf(entryAt, "vhdx: region table: region %x is there twice", id)
			continue
		}
		seen[id] = true
		where := regionExtent(e, entryAt, f, ps)
		name := "a region"
		switch id {
		case batRegion:
			r.bat, name = where, "the block table"
		case metadataRegion:
			r.metadata, name = where, "the metadata"
		default:
			if required != 0 {
				ps.Failf(entryAt, "vhdx: region table: region %x is not known, and it is required: readers must refuse the file", id)
				ok = false
			}
		}
		if required > 1 {
			ps.Failf(entryAt+28, "vhdx: region table: the flag of %s is %#x, must be 1", name, required)
		} else if required == 0 && name != "a region" && optional < 0 {
			optional = entryAt + 28
		}
		s.take(where, name, entryAt, ps)
	}
	if optional >= 0 {
		ps.Warnf(optional, "vhdx: region table: the known regions are not marked as required, as qemu-img leaves them")
	}
	if !seen[batRegion] {
		ps.Failf(at, "vhdx: region table: there is no block table")
	}
	if !seen[metadataRegion] {
		ps.Failf(at, "vhdx: region table: there is no metadata region")
	}
	return r, ok && r.bat.len > 0 && r.metadata.len > 0
}

// regionExtent is where an entry's region lies; its length is 0 where that
// cannot be.
func regionExtent(e []byte, entryAt int64, f decoder.File, ps *decoder.Problems) extent {
	off, n := binary.LittleEndian.Uint64(e[16:]), int64(binary.LittleEndian.Uint32(e[24:]))
	switch {
	case off%mib != 0 || off < headerSection:
		ps.Failf(entryAt+16, "vhdx: region table: a region is said to be at %#x; it begins at a MiB, after the first", off)
	case n == 0 || n%mib != 0:
		ps.Failf(entryAt+24, "vhdx: region table: a region of %d bytes, which is no number of MiB", n)
	case off > uint64(f.Size) || n > f.Size-int64(off):
		ps.Failf(entryAt+16, "vhdx: region table: a region, %d bytes at %#x, does not end before the file does, at %d: a short copy or a damaged entry", n, off, f.Size)
	default:
		return extent{int64(off), n}
	}
	return extent{}
}
