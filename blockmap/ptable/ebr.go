package ptable

import (
	"fmt"

	"migimg/blockmap"
)

// maxNumber is the kernel's last partition number on a disk (DISK_MAX_PARTS in
// include/linux/blkdev.h, less the disk itself).
const maxNumber = 255

// maxEmptyRecords is how many extended boot records without a partition the
// kernel follows in a row (msdos.c, parse_extended).
const maxEmptyRecords = 100

// readLogicals follows the chain of extended boot records in ext, the way the
// kernel does, and returns the number for the next logical partition. Each
// record is a sector with an MBR's table: entries of data, whose start counts
// from the record, and a link to the next record, whose start counts from ext.
func (t *Table) readLogicals(v blockmap.Volume, ext Partition, next int) (int, error) {
	var records []blockmap.Range
	var logicals []Partition
	seen := map[int64]bool{}
	at, size, empty := ext.Start, ext.Size, 0
	for {
		if at < ext.Start || at+t.SectorSize > ext.end() || at+t.SectorSize > v.Size() {
			t.broken("the chain of logical partitions leads to byte %d, outside of the extended partition %d", at, ext.Number)
			break
		}
		if seen[at] {
			t.broken("the chain of logical partitions in partition %d leads back to byte %d", ext.Number, at)
			break
		}
		seen[at] = true
		sector := make([]byte, 512)
		if err := readFull(v, sector, at); err != nil {
			return 0, fmt.Errorf("logical partitions of partition %d: %w", ext.Number, err)
		}
		r := parseBoot(sector)
		if !r.magic {
			if len(records) > 0 {
				t.problem("the chain of logical partitions ends in a sector without the mark 55 AA, at byte %d; Linux ignores what may follow", at)
			}
			break
		}
		records = append(records, blockmap.Range{Off: at, Len: t.SectorSize})
		found, link := t.readRecord(r, ext, at, size, next)
		kept := found[:min(len(found), maxNumber+1-next)]
		logicals = append(logicals, kept...)
		rec := record{extended: ext.Number, at: at}
		for _, p := range kept {
			rec.logicals = append(rec.logicals, p.Number)
		}
		t.records = append(t.records, rec)
		next += len(kept)
		if next > maxNumber && (link != nil || len(kept) < len(found)) {
			t.problem("partition %d may hold more logical partitions than Linux counts: the last one is %d", ext.Number, maxNumber)
			break
		}
		if link == nil {
			break
		}
		if len(found) > 0 {
			empty = 0
		} else if empty++; empty >= maxEmptyRecords {
			t.broken("partition %d has more than %d boot records without a partition in a row", ext.Number, maxEmptyRecords)
			break
		}
		at, size = ext.Start+link.start*t.SectorSize, link.sectors*t.SectorSize
	}
	t.checkRegion(fmt.Sprintf("the extended partition %d", ext.Number), blockmap.Range{Off: ext.Start, Len: ext.Size}, logicals, records)
	t.Partitions = append(t.Partitions, logicals...)
	t.own = append(t.own, records...)
	return next, nil
}

// readRecord is the data partitions of the record at byte at, and its link. size
// is what the link to the record said of its length.
func (t *Table) readRecord(r boot, ext Partition, at, size int64, next int) (found []Partition, link *entry) {
	for i, e := range r.entries {
		switch {
		case e.sectors == 0:
			continue
		case e.extended():
			if link == nil {
				link = &r.entries[i]
			}
			continue
		}
		p := t.mbrPartition(next+len(found), at, e)
		p.Logical = true
		// The last two entries may hold anything (msdos.c); the kernel takes them
		// only where they make sense.
		if i >= 2 && ((e.start+e.sectors)*t.SectorSize > size || p.end() > ext.end()) {
			continue
		}
		found = append(found, p)
	}
	return found, link
}
