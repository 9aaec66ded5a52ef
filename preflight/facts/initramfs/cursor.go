package initramfs

import (
	"errors"
	"io"
)

// cursor reads a ReaderAt from front to back and always knows which byte comes
// next: decompressors that implement io.ByteReader's contract leave it exactly
// behind their stream, where the next segment begins.
type cursor struct {
	r    io.ReaderAt
	size int64
	off  int64 // of buf[0]
	buf  []byte
	i, n int // what is unread is buf[i:n]
	err  error
}

const cursorBuffer = 64 << 10

func newCursor(r io.ReaderAt, size int64) *cursor {
	return &cursor{r: r, size: max(size, 0), buf: make([]byte, cursorBuffer)}
}

// Pos is the offset of the next byte.
func (c *cursor) Pos() int64 { return c.off + int64(c.i) }

// Left is how many bytes follow.
func (c *cursor) Left() int64 { return c.size - c.Pos() }

// SeekTo makes off the next byte; beyond the end is the end.
func (c *cursor) SeekTo(off int64) {
	off = min(max(off, 0), c.size)
	if off >= c.off && off <= c.off+int64(c.n) {
		c.i = int(off - c.off)
		return
	}
	c.off, c.i, c.n = off, 0, 0
}

// fill makes at least one byte available, or answers why there is none.
func (c *cursor) fill() error {
	if c.i < c.n {
		return nil
	}
	if c.err != nil {
		return c.err
	}
	c.off, c.i, c.n = c.Pos(), 0, 0
	want := min(int64(len(c.buf)), c.size-c.off)
	if want <= 0 {
		return io.EOF
	}
	n, err := c.r.ReadAt(c.buf[:want], c.off)
	c.n = min(max(n, 0), int(want))
	if c.n > 0 {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		// The file is shorter than its size said: it was truncated meanwhile.
		err = io.ErrUnexpectedEOF
	}
	c.err = err
	return err
}

func (c *cursor) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.fill(); err != nil {
		return 0, err
	}
	n := copy(p, c.buf[c.i:c.n])
	c.i += n
	return n, nil
}

func (c *cursor) ReadByte() (byte, error) {
	if c.i >= c.n {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	b := c.buf[c.i]
	c.i++
	return b, nil
}

// Skip passes over n bytes without reading them.
func (c *cursor) Skip(n int64) error {
	if n < 0 || n > c.Left() {
		c.SeekTo(c.size)
		return io.ErrUnexpectedEOF
	}
	c.SeekTo(c.Pos() + n)
	return nil
}

// Peek is the next n bytes, or what is left of them; n is small.
func (c *cursor) Peek(n int) []byte {
	pos := c.Pos()
	p := make([]byte, n)
	k, _ := io.ReadFull(c, p)
	c.SeekTo(pos)
	return p[:k]
}
