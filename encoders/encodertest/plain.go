package encodertest

import (
	"fmt"
	"io"

	"migimg/encoders/layout"
)

// Plain reads a planned file the slow and plain way: span by span, each on its
// own. It shares nothing with [layout.Reader] but the plan, and is what the
// Reader is compared with.
func Plain(l *layout.Layout, view io.ReaderAt) io.ReaderAt { return plain{l, view} }

type plain struct {
	l    *layout.Layout
	view io.ReaderAt
}

func (r plain) ReadAt(p []byte, off int64) (int, error) {
	at := off
	for s := range r.l.Spans(off, int64(len(p))) {
		if s.Off != at {
			return int(at - off), fmt.Errorf("span %q begins at %d, not at %d", s.Name, s.Off, at)
		}
		if err := r.span(s, p[at-off:at-off+s.Len]); err != nil {
			return int(at - off), err
		}
		at += s.Len
	}
	if n := int(at - off); n < len(p) {
		return n, io.EOF
	}
	return len(p), nil
}

func (r plain) span(s layout.Span, p []byte) error {
	dev, n := s.Source()
	src := make([]byte, n)
	if n > 0 {
		if _, err := r.view.ReadAt(src, dev); err != nil {
			return fmt.Errorf("span %q at %d: %w", s.Name, s.Off, err)
		}
	}
	switch s.Kind {
	case layout.Data:
		copy(p, src)
		return nil
	case layout.Sum:
		b, err := s.Sum(r.view)
		copy(p, b)
		return err
	}
	return s.Compute(p, src)
}
