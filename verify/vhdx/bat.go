package vhdx

import (
	"context"
	"encoding/binary"

	"migimg/verify/decoder"
)

// entry is one of the block table's, 64 bits, little endian (2.5.1): 3 bits of
// state, 17 reserved, and the file offset in MiB.
type entry uint64

func (e entry) state() int       { return int(e & 7) }
func (e entry) reserved() uint64 { return uint64(e) >> 3 & (1<<17 - 1) }
func (e entry) mib() int64       { return int64(e >> 20) }

// States of a payload block (2.5.1.1); 4 and 5 are reserved.
const (
	notPresent = 0
	undefined  = 1
	zero       = 2
	unmapped   = 3
	present    = 6
	partly     = 7
)

// Places of blocks that are nowhere in the file.
const (
	hole    = 0         // the block reads as zeros: the header section is at 0
	damaged = 1<<32 - 1 // what it holds cannot be told; maxFile is shorter
)

// batReader checks the block table's entries in their order.
type batReader struct {
	f  decoder.File
	p  *parameters
	s  *space
	ps *decoder.Problems

	places  []uint32 // for each payload block its MiB in the file
	present int64
	kept    int64                           // blocks without contents that keep their place
	beyond  int64                           // blocks that end after the file
	loose   [4]struct{ n, first, at int64 } // by state
}

// loadBAT reads the block table once, in parts. Sector bitmap entries are
// between those of the payload blocks, one after each chunk (2.5). What is after
// the last entry in the region has no meaning.
func loadBAT(ctx context.Context, f decoder.File, r extent, p *parameters, s *space, ps *decoder.Problems) (w *batReader, ok bool, err error) {
	n := p.entries()
	if n > r.len/8 {
		ps.Failf(r.off, "vhdx: block table: its region of %d bytes holds %d entries, the disk of %d bytes needs %d", r.len, r.len/8, p.size, n)
		return nil, false, nil
	}
	w = &batReader{f: f, p: p, s: s, ps: ps, places: make([]uint32, 0, p.blocks())}
	chunk := p.chunk()
	buf := make([]byte, min(8*n, mib))
	for i := int64(0); i < n; {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		b, at := buf[:min(8*(n-i), int64(len(buf)))], r.off+8*i
		if _, err := f.ReadAt(b, at); err != nil {
			ps.Err(at, "vhdx: block table", err)
			return nil, false, nil
		}
		for ; len(b) > 0; b, at, i = b[8:], at+8, i+1 {
			e := entry(binary.LittleEndian.Uint64(b))
			if i%(chunk+1) == chunk {
				w.bitmap(e, i/(chunk+1), at)
			} else {
				w.places = append(w.places, w.payload(e, at))
			}
		}
	}
	w.sum()
	return w, true, nil
}

// bitmap checks the entry of sector bitmap block k: only differencing disks have
// those (2.5.1.2).
func (w *batReader) bitmap(e entry, k, at int64) {
	switch {
	case e.state() != 0:
		w.ps.Failf(at, "vhdx: block table: sector bitmap %d has state %d, must be 0: only differencing disks have them", k, e.state())
	case e.reserved() != 0:
		w.ps.Failf(at, "vhdx: block table: sector bitmap %d: reserved bits are not zero", k)
	case e.mib() != 0:
		w.ps.Warnf(at, "vhdx: block table: sector bitmap %d is not there, but has the place %d MiB", k, e.mib())
	}
}

// payload checks the entry of the next payload block and gives its place.
func (w *batReader) payload(e entry, at int64) uint32 {
	b := int64(len(w.places))
	if e.reserved() != 0 {
		w.ps.Failf(at, "vhdx: block table: block %d: reserved bits are not zero", b)
	}
	switch e.state() {
	case zero:
		if e.mib() != 0 {
			w.ps.Failf(at, "vhdx: block table: block %d is zeros, but has the place %d MiB: Hyper-V does not open such a file", b, e.mib())
		}
		return hole
	case present:
		return w.place(e, b, at)
	case notPresent, undefined, unmapped:
		l := &w.loose[e.state()]
		if l.n++; l.n == 1 {
			l.first, l.at = b, at
		}
		if e.mib() != 0 && e.state() != notPresent {
			w.place(e, b, at) // its place may be kept for it, and then is no one else's
		}
		return hole
	case partly:
		w.ps.Failf(at, "vhdx: block table: block %d is partly present, which only blocks of differencing disks are", b)
	default:
		w.ps.Failf(at, "vhdx: block table: block %d has the reserved state %d", b, e.state())
	}
	return damaged
}

// place marks the place of block b as taken: in the file, after the header
// section, and nobody else's (2.5.1).
func (w *batReader) place(e entry, b, at int64) uint32 {
	if e.mib() < headerSection/mib {
		w.ps.Failf(at, "vhdx: block table: block %d is said to be at byte 0", b)
		return damaged
	}
	if e.mib() >= w.s.mibs {
		w.short(b, at, "begins at %d MiB", e.mib())
		return damaged
	}
	x := extent{e.mib() * mib, w.p.block}
	used := min(w.p.block, w.p.size-b*w.p.block) // what is the disk's
	switch {
	case x.off+used > w.f.Size:
		w.short(b, at, "ends at byte %d", x.end())
	case x.end() > w.f.Size:
		w.ps.Warnf(at, "vhdx: block table: the last block ends at byte %d, the file at %d, after the disk's end: qemu-img makes fixed disks so", x.end(), w.f.Size)
	}
	if !w.s.mark(x) {
		what := "something else" // looking it up takes long, and a damaged table has millions
		if w.ps.Count(decoder.Fail) < decoder.MaxListed {
			what = w.s.holder(x)
		}
		w.ps.Failf(at, "vhdx: block table: block %d, bytes %d to %d, overlaps %s", b, x.off, x.end(), what)
	}
	if e.state() == present {
		w.present++
	} else {
		w.kept++
	}
	return uint32(e.mib())
}

// short says so of the first block that is not in the file; sum counts all.
func (w *batReader) short(b, at int64, format string, a any) {
	if w.beyond++; w.beyond == 1 {
		w.ps.Failf(at, "vhdx: block table: block %d "+format+", but the file ends at %d: a short copy or a damaged entry", b, a, w.f.Size)
	}
}

// sum reports what is said once of many blocks.
func (w *batReader) sum() {
	if w.beyond > 1 {
		w.ps.Failf(w.f.Size, "vhdx: %d blocks are not before the end of the file at %d", w.beyond, w.f.Size)
	}
	for state, what := range [...]string{
		notPresent: "not present (0): what a reader finds there is undefined, and some refuse it",
		undefined:  "undefined (1): a reader may find anything there",
		unmapped:   "unmapped (3): a reader may find what was there before",
	} {
		if l := w.loose[state]; l.n > 0 {
			w.ps.Warnf(l.at, "vhdx: block table: %d blocks, block %d the first, are %s; blocks of zeros have state 2", l.n, l.first, what)
		}
	}
}
