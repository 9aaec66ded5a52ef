package verify

import (
	"bytes"
	"fmt"
	"io"

	"migimg/verify/decoder"
)

const (
	// retrySize is the unit in which a chunk is read again after an error.
	retrySize = 64 << 10
	// joinGap is how much free space may lie between two ranges of the source
	// for both to be read at once.
	joinGap = 64 << 10
	// sectorSize is the unit in which the source is read again after an error, and in
	// which it is asked what was written.
	sectorSize = 4 << 10
)

// worker compares chunks with buffers of its own.
type worker struct {
	c        *comparison
	img, src []byte

	bad   []Range // of the chunk: not to be compared
	found []Problem
	moved int64
}

// chunk compares one chunk: the carried ranges with the source, the rest with
// zeros.
func (w *worker) chunk(k chunk) {
	w.bad, w.found, w.moved = w.bad[:0], nil, 0
	img := w.img[:k.n]
	w.readImage(img, k.off)
	var compared, zeros int64
	if w.c.src == nil {
		compared = k.n
		for _, b := range w.bad {
			compared -= b.Len
		}
		w.c.finish(k, compared, 0, 0, w.found)
		return
	}
	w.readSource(k)
	pos := k.off
	for _, r := range append(k.carried, Range{k.off + k.n, 0}) {
		zeros += w.each(Range{pos, r.Off - pos}, func(p Range) { w.zero(img[p.Off-k.off:][:p.Len], p.Off) })
		compared += w.each(r, func(p Range) {
			w.equal(img[p.Off-k.off:][:p.Len], w.src[p.Off-k.off:][:p.Len], p.Off)
		})
		pos = r.End()
	}
	w.c.finish(k, compared-w.moved, zeros, w.moved, w.found)
}

// each calls f for what of r could be read, and returns how much that is.
func (w *worker) each(r Range, f func(Range)) (n int64) {
	pos := r.Off
	for pos < r.End() {
		// The nearest bad range at or after pos; they may overlap.
		end, after := r.End(), r.End()
		for _, b := range w.bad {
			if b.End() > pos && b.Off < end {
				end, after = max(b.Off, pos), b.End()
			}
		}
		if end > pos {
			f(Range{pos, end - pos})
			n += end - pos
		}
		pos = after
	}
	return n
}

func (w *worker) fail(off, n int64, format string, a ...any) {
	w.found = append(w.found, Problem{Severity: decoder.Fail, Offset: off, Length: n, What: fmt.Sprintf(format, a...)})
}

// readImage fills p. What cannot be read is bad, and said.
func (w *worker) readImage(p []byte, off int64) {
	if n, _ := w.c.d.ReadAt(p, off); n == len(p) {
		return
	}
	for at := 0; at < len(p); {
		part := p[at:min(len(p), at+retrySize-int((off+int64(at))%retrySize))]
		if n, err := w.c.d.ReadAt(part, off+int64(at)); n < len(part) {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			r := Range{off + int64(at), int64(len(part))}
			w.bad = append(w.bad, r)
			w.found = append(w.found, Problem{Severity: decoder.SeverityOf(err), Offset: r.Off, What: fmt.Sprintf("image: %d bytes of the disk cannot be read: %v", r.Len, err)})
		}
		at += len(part)
	}
}

// readSource fills the carried ranges of the chunk.
func (w *worker) readSource(k chunk) {
	for i := 0; i < len(k.carried); {
		j := i + 1
		for j < len(k.carried) && k.carried[j].Off-k.carried[j-1].End() <= joinGap {
			j++
		}
		from, to := k.carried[i].Off, k.carried[j-1].End()
		if n, _ := w.c.src.R.ReadAt(w.src[from-k.off:to-k.off], from); int64(n) < to-from {
			for _, r := range k.carried[i:j] {
				w.readParts(r, k.off)
			}
		}
		i = j
	}
}

// readParts reads a range of the source again, in small parts, to find what
// cannot be read.
func (w *worker) readParts(r Range, base int64) {
	for at := r.Off; at < r.End(); {
		end := min(r.End(), at+sectorSize-at%sectorSize)
		n, err := w.c.src.R.ReadAt(w.src[at-base:end-base], at)
		if int64(n) < end-at {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			k := len(w.bad) - 1
			if k >= 0 && w.bad[k].End() == at {
				w.bad[k].Len += end - at // part of the run that was reported
			} else {
				w.bad = append(w.bad, Range{at, end - at})
				w.found = append(w.found, Problem{Severity: decoder.Unknown, Offset: at, What: fmt.Sprintf("source: cannot be read from byte %d on: %v", at, err)})
			}
		}
		at = end
	}
}

// equal compares a carried range.
func (w *worker) equal(img, src []byte, off int64) {
	if bytes.Equal(img, src) {
		return
	}
	if d := w.differ(img, src, off); d.n > 0 {
		w.fail(off+int64(d.first), int64(d.last-d.first)+1, "differs from the source: %#02x instead of %#02x; %d bytes differ up to %d", img[d.first], src[d.first], d.n, off+int64(d.last))
	}
}

// zero checks a range that is not carried.
func (w *worker) zero(img []byte, off int64) {
	if allZero(img) {
		return
	}
	first, last, n := -1, 0, 0
	for i, c := range img {
		if c != 0 {
			if first < 0 {
				first = i
			}
			last, n = i, n+1
		}
	}
	w.fail(off+int64(first), int64(last-first)+1, "is %#02x where the source carries nothing and zeros belong; %d bytes are not zero up to %d", img[first], n, off+int64(last))
}

// difference is where two ranges of bytes differ: the first and the last of n bytes.
type difference struct{ first, last, n int }

// differ compares block by block. Blocks that were written on the source are counted as
// moved.
func (w *worker) differ(img, src []byte, off int64) (d difference) {
	for at := 0; at < len(img); {
		end := min(len(img), at+sectorSize-int((off+int64(at))%sectorSize))
		if !bytes.Equal(img[at:end], src[at:end]) && !w.written(Range{off + int64(at), int64(end - at)}) {
			for i := at; i < end; i++ {
				if img[i] != src[i] {
					if d.n == 0 {
						d.first = i
					}
					d.last, d.n = i, d.n+1
				}
			}
		}
		at = end
	}
	return d
}

// written says whether a block that differs was written since.
func (w *worker) written(r Range) bool {
	m := w.c.src.Moving
	if m == nil {
		return false
	}
	yes, err := m.Written(r)
	if err != nil {
		w.found = append(w.found, Problem{Severity: decoder.Unknown, Offset: r.Off, What: fmt.Sprintf("whether %d bytes that differ were written on the source cannot be found out: %v", r.Len, err)})
	} else if yes {
		w.moved += r.Len
	}
	return yes || err != nil
}

// allZero compares b with itself, moved by one byte: bytes.Equal is the fastest
// comparison there is.
func allZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
