package blockmap

import (
	"fmt"
)

// ends is a volume's first and last bytes, read at once.
type ends struct {
	v       Volume
	size    int64
	head    []byte
	tail    []byte
	tailOff int64
}

// Most of what is looked for lies in the first headLen and the last tailLen
// bytes.
const (
	headLen = 132 << 10
	tailLen = 132 << 10
)

func readEnds(v Volume) (*ends, error) {
	e := &ends{v: v, size: v.Size()}
	e.head = make([]byte, min(headLen, e.size))
	if err := e.read(e.head, 0); err != nil {
		return nil, err
	}
	e.tailOff = max(0, e.size-tailLen)
	e.tail = make([]byte, e.size-e.tailOff)
	if e.read(e.tail, e.tailOff) != nil {
		e.tailOff, e.tail = e.size, nil // a bad sector: only what is asked for counts
	}
	return e, nil
}

func (e *ends) read(p []byte, off int64) error {
	err := ReadFull(e.v, p, off)
	if err == nil {
		return nil
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(p), off, err)
}

// bytes is [off, off+n) of the volume, or nil where that leaves it.
func (e *ends) bytes(off, n int64) ([]byte, error) {
	switch {
	case off < 0 || off > e.size-n:
		return nil, nil
	case off+n <= int64(len(e.head)):
		return e.head[off:][:n], nil
	case off >= e.tailOff:
		return e.tail[off-e.tailOff:][:n], nil
	}
	b := make([]byte, n)
	return b, e.read(b, off)
}
