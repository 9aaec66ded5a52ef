package layout

// Extent is how many bytes from file offset off on are alike, at least 1, and
// whether they are data or a hole, as lseek(2) means it. off must lie inside
// the file. The zeros inside a record count as data: holes of a few bytes serve
// nobody, and millions of records need not be walked.
func (l *Layout) Extent(off int64) (n int64, data bool) {
	for i := l.find(off); i < len(l.segs); i++ {
		s := &l.segs[i]
		for inner := off + n - l.offs[i]; inner < s.Len; {
			m, d := s.extent(inner)
			if n > 0 && d != data {
				return n, data
			}
			data = d
			n += m
			inner += m
		}
	}
	return n, data
}

// extent is Extent within a segment.
func (s *Segment) extent(inner int64) (n int64, data bool) {
	if s.Extent != nil {
		n, data = s.Extent(inner)
		return min(n, s.Len-inner), data
	}
	return s.Len - inner, s.Rec != nil || s.Kind != Zero
}

// Allocated is how many bytes of the file are not holes.
func (l *Layout) Allocated() (n int64) {
	for i := range l.segs {
		switch s := &l.segs[i]; {
		case s.Extent != nil:
			n += s.Alloc
		case s.Rec != nil || s.Kind != Zero:
			n += s.Len
		}
	}
	return n
}
