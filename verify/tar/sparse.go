package tar

import (
	"encoding/binary"
	"iter"
	"sort"

	"migimg/verify/decoder"
)

const (
	entrySize   = 24
	inHeader    = 4  // entries of the map
	inExtension = 21 // and in each block after the header
	// perMark is how many pieces are decoded at most to find one.
	perMark = 64
)

// sparseMap says which parts of a file are in the archive, one after the other. A map
// has millions of pieces on a fragmented disk: they are kept as differences, 4 bytes
// each where they are clusters.
type sparseMap struct {
	marks []mark
	enc   []byte // for each piece the gap before it and its length
	count int64
	end   int64 // of the last piece
	data  int64 // bytes of all pieces
}

// mark is before a piece: where the one before it ends, how much data that and all
// others have, and where in enc it is.
type mark struct {
	end, data int64
	at        int
}

// piece is bytes [off, off+n) of the file, which come after data bytes of others.
type piece struct{ off, n, data int64 }

// add appends a piece that begins at the end of the last one or after it.
func (s *sparseMap) add(off, n int64) {
	if s.count%perMark == 0 {
		s.marks = append(s.marks, mark{s.end, s.data, len(s.enc)})
	}
	s.enc = binary.AppendUvarint(s.enc, shorter(off-s.end))
	s.enc = binary.AppendUvarint(s.enc, shorter(n))
	s.count, s.end, s.data = s.count+1, off+n, s.data+n
}

// shorter makes a number of blocks a small number.
func shorter(n int64) uint64 {
	if n%block == 0 {
		return uint64(n/block) << 1
	}
	return uint64(n)<<1 | 1
}

func longer(v uint64) int64 {
	if v&1 == 0 {
		return int64(v>>1) * block
	}
	return int64(v >> 1)
}

// from are the pieces that end after off.
func (s *sparseMap) from(off int64) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].end > off }) - 1
		if i < 0 {
			return // without a piece there is no mark
		}
		m := s.marks[i]
		for enc := s.enc[m.at:]; len(enc) > 0; {
			gap, k := binary.Uvarint(enc)
			n, j := binary.Uvarint(enc[k:])
			enc = enc[k+j:]
			p := piece{m.end + longer(gap), longer(n), m.data}
			m.end, m.data = p.off+p.n, p.data+p.n
			if m.end > off && !yield(p) {
				return
			}
		}
	}
}

// readMap reads a member's sparse map, which begins in its header and goes on in the
// blocks behind it, and checks it: GNU tar's manual, "Old GNU Format".
func (m *Member) readMap(f decoder.File, h *header, ps *decoder.Problems) bool {
	bad := func(at int64, format string, a ...any) bool {
		ps.Failf(at, "tar: sparse map: "+format, a...)
		return false
	}
	size, err := number(h.b[483:495])
	if err != nil {
		return bad(m.Header+483, "the real size: %v", err)
	}
	m.Size, m.sparse = size, &sparseMap{}
	c := &mapChecker{s: m.sparse, size: size}
	entries, at, more := h.b[386:386+inHeader*entrySize], m.Header+386, h.b[482]
	for {
		for i := 0; i < len(entries); i += entrySize {
			if why := c.entry(entries[i : i+entrySize]); why != "" {
				return bad(at+int64(i), "%s", why)
			}
		}
		if more == 0 {
			break
		}
		if more != 1 {
			return bad(at+int64(len(entries)), "the byte that says whether more follows is %#02x", more)
		}
		if c.done {
			return bad(at, "more of it follows its end")
		}
		b, err := f.Bytes(m.Off, block)
		if err != nil {
			ps.Err(m.Off, "tar: sparse map", err)
			return false
		}
		entries, at, more = b[:inExtension*entrySize], m.Off, b[inExtension*entrySize]
		if !allZero(b[inExtension*entrySize+1:]) {
			return bad(at+inExtension*entrySize+1, "bytes that are not 0 behind it")
		}
		if allZero(entries[:entrySize]) {
			return bad(at, "a block without an entry")
		}
		m.Off += block
	}
	if m.sparse.data != m.Stored {
		return bad(m.Header+124, "its pieces have %d bytes, the header says %d", m.sparse.data, m.Stored)
	}
	if m.sparse.end < size && !c.closed {
		ps.Warnf(m.Header+386, "tar: sparse map: the file ends in a hole, and no entry without length says so")
	}
	return true
}

// mapChecker takes in the entries one after the other.
type mapChecker struct {
	s      *sparseMap
	size   int64 // of the file
	last   int64 // length of the piece before
	closed bool  // an entry without length was there, which is the last one
	done   bool  // an empty one was
}

// entry takes in the next one, and says what is wrong with it.
func (c *mapChecker) entry(b []byte) (why string) {
	if allZero(b) {
		c.done = true
		return ""
	}
	off, err := number(b[:12])
	if err != nil {
		return "an offset: " + err.Error()
	}
	n, err := number(b[12:])
	if err != nil {
		return "a length: " + err.Error()
	}
	switch {
	case c.done || c.closed:
		return "an entry after the last one"
	case off < c.s.end:
		return "an entry that begins before the end of the one before it"
	case off > c.size || n > c.size-off:
		return "an entry beyond the file's end"
	case n == 0 && off != c.size:
		return "an entry without length that is not the file's end"
	case c.last%block != 0:
		return "a piece that is no number of blocks and not the last one: readers take what follows for different bytes"
	}
	if n == 0 {
		c.closed = true
		return ""
	}
	c.last = n
	c.s.add(off, n)
	return ""
}
