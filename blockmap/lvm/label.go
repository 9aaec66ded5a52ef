package lvm

import (
	"encoding/binary"
	"hash/crc32"
	"strings"

	"migimg/blockmap"
)

// The label (lvm2, lib/label/label.h) takes one sector of 512 bytes:
//
//	0     "LABELONE"
//	8     the number of this sector, 64 bits
//	16    checksum of what follows, to the sector's end, 32 bits
//	20    where the header lies in the sector, 32 bits: 32
//	24    "LVM2 001"
//
// The header (lvm2, lib/format_text/layout.h, struct pv_header):
//
//	0     UUID, 32 characters
//	32    size of the device in bytes, 64 bits
//	40    data areas, then metadata areas: two lists of offset and size in bytes,
//	      64 bits each, ended by an entry whose offset is 0
//
// and behind them, since lvm2 2.02.99, struct pv_header_extension: version and
// flags of 32 bits each, and a list of boot loaders' areas.
const (
	sectorSize   = 512
	labelSectors = 4
	labelID      = "LABELONE"
	labelType    = "LVM2 001"
	// extUsed: the physical volume belongs to a group, whether or not it holds
	// the group's metadata.
	extUsed = 1
)

// label is what the label's sector says.
type label struct {
	at              int64 // the byte it begins at
	uuid            string
	data, mda, boot []blockmap.Range // a data area's length of 0 means to the end
	used            bool
}

// checksum is lvm2's (lib/misc/crc.c): the polynomial of IEEE 802.3 with a start
// value of its own, and without the last inversion.
func checksum(parts ...[]byte) uint32 {
	const start = 0xf597a6cf
	c := ^uint32(start)
	for _, p := range parts {
		c = crc32.Update(c, crc32.IEEETable, p)
	}
	return ^c
}

// readLabel finds the label. Two labels, or a damaged one, are refused: the tools
// would take the first sound one, which may be one of long ago.
func readLabel(v blockmap.Volume) (*label, error) {
	b := make([]byte, min(labelSectors*sectorSize, v.Size()/sectorSize*sectorSize))
	if len(b) == 0 {
		return nil, blockmap.ErrNotMine
	}
	if err := readFull(v, b, 0, "label"); err != nil {
		return nil, err
	}
	var found *label
	for at := 0; at < len(b); at += sectorSize {
		s := b[at : at+sectorSize]
		if string(s[:8]) != labelID || string(s[24:32]) != labelType {
			continue
		}
		if found != nil {
			return nil, refuse("there are two LVM labels, in sectors %d and %d: erase the one that is not in use, with dd or pvremove", found.at/sectorSize, at/sectorSize)
		}
		l, err := parseLabel(s, int64(at))
		if err != nil {
			return nil, err
		}
		found = l
	}
	if found == nil {
		return nil, blockmap.ErrNotMine
	}
	return found, nil
}

func parseLabel(s []byte, at int64) (*label, error) {
	le := binary.LittleEndian
	if le.Uint64(s[8:]) != uint64(at/sectorSize) {
		return nil, refuse("the LVM label in sector %d says that it is that of sector %d", at/sectorSize, le.Uint64(s[8:]))
	}
	if le.Uint32(s[16:]) != checksum(s[20:]) {
		return nil, refuse("the LVM label in sector %d has a wrong checksum: see pvck", at/sectorSize)
	}
	off := le.Uint32(s[20:])
	if off < 32 || off > sectorSize-40 {
		return nil, refuse("the header of the LVM label in sector %d lies outside of the sector", at/sectorSize)
	}
	h := s[off:]
	id := string(h[:32])
	for _, c := range id {
		if !strings.ContainsRune(idChars, c) {
			return nil, refuse("the physical volume's UUID has characters that UUIDs do not have")
		}
	}
	l := &label{at: at, uuid: formatUUID(id)}
	rest := h[40:]
	var ok bool
	for _, list := range []*[]blockmap.Range{&l.data, &l.mda} {
		if *list, rest, ok = locations(rest); !ok {
			return nil, refuse("the lists of areas in the LVM label do not end, or are absurd")
		}
	}
	if len(rest) < 8 {
		return l, nil
	}
	version, flags := le.Uint32(rest), le.Uint32(rest[4:])
	switch {
	case version == 0:
		return l, nil
	case version > 2:
		return nil, refuse("version %d of the physical volume's header is not known", version)
	case flags&^uint32(extUsed) != 0:
		return nil, refuse("flags %#x of the physical volume's header are not known", flags)
	}
	l.used = flags&extUsed != 0
	if l.boot, _, ok = locations(rest[8:]); !ok {
		return nil, refuse("the list of boot loaders' areas in the LVM label does not end, or is absurd")
	}
	return l, nil
}

// locations reads a list of areas, and returns what is behind it.
func locations(b []byte) (list []blockmap.Range, rest []byte, ok bool) {
	const tooFar = 1 << 62
	for len(b) >= 16 {
		off, size := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		b = b[16:]
		if off == 0 {
			return list, b, true
		}
		if off >= tooFar || size >= tooFar-off {
			return nil, nil, false
		}
		list = append(list, blockmap.Range{Off: int64(off), Len: int64(size)})
	}
	return nil, nil, false
}

// idChars are those of lvm2's UUIDs (lib/uuid/uuid.c).
const idChars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!#"

// formatUUID is a UUID of 32 characters as the tools and blkid print it.
func formatUUID(id string) string {
	var parts []string
	for _, n := range []int{6, 4, 4, 4, 4, 4, 6} {
		parts = append(parts, id[:n])
		id = id[n:]
	}
	return strings.Join(parts, "-")
}
