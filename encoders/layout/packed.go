package layout

import "iter"

// packed reads records that have parts computed from the whole cluster: each
// cluster is read once, as many at a time as lie together on the device.
func (r *Reader) packed(rec *Records, p []byte, off int64) (int, error) {
	buf := r.buffer(rec.Unit)
	defer r.scratch.Put(buf)
	end := off + int64(len(p))
	for k := rec.find(off); k < rec.Count && rec.start(k) < end; {
		if !rec.wants(k, off, end) {
			if n, err := rec.emit(p, off, k, nil); err != nil {
				return n, err
			}
			k++
			continue
		}
		n := min(int64(len(*buf))/rec.Unit, rec.find(end-1)+1-k)
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
			if n, err := rec.emit(p, off, k, src); err != nil {
				return n, err
			}
			src = src[rec.Unit:]
		}
	}
	return len(p), nil
}

// wants says whether the file range [off, end) has bytes of record k that come
// from the device: a reader that looks at the framing alone costs no data.
func (rec *Records) wants(k, off, end int64) bool {
	for part := range rec.touched(k, off, end) {
		if part.needsDevice() {
			return true
		}
	}
	return false
}

// piece is the bytes [from, to) of a part that a read wants; the part begins at
// at. All are in bytes of the segment.
type piece struct{ at, from, to int64 }

// touched yields the parts of record k of which [off, end) has something, and what
// it has.
func (rec *Records) touched(k, off, end int64) iter.Seq2[*Part, piece] {
	return func(yield func(*Part, piece) bool) {
		at := rec.start(k)
		parts := rec.parts(k)
		for i := range parts {
			part := &parts[i]
			r := piece{at, max(at, off), min(at+part.Len, end)}
			at += part.Len
			if r.from < r.to && !yield(part, r) {
				return
			}
		}
	}
}

// single reads one record after reading a run of them failed. Only what needs
// the unreadable bytes is lost: the data itself and what is packed from it. It
// returns the number of good bytes of p when it fails.
func (r *Reader) single(rec *Records, p []byte, off, k int64, src []byte) (int, error) {
	m, err := full(r.view.ReadAt(src, rec.Device(k)))
	if m == len(src) {
		if n, err := rec.emit(p, off, k, src); err != nil {
			return n, err
		}
		return len(p), nil
	}
	for part, w := range rec.touched(k, off, off+int64(len(p))) {
		dst := p[w.from-off : w.to-off]
		switch {
		case part.Kind == Meta:
			part.Fill(dst, k, w.from-w.at)
		case part.Kind == Zero:
			clear(dst)
		case part.Kept != nil:
			if err := part.Kept(dst, w.from-w.at); err != nil {
				return int(w.from - off), err
			}
		case part.Kind == Packed:
			return int(w.from - off), err
		case part.Kind == Data:
			if n, err := full(r.view.ReadAt(dst, rec.Device(k)+part.Off+w.from-w.at)); n < len(dst) {
				return int(w.from-off) + n, err
			}
		}
	}
	return len(p), nil
}

// emit writes what record k has in p, which holds the segment's bytes from off.
// src is the record's whole device range. When packing fails, it returns how many
// bytes of p before the record's part are good.
func (rec *Records) emit(p []byte, off, k int64, src []byte) (int, error) {
	for part, w := range rec.touched(k, off, off+int64(len(p))) {
		dst, inner := p[w.from-off:w.to-off], w.from-w.at
		switch {
		case part.Kind == Meta:
			part.Fill(dst, k, inner)
		case part.Kind == Data:
			copy(dst, src[part.Off+inner:])
		case part.Kept != nil:
			if err := part.Kept(dst, inner); err != nil {
				return int(w.from - off), err
			}
		case part.Kind == Packed:
			whole := dst
			if int64(len(dst)) < part.Len {
				whole = make([]byte, part.Len)
			}
			if err := part.Pack(whole, src[:rec.Unit]); err != nil {
				return int(w.from - off), err
			}
			if int64(len(dst)) < part.Len {
				copy(dst, whole[inner:])
			}
		default:
			clear(dst)
		}
	}
	return 0, nil
}

// buffer is a scratch buffer of at least one unit.
func (r *Reader) buffer(unit int64) *[]byte {
	if b, ok := r.scratch.Get().(*[]byte); ok && int64(len(*b)) >= unit {
		return b
	}
	b := make([]byte, max(packBuffer, unit))
	return &b
}
