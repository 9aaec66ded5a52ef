package layout

import "io"

// Source is the device range behind a span: for Data the bytes themselves, for
// Packed the whole range that the bytes are a function of. n is 0 for the
// others.
func (s Span) Source() (off, n int64) {
	switch s.Kind {
	case Data:
		return s.Dev, s.Len
	case Packed:
		if s.seg.Rec.parts(s.rec)[s.part].needsDevice() {
			return s.Dev, s.seg.Rec.Unit
		}
	}
	return 0, 0
}

// Sum computes a Sum span's bytes from all of the view.
func (s Span) Sum(view io.ReaderAt) ([]byte, error) {
	b, err := s.seg.Watch(view).Sum()
	if err != nil {
		return nil, err
	}
	return b[s.inner : s.inner+s.Len], nil
}

// Compute writes a Zero, Meta or Packed span's bytes to p, which is Len bytes
// long. src is what the device has at Source; it is looked at for Packed only.
// It serves what shows or checks a file piece by piece; [Reader] is what reads
// it. The error is that of Pack.
func (s Span) Compute(p, src []byte) error {
	switch {
	case s.Kind == Packed:
		part := &s.seg.Rec.parts(s.rec)[s.part]
		if part.Kept != nil {
			return part.Kept(p, s.inner)
		}
		whole := make([]byte, part.Len)
		if err := part.Pack(whole, src); err != nil {
			return err
		}
		copy(p, whole[s.inner:])
	case s.Kind == Meta && s.seg.Rec != nil:
		s.seg.Rec.parts(s.rec)[s.part].Fill(p, s.rec, s.inner)
	case s.Kind == Meta:
		s.seg.Fill(p, s.inner)
	default:
		clear(p)
	}
	return nil
}
