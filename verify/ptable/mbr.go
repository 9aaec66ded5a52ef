package ptable

import (
	"encoding/binary"
	"fmt"
)

// The MBR's four entries of 16 bytes are at 446: 0 boot indicator, 4 type,
// 8 first sector, 12 sectors, little endian. The disk identifier is at 440, the
// signature 55 aa at 510. Sectors are 512 bytes here: a disk with larger ones
// is recognised by its GPT only.
const (
	mbrEntries = 446
	sector     = 512
)

func extended(kind string) bool { return kind == "05" || kind == "0f" || kind == "85" }

type mbrEntry struct {
	boot  byte
	kind  string
	start int64 // in sectors, relative to what the table says
	count int64
}

func mbrEntriesOf(b []byte) (es [4]mbrEntry) {
	for i := range es {
		e := b[mbrEntries+16*i:]
		es[i] = mbrEntry{e[0], fmt.Sprintf("%02x", e[4]), int64(binary.LittleEndian.Uint32(e[8:])), int64(binary.LittleEndian.Uint32(e[12:]))}
	}
	return es
}

func signed(b []byte) bool { return b[510] == 0x55 && b[511] == 0xaa }

// mbr reads the table. A boot sector of a filesystem carries the same
// signature: as Linux does, it is told from a table by boot indicators that are
// neither 0 nor 0x80.
func (d disk) mbr(b []byte) (*Table, error) {
	if !signed(b) {
		return &Table{Kind: None}, nil
	}
	t := &Table{Kind: MBR, SectorSize: sector, ID: fmt.Sprintf("%08x", binary.LittleEndian.Uint32(b[440:]))}
	es := mbrEntriesOf(b)
	for _, e := range es {
		if e.boot&0x7f != 0 {
			return &Table{Kind: None}, nil
		}
	}
	if filesystem(b) && es == [4]mbrEntry{{kind: "00"}, {kind: "00"}, {kind: "00"}, {kind: "00"}} {
		return &Table{Kind: None}, nil
	}
	chain := int64(-1)
	for i, e := range es {
		if e.count == 0 || e.kind == "00" {
			continue
		}
		t.Partitions = append(t.Partitions, Partition{Number: i + 1, Start: e.start * sector, Size: e.count * sector, Type: e.kind, Flags: uint64(e.boot)})
		if extended(e.kind) {
			if chain >= 0 {
				t.Odd = append(t.Odd, "two extended partitions: the logical ones of the second are not read")
				continue
			}
			chain = e.start
		}
	}
	if chain >= 0 {
		if err := d.logical(t, chain); err != nil {
			return nil, err
		}
	}
	t.check(d.size)
	return t, nil
}

// filesystem recognises the boot sectors of FAT and NTFS.
func filesystem(b []byte) bool {
	return string(b[3:7]) == "NTFS" || string(b[54:57]) == "FAT" || string(b[82:87]) == "FAT32"
}

// logical follows the chain of extended boot records: entry 0 is the logical
// partition, relative to its own record, entry 1 the next record, relative to
// the extended partition.
func (d disk) logical(t *Table, first int64) error {
	seen := map[int64]bool{}
	number := 5
	for at := first; ; {
		if seen[at] || len(seen) >= maxSlots {
			t.broken("the chain of logical partitions does not end (record in sector %d)", at)
			return nil
		}
		seen[at] = true
		b, err := d.sector(at*sector, sector)
		if err != nil {
			return err
		}
		if b == nil || !signed(b) {
			t.broken("sector %d should hold a record of logical partitions", at)
			return nil
		}
		next := int64(-1)
		for i, e := range mbrEntriesOf(b) {
			switch {
			case e.count == 0 || e.kind == "00":
			case extended(e.kind):
				if next < 0 {
					next = first + e.start
				}
			case i < 2:
				t.Partitions = append(t.Partitions, Partition{Number: number, Start: (at + e.start) * sector, Size: e.count * sector, Type: e.kind, Flags: uint64(e.boot)})
				number++
			}
		}
		if next < 0 {
			return nil
		}
		at = next
	}
}
