package lvm

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// A metadata area begins with a sector (lvm2, lib/format_text/layout.h, struct
// mda_header):
//
//	0     checksum of what follows, to the sector's end, 32 bits
//	4     magic, 16 bytes
//	20    version, 32 bits: 1
//	24    where the area begins, in bytes, 64 bits
//	32    its size in bytes, 64 bits
//	40    where the text lies: two slots of offset in the area and size (64 bits
//	      each), checksum and flags (32 bits each)
//
// The rest of the area is a ring of texts; one that reaches the area's end
// continues behind the header. The first slot is that of the text that counts.
// The second one is that of a text that is being committed, and is cleared when
// it is (lib/format_text/format-text.c, _vg_commit_raw_rlocn).
const (
	mdaMagic   = "\x20LVM2\x20x[5A%r0N*>"
	mdaVersion = 1
	// slotIgnored: the area is kept, but not updated (vgchange --metadatacopies).
	slotIgnored = 1
	// maxText bounds the text that is read: enough for some 8000 volumes.
	maxText = 4 << 20
	// maxAreas is more than the tools make, which is two.
	maxAreas = 4
)

// slot is where a text lies.
type slot struct {
	off, size  int64
	sum, flags uint32
}

// readText reads the metadata areas that l names and returns the newest text, as it
// is and parsed.
func readText(v blockmap.Volume, l *label, r *blockmap.Report) ([]byte, *node, error) {
	if len(l.mda) == 0 {
		return nil, nil, refuse("the physical volume holds no LVM metadata; it is on other disks of the volume group, so what is in use here is not known")
	}
	if len(l.mda) > maxAreas {
		return nil, nil, refuse("the physical volume has %d metadata areas", len(l.mda))
	}
	var newest *node
	var text []byte
	var seqno int64
	ignored := 0
	for i, area := range l.mda {
		what := fmt.Sprintf("LVM metadata area %d", i+1)
		b, skip, err := readArea(v, area, what)
		if err != nil {
			return nil, nil, err
		}
		if skip {
			ignored++
		}
		if b == nil || newest != nil && bytes.Equal(b, text) {
			continue // the usual case of a second area
		}
		root, err := parseText(b)
		if err != nil {
			return nil, nil, refuse("%s: %v", what, err)
		}
		n, err := sequence(root)
		switch {
		case err != nil:
			return nil, nil, refuse("%s: %v", what, err)
		case newest != nil && n == seqno:
			return nil, nil, refuse("the two LVM metadata areas differ though both have number %d: see vgck", n)
		case newest != nil:
			r.Warnings = append(r.Warnings, fmt.Sprintf("the LVM metadata areas are of different age (numbers %d and %d): the newer one is used; vgck --updatemetadata repairs this", seqno, n))
		}
		if newest == nil || n > seqno {
			newest, text, seqno = root, b, n
		}
	}
	switch {
	case newest != nil:
		return text, newest, nil
	case ignored > 0:
		return nil, nil, refuse("the LVM metadata on this physical volume is marked as ignored; the one in use is on other disks of the volume group, so what is in use here is not known")
	case l.used:
		return nil, nil, refuse("the physical volume belongs to a volume group whose metadata is on other disks, so what is in use here is not known")
	}
	return nil, nil, refuse("the physical volume belongs to no volume group, so nothing says what on it is of use; if nothing is, pvremove and wipefs say so")
}

// readArea reads the text of a metadata area: nil where it has none. skip says
// that the area is marked as ignored.
func readArea(v blockmap.Volume, area blockmap.Range, what string) (text []byte, skip bool, err error) {
	if area.Len < 2*sectorSize || area.End() > v.Size() {
		return nil, false, refuse("%s (byte %d, %d bytes) does not lie on the volume; if this is an image, it may be truncated", what, area.Off, area.Len)
	}
	h := make([]byte, sectorSize)
	if err := readFull(v, h, area.Off, what); err != nil {
		return nil, false, err
	}
	le := binary.LittleEndian
	switch {
	case string(h[4:20]) != mdaMagic:
		return nil, false, refuse("%s has no valid header: see pvck and vgck --updatemetadata", what)
	case le.Uint32(h) != checksum(h[4:]):
		return nil, false, refuse("the header of %s has a wrong checksum: see pvck and vgck --updatemetadata", what)
	case le.Uint32(h[20:]) != mdaVersion:
		return nil, false, refuse("version %d of %s is not known", le.Uint32(h[20:]), what)
	case le.Uint64(h[24:]) != uint64(area.Off) || le.Uint64(h[32:]) != uint64(area.Len):
		return nil, false, refuse("the header of %s is that of an area elsewhere or of another size", what)
	}
	now, ok := parseSlot(h[40:], area.Len)
	next, ok2 := parseSlot(h[64:], area.Len)
	switch {
	case now.flags&^uint32(slotIgnored) != 0:
		return nil, false, refuse("flags %#x of %s are not known", now.flags, what)
	case now.flags&slotIgnored != 0:
		return nil, true, nil
	case !ok || !ok2:
		return nil, false, refuse("%s points outside of itself: see vgck --updatemetadata", what)
	case next.off != 0 && next.off != now.off:
		return nil, false, refuse("an LVM command is changing the volume group, or was interrupted: run vgs, or any command that changes the group (vgchange --addtag), and try again")
	case now.off == 0:
		return nil, false, nil
	case now.size > maxText:
		return nil, false, refuse("the text in %s has %d bytes, more than are read (%d)", what, now.size, maxText)
	}
	first := min(now.size, area.Len-now.off)
	text = make([]byte, now.size)
	if err := readFull(v, text[:first], area.Off+now.off, what); err != nil {
		return nil, false, err
	}
	if first < now.size {
		if err := readFull(v, text[first:], area.Off+sectorSize, what); err != nil {
			return nil, false, err
		}
	}
	if checksum(text) != now.sum {
		return nil, false, refuse("the text in %s has a wrong checksum: see vgck --updatemetadata", what)
	}
	return text, false, nil
}

// parseSlot reads a slot; it is not ok where its text does not lie in the ring.
func parseSlot(b []byte, area int64) (s slot, ok bool) {
	le := binary.LittleEndian
	off, size := le.Uint64(b), le.Uint64(b[8:])
	s = slot{sum: le.Uint32(b[16:]), flags: le.Uint32(b[20:])}
	if off == 0 {
		return s, true
	}
	if off < sectorSize || off >= uint64(area) || size == 0 || size > uint64(area-sectorSize) {
		return s, false
	}
	s.off, s.size = int64(off), int64(size)
	return s, true
}
