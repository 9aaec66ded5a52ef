package vhdx

import (
	"cmp"
	"encoding/binary"
	"slices"

	"migimg/verify/decoder"
)

// Flags of a metadata table entry (2.6.1.2).
const (
	flagUser     = 1 << 0
	flagDisk     = 1 << 1
	flagRequired = 1 << 2

	maxUser = 1024    // entries with flagUser
	maxItem = 1 * mib // bytes of an item
)

// known are the items that the specification names, and the flags it gives them
// (2.6.2).
var known = []struct {
	id    guid
	name  string
	size  int64
	flags uint32
}{
	itemParameters: {parseGUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B"), "file parameters", 8, flagRequired},
	itemSize:       {parseGUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8"), "virtual disk size", 8, flagDisk | flagRequired},
	itemID:         {parseGUID("BECA12AB-B2E6-4523-93EF-C309E000C746"), "virtual disk ID", 16, flagDisk | flagRequired},
	itemLogical:    {parseGUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F"), "logical sector size", 4, flagDisk | flagRequired},
	itemPhysical:   {parseGUID("CDA348C7-445D-4471-9CC9-E9885251C556"), "physical sector size", 4, flagDisk | flagRequired},
}

const (
	itemParameters = iota
	itemSize
	itemID
	itemLogical
	itemPhysical
	items // how many
)

// parentLocator is the item that only differencing disks have (2.6.2.6).
var parentLocator = parseGUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")

// value is what a known item holds, and where in the file it is.
type value struct {
	b     []byte // nil where that is not known; a problem then says why
	at    int64
	there bool // the table has an entry for it
}

// metadataTable checks the table at the start of the metadata region (2.6.1) and
// gives the values of the known items. The table's header is 32 bytes, little endian:
//
//	0 "metadata", 8 reserved, 10 entry count, 12 reserved
//
// and each entry after it as many:
//
//	0 item ID, 16 offset, 20 length, 24 flags, 28 reserved
func metadataTable(f decoder.File, r extent, ps *decoder.Problems) (values [items]value, ok bool) {
	b, err := f.Bytes(r.off, tableSize)
	if err != nil {
		ps.Err(r.off, "vhdx: metadata table", err)
		return values, false
	}
	if string(b[:8]) != "metadata" {
		ps.Failf(r.off, "vhdx: metadata table: the signature is missing")
		return values, false
	}
	n := int64(binary.LittleEndian.Uint16(b[10:]))
	if n > maxEntries {
		ps.Failf(r.off+10, "vhdx: metadata table: %d entries, at most %d fit", n, maxEntries)
		return values, false
	}
	if !allZero(b[8:10]) || !allZero(b[12:32]) {
		ps.Failf(r.off+8, "vhdx: metadata table: reserved bytes are not zero")
	}
	t := &itemTable{f: f, r: r, ps: ps, seen: map[itemKey]bool{}}
	ok = true
	for i := range n {
		ok = t.entry(b[32+32*i:][:32], r.off+32+32*i) && ok
	}
	if t.user > maxUser {
		ps.Failf(r.off, "vhdx: metadata table: %d entries of users, at most %d may be", t.user, maxUser)
	}
	t.overlaps()
	return t.values, ok
}

type itemKey struct {
	id   guid
	user bool
}

// itemTable is the check of the metadata table's entries.
type itemTable struct {
	f      decoder.File
	r      extent
	ps     *decoder.Problems
	seen   map[itemKey]bool
	user   int
	places []extent // of the items, in bytes of the file
	values [items]value
}

// entry checks one entry, at file offset at. It is not ok where readers must
// refuse the file.
func (t *itemTable) entry(e []byte, at int64) bool {
	le := binary.LittleEndian
	flags := le.Uint32(e[24:])
	k := itemKey{guid(e[:16]), flags&flagUser != 0}
	if k.user {
		t.user++
	}
	if t.seen[k] {
		t.ps.Failf(at, "vhdx: metadata table: item %x is there twice", k.id)
		return true
	}
	t.seen[k] = true
	if flags&^(flagUser|flagDisk|flagRequired) != 0 || !allZero(e[28:]) {
		t.ps.Failf(at+24, "vhdx: metadata table: reserved bits of item %x are not zero", k.id)
	}
	place, ok := t.place(int64(le.Uint32(e[16:])), int64(le.Uint32(e[20:])), at)
	for i, item := range known {
		if item.id != k.id || k.user {
			continue
		}
		t.values[i].there = true
		if flags != item.flags {
			t.ps.Failf(at+24, "vhdx: metadata table: %s: flags %#x, must be %#x", item.name, flags, item.flags)
		}
		if place.len != item.size {
			if ok {
				t.ps.Failf(at+20, "vhdx: metadata table: %s: %d bytes, must be %d", item.name, place.len, item.size)
			}
			return true
		}
		b, err := t.f.Bytes(place.off, place.len)
		if err != nil {
			t.ps.Err(place.off, "vhdx: metadata: "+item.name, err)
			return true
		}
		t.values[i] = value{b, place.off, true}
		return true
	}
	switch {
	case k.id == parentLocator:
		t.ps.Failf(at, "vhdx: metadata table: there is a parent locator: a differencing disk is not complete in itself")
	case flags&flagRequired != 0:
		t.ps.Failf(at, "vhdx: metadata table: item %x is not known, and it is required: readers must refuse the file", k.id)
		return false
	}
	return true
}

// place checks where an item is: after the table, inside the region; an empty
// one is nowhere.
func (t *itemTable) place(off, n, at int64) (extent, bool) {
	switch {
	case n == 0 && off == 0:
		return extent{}, true
	case n == 0 || n > maxItem || off < tableSize || off > t.r.len || n > t.r.len-off:
		t.ps.Failf(at+16, "vhdx: metadata table: an item, %d bytes at %d of the region, is not between the table and the region's end at %d", n, off, t.r.len)
		return extent{}, false
	}
	e := extent{t.r.off + off, n}
	t.places = append(t.places, e)
	return e, true
}

func (t *itemTable) overlaps() {
	slices.SortFunc(t.places, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	for i := 1; i < len(t.places); i++ {
		if t.places[i].off < t.places[i-1].end() {
			t.ps.Failf(t.places[i].off, "vhdx: metadata: two items overlap at byte %d", t.places[i].off)
		}
	}
}

// missing says which of the known items are not there (2.6.2).
func missing(values [items]value, at int64, ps *decoder.Problems) {
	for i, item := range known {
		if !values[i].there {
			ps.Failf(at, "vhdx: metadata: item %q is missing", item.name)
		}
	}
}
