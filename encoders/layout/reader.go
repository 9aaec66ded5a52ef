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
func NewReader(l *Layout, view io.ReaderAt) *Reader { return &Reader{l: l, view: view} }

// Reader reads a planned image file. It is safe for concurrent use and keeps
// nothing between reads.
type Reader struct {
	l       *Layout
	view    io.ReaderAt
	scratch sync.Pool // of *[]byte of packBuffer bytes
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

func (rec *Records) packed() bool {
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

// packed reads records that have parts computed from the whole cluster: each
// cluster is read once, as many at a time as lie together on the device.
func (r *Reader) packed(rec *Records, p []byte, off int64) (int, error) {
	buf := r.buffer(rec.Unit)
	defer r.scratch.Put(buf)
	recLen, end := rec.Len(), off+int64(len(p))
	for k := off / recLen; k*recLen < end; {
		if !rec.wants(k, off, end) {
			rec.emit(p, off, k, nil)
			k++
			continue
		}
		n := min(int64(len(*buf))/rec.Unit, (end+recLen-1)/recLen-k)
		if rec.Run != nil {
			n = rec.Run(k, n)
		} else {
			n = 1
		}
		src := (*buf)[:n*rec.Unit]
		if m, err := r.view.ReadAt(src, rec.Device(k)); m < len(src) {
			_ = err // found again, and exactly, record by record
			for last := k + n; k < last; k++ {
				if m, err := r.single(rec, p, off, k, src[:rec.Unit]); err != nil {
					return m, err
				}
			}
			continue
		}
		for last := k + n; k < last; k++ {
			rec.emit(p, off, k, src)
			src = src[rec.Unit:]
		}
	}
	return len(p), nil
}

// wants says whether the file range [off, end) has bytes of record k that come
// from the device: a reader that looks at the framing alone costs no data.
func (rec *Records) wants(k, off, end int64) bool {
	at := k * rec.Len()
	for i := range rec.Parts {
		part := &rec.Parts[i]
		a, b := max(at, off), min(at+part.Len, end)
		at += part.Len
		if a < b && (part.Kind == Data || part.Kind == Packed) {
			return true
		}
	}
	return false
}

// single reads one record after reading a run of them failed. Only what needs
// the unreadable bytes is lost: the data itself and what is packed from it. It
// returns the number of good bytes of p when it fails.
func (r *Reader) single(rec *Records, p []byte, off, k int64, src []byte) (int, error) {
	m, err := full(r.view.ReadAt(src, rec.Device(k)))
	if m == len(src) {
		rec.emit(p, off, k, src)
		return len(p), nil
	}
	at := k * rec.Len()
	for i := range rec.Parts {
		part := &rec.Parts[i]
		a, b := max(at, off), min(at+part.Len, off+int64(len(p)))
		inner := a - at
		at += part.Len
		if a >= b {
			continue
		}
		dst := p[a-off : b-off]
		switch part.Kind {
		case Meta:
			part.Fill(dst, k, inner)
		case Zero:
			clear(dst)
		case Packed:
			return int(a - off), err
		case Data:
			if n, err := full(r.view.ReadAt(dst, rec.Device(k)+part.Off+inner)); n < len(dst) {
				return int(a-off) + n, err
			}
		}
	}
	return len(p), nil
}

// emit writes what record k has in p, which holds the segment's bytes from off.
// src is the record's whole device range.
func (rec *Records) emit(p []byte, off, k int64, src []byte) {
	at, end := k*rec.Len(), off+int64(len(p))
	for i := range rec.Parts {
		part := &rec.Parts[i]
		a, b := max(at, off), min(at+part.Len, end)
		inner := a - at
		at += part.Len
		if a >= b {
			continue
		}
		dst := p[a-off : b-off]
		switch part.Kind {
		case Meta:
			part.Fill(dst, k, inner)
		case Data:
			copy(dst, src[part.Off+inner:])
		case Packed:
			if int64(len(dst)) == part.Len {
				part.Pack(dst, src[:rec.Unit])
				break
			}
			whole := make([]byte, part.Len)
			part.Pack(whole, src[:rec.Unit])
			copy(dst, whole[inner:])
		default:
			clear(dst)
		}
	}
}

// buffer is a scratch buffer of at least one unit.
func (r *Reader) buffer(unit int64) *[]byte {
	if b, ok := r.scratch.Get().(*[]byte); ok && int64(len(*b)) >= unit {
		return b
	}
	b := make([]byte, max(packBuffer, unit))
	return &b
}
