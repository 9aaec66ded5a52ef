package zstd

import (
	"errors"
	"io"

	"migimg/verify/decoder"
)

var errEnds = errors.New("the file ends in the middle of it: a short copy")

const sourceSize = 256 << 10

// source reads the file from front to back.
type source struct {
	f   decoder.File
	at  int64 // file offset of buf
	buf []byte
	pos int
}

func newSource(f decoder.File, at int64) *source {
	return &source{f: f, at: at, buf: make([]byte, 0, sourceSize)}
}

func (s *source) offset() int64 { return s.at + int64(s.pos) }
func (s *source) left() int64   { return s.f.Size - s.offset() }

// seek goes on at a file offset.
func (s *source) seek(at int64) {
	if in := at - s.at; in >= 0 && in <= int64(len(s.buf)) {
		s.pos = int(in)
		return
	}
	s.at, s.pos, s.buf = at, 0, s.buf[:0]
}

// peek gives n bytes, at most as many as the buffer has, without taking them; fewer at
// the file's end. They are valid until the next call.
func (s *source) peek(n int) ([]byte, error) {
	if len(s.buf)-s.pos < n && s.at+int64(len(s.buf)) < s.f.Size {
		at := s.offset()
		k := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
		s.at, s.pos = at, 0
		s.buf = s.buf[:min(int64(cap(s.buf)), s.f.Size-at)]
		if m, err := s.f.ReadAt(s.buf[k:], at+int64(k)); err != nil {
			s.buf = s.buf[:k+m]
			if len(s.buf) < n {
				return s.buf, err
			}
		}
	}
	return s.buf[s.pos:min(len(s.buf), s.pos+n)], nil
}

// take gives the next n bytes; errEnds where the file has fewer.
func (s *source) take(n int) ([]byte, error) {
	b, err := s.peek(n)
	if err == nil && len(b) < n {
		err = errEnds
	}
	s.pos += len(b)
	return b, err
}

// frameReader gives the bytes of one frame and no others to a decoder, and checks the
// heads of its blocks on the way.
type frameReader struct {
	s    *source
	h    *header
	part int // bytes to hand out before the next head
	last bool
	done bool
	sum  []byte // the frame's last 4 bytes, if it has a checksum
	err  error  // what is wrong with it
}

// newFrameReader begins with the frame's header, which is next.
func newFrameReader(s *source, h *header) *frameReader {
	return &frameReader{s: s, h: h, part: h.length}
}

func (r *frameReader) Read(p []byte) (int, error) {
	if r.err == nil && r.part == 0 {
		r.err = r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	if r.done && r.part == 0 {
		return 0, io.EOF
	}
	b, err := r.s.take(min(len(p), r.part))
	if err != nil {
		r.err = err
		return 0, err
	}
	if r.done {
		r.sum = append(r.sum, b...)
	}
	r.part -= len(b)
	return copy(p, b), nil
}

// next finds out how long the next part is: a block with its head, or the checksum.
func (r *frameReader) next() error {
	if r.last {
		if !r.done && r.h.summed {
			r.part = 4
		}
		r.done = true
		return nil
	}
	b, err := r.s.peek(3)
	if err != nil {
		return err
	}
	if len(b) < 3 {
		return errEnds
	}
	head := headOf(b)
	if err := head.check(r.h); err != nil {
		return err
	}
	r.part, r.last = 3+head.inFile(), head.last()
	return nil
}
