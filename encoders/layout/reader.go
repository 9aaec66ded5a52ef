package layout

import (
	"io"
	"sync"
)

// packBuffer bounds what is read from the device at once for packed records, in
// bytes.
const packBuffer = 1 << 20

// NewReader is the reader of every format: it computes the file that l
// describes from the device's bytes. The view answers zeros beyond the device's
// end, as [migimg/blockmap.NewView] does, since a format may round a disk up.
func NewReader(l *Layout, view io.ReaderAt) *Reader {
	r := &Reader{l: l, view: view}
	for i := range l.segs {
		if watch := l.segs[i].Watch; watch != nil {
			r.watcher = watch(view)
			r.view = r.watcher
			r.follower, _ = r.watcher.(Follower)
		}
	}
	return r
}

// Reader reads a planned image file. It is safe for concurrent use and keeps
// nothing between reads but what a [Watcher] does.
type Reader struct {
	l        *Layout
	view     io.ReaderAt
	watcher  Watcher   // nil for most
	follower Follower  // the watcher, where it is one
	scratch  sync.Pool // of *[]byte of packBuffer bytes
}

// ReadAt reads len(p) bytes from file offset off, as io.ReaderAt has it. When
// the view fails, the error is the view's, and n says how many bytes before the
// first failing one are good.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	if off > r.l.size {
		return 0, io.EOF
	}
	if int64(len(p)) > r.l.size-off {
		p, err = p[:r.l.size-off], io.EOF
	}
	end := off + int64(len(p))
	for i := r.l.find(off); off+int64(n) < end; i++ {
		s, at := &r.l.segs[i], off+int64(n)
		stop := min(end, r.l.offs[i]+s.Len)
		m, rerr := r.segment(s, p[n:n+int(stop-at)], at-r.l.offs[i])
		if r.follower != nil && s.Kind != Sum {
			r.follower.Served(p[n:n+m], at)
		}
		n += m
		if rerr != nil {
			return n, rerr
		}
	}
	return n, err
}

// segment reads the bytes [off, off+len(p)) of a segment.
func (r *Reader) segment(s *Segment, p []byte, off int64) (int, error) {
	switch {
	case s.Rec != nil && s.Rec.packed():
		return r.packed(s.Rec, p, off)
	case s.Rec != nil:
		return r.plain(s.Rec, p, off)
	case s.Kind == Meta:
		s.Fill(p, off)
	case s.Kind == Sum:
		b, err := r.watcher.Sum()
		if err != nil {
			return 0, err
		}
		copy(p, b[off:])
	case s.Kind == Data:
		return full(r.view.ReadAt(p, s.Dev+off))
	default:
		clear(p)
	}
	return len(p), nil
}

// full is a reader's answer without io.EOF: a view has no end.
func full(n int, err error) (int, error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// packed says that all of a record must be there to compute some of it. Records
// that differ in length are always taken so.
func (rec *Records) packed() bool {
	if rec.Varied != nil {
		return true
	}
	for i := range rec.Parts {
		if rec.Parts[i].Kind == Packed {
			return true
		}
	}
	return false
}

// plain reads records whose data can go straight to where it is wanted. Data
// that is adjacent in the file and on the device is read at once.
func (r *Reader) plain(rec *Records, p []byte, off int64) (int, error) {
	recLen, end := rec.Len(), off+int64(len(p))
	var from, to int64 // a run of data in the segment that is still to be read
	var dev int64      // where it lies on the device
	flush := func() (int, error) {
		m, err := full(r.view.ReadAt(p[from-off:to-off], dev))
		return int(from-off) + m, err
	}
	for k := off / recLen; k*recLen < end; k++ {
		base := int64(-1)
		at := k * recLen
		for i := range rec.Parts {
			part := &rec.Parts[i]
			a, b := max(at, off), min(at+part.Len, end)
			inner := a - at
			at += part.Len
			if a >= b {
				continue
			}
			if part.Kind != Data {
				if part.Kind == Meta {
					part.Fill(p[a-off:b-off], k, inner)
				} else {
					clear(p[a-off : b-off])
				}
				continue
			}
			if base < 0 {
				base = rec.Device(k)
			}
			d := base + part.Off + inner
			if a == to && to > from && dev+(to-from) == d {
				to = b
				continue
			}
			if to > from {
				if n, err := flush(); err != nil {
					return n, err
				}
			}
			from, to, dev = a, b, d
		}
	}
	if to > from {
		if n, err := flush(); err != nil {
			return n, err
		}
	}
	return len(p), nil
}
