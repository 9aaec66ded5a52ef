package ptable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"migimg/blockmap"
)

// backupSize is what the backup of the GPT takes at the disk's end, in bytes of
// the image's sectors.
func (e *editor) backupSize() int64 {
	return e.unit + roundUp(e.t.GPT.Entries*e.t.GPT.EntrySize, e.unit)
}

// rewriteGPT writes both headers and their entries for the image's disk: without
// what is left out, with the backup in the last block, in the image's sectors.
func (e *editor) rewriteGPT() error {
	if e.t.Kind == KindHybrid && e.unit != e.t.SectorSize {
		return errors.New("a hybrid MBR is not rewritten for other sectors")
	}
	old, header, err := e.header()
	if err != nil {
		return err
	}
	entries, err := e.entries(old)
	if err != nil {
		return err
	}
	last := e.edit.Size/e.unit - 1
	entriesBlocks := roundUp(int64(len(entries)), e.unit) / e.unit
	primary, backup := old.entriesLBA, last-entriesBlocks
	if old.lba != 1 || e.unit != e.t.SectorSize {
		primary = 2
	}
	firstUsable := max(old.firstUsable*e.t.SectorSize/e.unit, primary+entriesBlocks)
	lastUsable := backup - 1
	for _, p := range e.kept {
		if p.Start < firstUsable*e.unit || p.end() > (lastUsable+1)*e.unit {
			return fmt.Errorf("partition %d (bytes %d to %d) leaves no room for the GPT and its backup", p.Number, p.Start, p.end())
		}
	}
	for _, r := range e.t.own { // no stale copy stays behind
		if r.Off >= e.t.SectorSize {
			e.edit.Dropped = append(e.edit.Dropped, r)
		}
	}
	put := func(lba, alternate, entriesLBA int64) {
		h := make([]byte, e.unit)
		copy(h, header)
		le := binary.LittleEndian
		le.PutUint64(h[24:], uint64(lba))
		le.PutUint64(h[32:], uint64(alternate))
		le.PutUint64(h[40:], uint64(firstUsable))
		le.PutUint64(h[48:], uint64(lastUsable))
		le.PutUint64(h[72:], uint64(entriesLBA))
		le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
		le.PutUint32(h[16:], 0)
		le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:len(header)]))
		e.edit.Patches = append(e.edit.Patches, Patch{lba * e.unit, h}, Patch{entriesLBA * e.unit, entries})
	}
	put(1, last, primary)
	put(last, 1, backup)
	return e.protective(last)
}

// header is the header that counts, and its bytes up to its own length.
func (e *editor) header() (*header, []byte, error) {
	lba := int64(1)
	if !e.t.GPT.PrimaryOK {
		lba = newGPT(e.v, e.t.SectorSize, readHeader(e.v, e.t.SectorSize, 1)).backup.lba
	}
	h := readHeader(e.v, e.t.SectorSize, lba)
	if h.bad != nil {
		return nil, nil, h.bad
	}
	b := make([]byte, e.t.SectorSize)
	if err := readFull(e.v, b, lba*e.t.SectorSize); err != nil {
		return nil, nil, err
	}
	n := int64(binary.LittleEndian.Uint32(b[12:])) // verified by readHeader
	if n > e.unit {
		return nil, nil, fmt.Errorf("a header of %d bytes does not fit a sector of %d", n, e.unit)
	}
	return h, b[:n], nil
}

// entries are the entries of what is carried, in the image's sectors.
func (e *editor) entries(h *header) ([]byte, error) {
	out := make([]byte, len(h.entries))
	le := binary.LittleEndian
	for _, p := range e.kept {
		if p.Start%e.unit != 0 || p.Size%e.unit != 0 {
			return nil, fmt.Errorf("partition %d does not begin and end at sectors of %d bytes", p.Number, e.unit)
		}
		raw := out[int64(p.Number-1)*h.entrySize:][:h.entrySize]
		copy(raw, h.entries[int64(p.Number-1)*h.entrySize:])
		le.PutUint64(raw[32:], uint64(p.Start/e.unit))
		le.PutUint64(raw[40:], uint64(p.end()/e.unit-1))
	}
	return out, nil
}

// protective corrects the MBR before the GPT: the length of its protective entry,
// and the entries of a hybrid for what is left out.
func (e *editor) protective(last int64) error {
	b, err := e.sector(0)
	if err != nil {
		return err
	}
	for i, x := range parseBoot(b).entries {
		raw := b[offEntries+i*entryLen:][:entryLen]
		at := blockmap.Range{Off: x.start * e.t.SectorSize, Len: x.sectors * e.t.SectorSize}
		switch {
		case x.kind == kindProtective && e.t.Kind != KindHybrid:
			binary.LittleEndian.PutUint32(raw[12:], uint32(min(last, 1<<32-1)))
		case x.kind != kindProtective && x.sectors > 0:
			for _, p := range e.left {
				if p.Start == at.Off && p.Size == at.Len {
					clear(raw)
				}
			}
		}
	}
	e.edit.Patches = append(e.edit.Patches, Patch{0, b})
	return nil
}
