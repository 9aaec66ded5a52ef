package blockmap

import (
	"fmt"
	"io"
)

// joinGap is how much free space may lie between two carried ranges for both to
// be read at once: what is read in vain costs less than another request.
const joinGap = 64 << 10

// NewView is the lowest layer of what readers see as the device: carried
// sectors are read from dev, everything else, also beyond the device's end, is
// zeros. An error of dev is returned with the bytes before it, and only where a
// carried sector could not be read: free space is never the reason of an error.
func NewView(dev io.ReaderAt, m *Map) io.ReaderAt {
	v := &view{dev: dev, joined: dev.ReadAt, m: m}
	if s, ok := dev.(Speculative); ok {
		v.joined = s.ReadSpeculative
	}
	return v
}

// Speculative is what a layer may have that keeps account of reads that fail. A
// view joins carried ranges with the free space between them into one read; if
// that fails, perhaps only for the free space, it reads the ranges one by one
// with ReadAt.
type Speculative interface {
	// ReadSpeculative is ReadAt for bytes that may not be needed: a failure is
	// nothing that anybody will be told of.
	ReadSpeculative(p []byte, off int64) (int, error)
}

// Layer is a layer under a view that keeps account of reads that fail.
type Layer interface {
	io.ReaderAt
	Speculative
}

type view struct {
	dev    io.ReaderAt
	joined func(p []byte, off int64) (int, error)
	m      *Map
}

func (v *view) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at %d: a negative offset", off)
	}
	end := off + int64(len(p))
	at := off // all before it is done
	var run Range
	var parts []Range
	flush := func() error {
		if run.Len == 0 {
			return nil
		}
		clear(p[at-off : run.Off-off])
		buf := p[run.Off-off : run.End()-off]
		if len(parts) == 1 {
			if n, err := v.dev.ReadAt(buf, run.Off); n < len(buf) {
				at = run.Off + int64(n)
				return orEOF(err)
			}
		} else if n, _ := v.joined(buf, run.Off); n == len(buf) {
			clearGaps(buf, run.Off, parts)
		} else if bad, err := v.readParts(buf, run.Off, parts); err != nil {
			at = bad
			return err
		}
		at = run.End()
		run, parts = Range{}, parts[:0]
		return nil
	}
	for r := range v.m.Ranges(off, end-off) {
		if run.Len > 0 && r.Off-run.End() > joinGap {
			if err := flush(); err != nil {
				return int(at - off), err
			}
		}
		if run.Len == 0 {
			run.Off = r.Off
		}
		run.Len = r.End() - run.Off
		parts = append(parts, r)
	}
	if err := flush(); err != nil {
		return int(at - off), err
	}
	clear(p[at-off:])
	return len(p), nil
}

// clearGaps zeroes what lies between the parts.
func clearGaps(buf []byte, base int64, parts []Range) {
	at := base
	for _, r := range parts {
		clear(buf[at-base : r.Off-base])
		at = r.End()
	}
}

// readParts reads the parts one by one after reading them at once failed. Its
// error comes with the place of the first byte that could not be read.
func (v *view) readParts(buf []byte, base int64, parts []Range) (int64, error) {
	clearGaps(buf, base, parts)
	for _, r := range parts {
		n, err := v.dev.ReadAt(buf[r.Off-base:r.End()-base], r.Off)
		if int64(n) < r.Len {
			return r.Off + int64(n), orEOF(err)
		}
	}
	return 0, nil
}
