package vmdk

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"migimg/verify/decoder"
)

const gtSize = gtEntries * 4 // bytes of a grain table

// tables is what a check of the grain tables leaves for reading.
type tables struct {
	gd []uint32 // for each grain table with entries the sector where it lies, or 0
	// next is, for streams in ascending order, the sector of the first grain of
	// table i or a later one; its last element is where the grains end.
	next  []uint32
	count int64 // grains in the file
	last  int64 // the last of them, or -1
	max   int64 // its sector; for sparse disks the highest sector of a grain
}

func directory(f decoder.File, at, n int64) ([]uint32, error) {
	b, err := f.Bytes(at, n*4)
	if err != nil {
		return nil, err
	}
	gd := make([]uint32, n)
	for i := range gd {
		gd[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return gd, nil
}

// loadTables reads the grain directory and walks all grain tables once.
func loadTables(ctx context.Context, f decoder.File, h *header, ps *decoder.Problems) (*tables, bool, error) {
	t := &tables{last: -1}
	var err error
	if h.gd < sector {
		ps.Failf(56, "vmdk: header: the grain directory is said to be at %d", h.gd)
		return nil, false, nil
	}
	if t.gd, err = directory(f, h.gd, h.tables()); err != nil {
		ps.Err(h.gd, "vmdk: grain directory", err)
		return nil, false, nil
	}
	if !t.place(h, ps) {
		return nil, false, nil
	}
	var rgd []uint32
	if h.flags&flagRedundant != 0 && h.rgd >= sector {
		if rgd, err = directory(f, h.rgd, h.tables()); err != nil {
			ps.Err(h.rgd, "vmdk: redundant grain directory", err)
		}
	}
	w := &walker{f: f, h: h, ps: ps, t: t}
	if h.stream() {
		w.first = make([]uint32, len(t.gd)+1)
	} else {
		// Entries are 32 bit sector numbers: no grain begins after 2 TiB.
		w.used = make([]uint64, (min(f.Size, 1<<32*sector)/h.grain+64)/64)
	}
	for i := range t.gd {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		w.table(int64(i), rgd)
	}
	w.end()
	return t, true, nil
}

// place checks where the grain tables lie: in the metadata, apart from one
// another.
func (t *tables) place(h *header, ps *decoder.Problems) bool {
	sorted := make([]uint32, 0, len(t.gd))
	ok := true
	gdEnd := h.gd + 4*int64(len(t.gd))
	if gdEnd > h.overhead || h.gd < h.descOff+h.descSize && h.descOff < gdEnd {
		ps.Failf(h.gd, "vmdk: the grain directory, bytes %d to %d, is not between the descriptor and the metadata's end at %d", h.gd, gdEnd, h.overhead)
	}
	for i, e := range t.gd {
		if e == 0 {
			if !h.stream() {
				ps.Warnf(h.gd+4*int64(i), "vmdk: grain table %d is missing; a sparse disk has all", i)
			}
			continue
		}
		if at := int64(e) * sector; at < sector || at+gtSize > h.overhead {
			ps.Failf(h.gd+4*int64(i), "vmdk: grain table %d at byte %d lies outside of the metadata, which ends at %d", i, at, h.overhead)
			ok = false
		} else if at < gdEnd && at+gtSize > h.gd {
			ps.Failf(h.gd+4*int64(i), "vmdk: grain table %d at byte %d overlaps the grain directory", i, at)
		}
		sorted = append(sorted, e)
	}
	slices.Sort(sorted)
	for i := 1; i < len(sorted); i++ {
		if int64(sorted[i]-sorted[i-1])*sector < gtSize {
			ps.Failf(int64(sorted[i])*sector, "vmdk: two grain tables overlap")
			return false
		}
	}
	return ok
}

// walker goes through the entries in the disk's order.
type walker struct {
	f     decoder.File
	h     *header
	ps    *decoder.Problems
	t     *tables
	first []uint32 // streams: the first grain's sector of each table, 0 for none
	used  []uint64 // sparse disks: one bit for each grain's length of the file

	prev       int64 // sector of the grain before
	descending bool
	phase      int64 // where grains begin relative to their length; -1 at first
	beyond     int64
	buf, copy  [gtSize]byte
}

// table checks the entries of table i. A table without entries is forgotten, so
// that reading passes over it.
func (w *walker) table(i int64, rgd []uint32) {
	if w.t.gd[i] == 0 {
		return
	}
	at := int64(w.t.gd[i]) * sector
	b, c := w.buf[:], w.copy[:]
	if _, err := w.f.ReadAt(b, at); err != nil {
		w.ps.Err(at, "vmdk: grain table", err)
		return
	}
	if rgd != nil {
		if _, err := w.f.ReadAt(c, int64(rgd[i])*sector); err != nil {
			w.ps.Err(int64(rgd[i])*sector, "vmdk: redundant grain table", err)
		} else if !bytes.Equal(b, c) {
			w.ps.Failf(at, "vmdk: grain table %d and its redundant copy at %d differ", i, int64(rgd[i])*sector)
		}
	}
	empty := true
	for j := range int64(gtEntries) {
		e := binary.LittleEndian.Uint32(b[4*j:])
		if e == 0 || e == 1 && w.h.flags&flagZeroGrain != 0 {
			continue
		}
		empty = false
		w.entry(i, j, int64(e), at+4*j)
	}
	if empty {
		w.t.gd[i] = 0
	}
}

func (w *walker) entry(i, j, e, entryAt int64) {
	g, h := i*gtEntries+j, w.h
	if g >= h.grains() {
		w.ps.Failf(entryAt, "vmdk: an entry for grain %d, beyond the disk's end", g)
		return
	}
	least := int64(sector) // a grain in a stream is at least its marker
	if !h.stream() {
		least = h.grain
	}
	if e*sector+least > w.f.Size {
		if w.beyond++; w.beyond == 1 {
			w.ps.Failf(entryAt, "vmdk: grain %d at byte %d, but the file ends at %d: a short copy or a damaged entry", g, e*sector, w.f.Size)
		}
	} else if e*sector < h.overhead {
		w.ps.Failf(entryAt, "vmdk: grain %d at byte %d lies in the metadata, which ends at %d", g, e*sector, h.overhead)
	}
	w.t.count++
	if h.stream() {
		if e <= w.prev {
			w.descending = true
			w.ps.Failf(entryAt, "vmdk: grain %d at byte %d comes before the grain before it: the stream is not in the disk's order", g, e*sector)
		}
		w.prev = e
		if w.first[i] == 0 {
			w.first[i] = uint32(e)
		}
		w.t.last, w.t.max = g, e
		return
	}
	w.t.max = max(w.t.max, e)
	if w.t.count == 1 {
		w.phase = e * sector % h.grain
	} else if w.phase >= 0 && e*sector%h.grain != w.phase {
		w.ps.Unknownf(entryAt, "vmdk: grains are not aligned to one another: whether they overlap is not checked")
		w.phase = -1
	}
	if k := e * sector / h.grain; k/64 < int64(len(w.used)) {
		if w.used[k/64]>>(k%64)&1 != 0 && w.phase >= 0 {
			w.ps.Failf(entryAt, "vmdk: grain %d lies where another one does, at byte %d", g, e*sector)
		}
		w.used[k/64] |= 1 << (k % 64)
	}
}

func (w *walker) end() {
	if w.beyond > 1 {
		w.ps.Failf(w.f.Size, "vmdk: %d grains lie after the end of the file at %d", w.beyond, w.f.Size)
	}
	if w.first == nil || w.descending {
		return
	}
	for i := len(w.first) - 2; i >= 0; i-- {
		if w.first[i] == 0 {
			w.first[i] = w.first[i+1]
		}
	}
	w.t.next = w.first
}
