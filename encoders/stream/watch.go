package stream

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"iter"
	"slices"
	"sync"

	"migimg/encoders/layout"
)

const (
	// mostNoted bounds the memory of a watcher: further pieces are not noted, and read
	// again at the end.
	mostNoted = 1 << 14
	// summing is how much is read at a time at the end, in bytes.
	summing = 1 << 20
)

// watcher is a view that keeps the checksums of what is read through it. It computes
// what ends a gzip member: the CRC-32 of the bytes that it holds, and their number
// (RFC 1952, 2.3.1).
type watcher struct {
	view io.ReaderAt
	of   *layout.Layout // what the member holds

	mu    sync.Mutex
	noted []noted // ascending, apart
	sum   []byte  // once it is known
}

// noted is the CRC-32 of the disk's bytes [from, to).
type noted struct {
	from, to int64
	crc      uint32
}

// ReadAt reads the view.
func (w *watcher) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.view.ReadAt(p, off)
	if n > 0 {
		w.note(noted{off, off + int64(n), crc32.ChecksumIEEE(p[:n])})
	}
	return n, err
}

// note keeps a piece. What was read before, all or some of it, is let go: readers
// that read twice are none that go from front to back.
func (w *watcher) note(x noted) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.noted, x.from, func(n noted, from int64) int {
		if n.to <= from {
			return -1
		}
		return 1
	})
	if i < len(w.noted) && w.noted[i].from < x.to {
		return
	}
	before := i > 0 && w.noted[i-1].to == x.from
	if before {
		w.noted[i-1].crc = joined(w.noted[i-1].crc, x.crc, x.to-x.from)
		w.noted[i-1].to = x.to
		i--
	} else if len(w.noted) < mostNoted {
		w.noted = slices.Insert(w.noted, i, x)
	} else {
		return
	}
	if next := i + 1; next < len(w.noted) && w.noted[next].from == w.noted[i].to {
		w.noted[i].crc = joined(w.noted[i].crc, w.noted[next].crc, w.noted[next].to-w.noted[next].from)
		w.noted[i].to = w.noted[next].to
		w.noted = slices.Delete(w.noted, next, next+1)
	}
}

// Sum implements layout.Watcher.
func (w *watcher) Sum() ([]byte, error) {
	w.mu.Lock()
	known, pieces := w.sum, slices.Clone(w.noted)
	w.mu.Unlock()
	if known != nil {
		return known, nil
	}
	crc := uint32(0)
	buf := make([]byte, summing)
	for r := range runs(w.of) {
		for off := int64(0); off < r.Len; {
			sum, n, err := w.piece(r, off, buf, pieces)
			if err != nil {
				return nil, err
			}
			crc = joined(crc, sum, n)
			off += n
		}
	}
	sum := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, crc), uint32(w.of.Size()))
	w.mu.Lock()
	w.sum = sum
	w.mu.Unlock()
	return sum, nil
}

// runs are the layout's spans; those of data that are together in the file and on the
// disk are one.
func runs(l *layout.Layout) iter.Seq[layout.Span] {
	return func(yield func(layout.Span) bool) {
		var r layout.Span
		for s := range l.Spans(0, l.Size()) {
			if r.Len > 0 && r.Kind == layout.Data && s.Kind == layout.Data && r.Dev+r.Len == s.Dev {
				r.Len += s.Len
				continue
			}
			if r.Len > 0 && !yield(r) {
				return
			}
			r = s
		}
		if r.Len > 0 {
			yield(r)
		}
	}
}

// piece is the checksum of the next n bytes, at least 1, of a span from off on.
func (w *watcher) piece(s layout.Span, off int64, buf []byte, pieces []noted) (crc uint32, n int64, err error) {
	n = s.Len - off
	switch s.Kind {
	case layout.Zero:
		return zeroSum(n), n, nil
	case layout.Data:
		from := s.Dev + off
		i, _ := slices.BinarySearchFunc(pieces, from, func(n noted, from int64) int {
			if n.to <= from {
				return -1
			}
			return 1
		})
		if i < len(pieces) {
			if p := pieces[i]; p.from == from && p.to <= from+n {
				return p.crc, p.to - p.from, nil
			} else if p.from > from {
				n = min(n, p.from-from)
			}
		}
		n = min(n, int64(len(buf)))
		if m, err := w.view.ReadAt(buf[:n], from); int64(m) < n {
			return 0, 0, err
		}
	default:
		whole := make([]byte, s.Len)
		if err := s.Compute(whole, nil); err != nil {
			return 0, 0, err
		}
		return crc32.ChecksumIEEE(whole[off:]), n, nil
	}
	return crc32.ChecksumIEEE(buf[:n]), n, nil
}
