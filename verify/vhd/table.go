package vhd

import (
	"encoding/binary"
	"slices"

	"migimg/verify/decoder"
)

// loadTable reads the block allocation table: for each block the sector where
// its bitmap begins.
func loadTable(f decoder.File, h header, ps *decoder.Problems) ([]uint32, bool) {
	b, err := f.Bytes(h.tableOff, h.tableEnd()-h.tableOff)
	if err != nil {
		ps.Err(h.tableOff, "vhd: block table", err)
		return nil, false
	}
	bat := make([]uint32, h.entries)
	for i := range bat {
		bat[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	for i, c := range b[4*h.entries:] {
		if c != 0xff {
			ps.Warnf(h.tableOff+4*h.entries+int64(i), "vhd: the padding of the block table is not 0xff")
			break
		}
	}
	return bat, true
}

// checkTable checks that the blocks lie between the tables and the footer,
// apart from one another and without gaps, and that the file ends with them. It
// returns how many there are.
func checkTable(f decoder.File, h header, bat []uint32, metaEnd int64, ps *decoder.Problems) (blocks int) {
	used := make([]uint32, 0, len(bat))
	beyond := 0
	for i, e := range bat {
		if e == unused {
			continue
		}
		at := int64(e) * sector
		if at < metaEnd {
			ps.Failf(h.tableOff+4*int64(i), "vhd: block %d at byte %d lies in the metadata, which ends at %d", i, at, metaEnd)
			continue
		}
		if at+h.stride() > f.Size {
			if beyond++; beyond == 1 {
				ps.Failf(h.tableOff+4*int64(i), "vhd: block %d ends at byte %d, but the file ends at %d: a short copy or a damaged entry", i, at+h.stride(), f.Size)
			}
		}
		used = append(used, e)
	}
	if beyond > 1 {
		ps.Failf(f.Size, "vhd: %d blocks end after the end of the file at %d", beyond, f.Size)
	}
	slices.Sort(used)
	end, gaps := metaEnd, int64(0)
	for i, e := range used {
		at := int64(e) * sector
		switch {
		case i > 0 && at < end:
			ps.Failf(at, "vhd: two blocks overlap at byte %d", at)
		case i > 0 && at > end:
			gaps += at - end
		}
		end = at + h.stride()
	}
	if gaps > 0 {
		ps.Warnf(-1, "vhd: %d bytes in gaps between blocks", gaps)
	}
	switch want := end + footerSize; {
	case f.Size < want:
		ps.Failf(f.Size, "vhd: the file has %d bytes; its blocks and its footer need %d: %d are missing", f.Size, want, want-f.Size)
	case f.Size > want && (len(used) > 0 || f.Size-want > 4<<10):
		ps.Failf(end, "vhd: %d bytes between the last block and the footer", f.Size-want)
	case f.Size > want:
		ps.Warnf(end, "vhd: %d bytes between the tables and the footer", f.Size-want)
	}
	return len(used)
}

// checkTail checks that nothing lies in the last block after the disk's end.
func checkTail(f decoder.File, h header, bat []uint32, size int64, ps *decoder.Problems) {
	last := (size - 1) / h.block
	rest := size - last*h.block
	e := bat[last]
	if e == unused || rest == h.block {
		return
	}
	at := int64(e)*sector + h.bitmap + rest
	buf := make([]byte, 1<<20)
	for left := h.block - rest; left > 0; {
		b := buf[:min(left, int64(len(buf)))]
		if _, err := f.ReadAt(b, at); err != nil {
			return // reported by the table's check, or by the content's
		}
		for i, c := range b {
			if c != 0 {
				ps.Warnf(at+int64(i), "vhd: bytes after the disk's end in its last block")
				return
			}
		}
		at, left = at+int64(len(b)), left-int64(len(b))
	}
}
