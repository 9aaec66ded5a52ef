// Package gzip checks and decodes gzip files for verify: RFC 1952 around RFC 1951.
//
// All of a file is either checked or means nothing to anybody: the header's fields,
// the blocks, each member's checksum and length, and that nothing follows. The
// inflater is written here because a decoder that cannot say where its blocks begin
// can only begin at the front; every member's CRC-32 says whether it is right.
package gzip

import (
	"context"
	"errors"
	"fmt"
	"io"

	"migimg/verify/decoder"
	"migimg/verify/unpack"
)

// Open checks a file, adds what is wrong to ps, and opens what it holds: all members,
// one after the other, as one disk. That reads the file once from front to back, in
// the memory of package unpack. The disk is nil where the stream is damaged so that it
// cannot be unpacked to its end; a problem then says why. The string sums the file up
// for people. The error is that of a cancelled context.
func Open(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	r := newReader(f, 0)
	r.ps = ps
	d, err := unpack.Index(ctx, r, func(p unpack.Point) unpack.Decoder { return restart(f, p) })
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case err != nil:
		at, _ := r.in.offset()
		ps.Err(at, fmt.Sprintf("gzip: after %d unpacked bytes", r.out), err)
		return nil, "", nil
	}
	if r.members > 1 {
		ps.Warnf(-1, "gzip: %d members: some readers stop after the first", r.members)
	}
	return d, fmt.Sprintf("gzip, %d bytes of %d", d.Size(), f.Size), nil
}

// Head gives the first n unpacked bytes, at most 64 KiB, or as many as there are.
func Head(f decoder.File, n int) (head []byte) {
	r := newReader(f, 0)
	for len(head) < n {
		p, err := r.Next()
		if err != nil {
			break
		}
		head = append(head, p.Bytes...)
		head = append(head, make([]byte, min(p.Zeros, int64(n)))...)
	}
	return head[:min(n, len(head))]
}

// reader decodes the members one after the other.
type reader struct {
	in   *input
	z    inflater
	ps   *decoder.Problems // nil: checked before
	open bool              // within a member
	end  bool

	members int64
	out     int64  // bytes of all members
	size    int64  // of this one
	crc     uint32 // of this one's bytes
	run     zeroRun
}

// state is where in a member a reader can begin: after so many bits of a byte, with a
// window before it; zeros is how many zeros that has where it has nothing else.
type state struct {
	bits   uint
	window []byte
	zeros  int
}

func newReader(f decoder.File, at int64) *reader {
	r := &reader{in: newInput(f, at)}
	r.z.in = r.in
	return r
}

// restart makes a reader of what was checked before.
func restart(f decoder.File, p unpack.Point) unpack.Decoder {
	r := newReader(f, p.In)
	if s, ok := p.State.(state); ok {
		r.open = true
		if s.bits > 0 {
			if _, err := r.in.take(s.bits); err != nil {
				return failed{err}
			}
		}
		window := s.window
		if window == nil {
			window = make([]byte, s.zeros)
		}
		r.z.reset(window)
		r.run.begin(r)
	}
	return r
}

type failed struct{ error }

func (f failed) Next() (unpack.Piece, error) { return unpack.Piece{}, f.error }
func (failed) Point() (unpack.Point, bool)   { return unpack.Point{}, false }

// Next implements unpack.Decoder.
func (r *reader) Next() (unpack.Piece, error) {
	for !r.end {
		if !r.open {
			if err := r.begin(); err != nil {
				return unpack.Piece{}, err
			}
			continue
		}
		if n := r.run.skip(r); n > 0 {
			r.out, r.size = r.out+n, r.size+n
			return unpack.Piece{Zeros: n}, nil
		}
		b, done, err := r.z.next()
		if err != nil {
			return unpack.Piece{}, fmt.Errorf("deflate: %w", err)
		}
		r.out, r.size = r.out+int64(len(b)), r.size+int64(len(b))
		if r.ps != nil {
			r.crc = update(r.crc, b)
		}
		r.run.add(r, b)
		if done {
			if err := r.finish(); err != nil {
				return unpack.Piece{}, err
			}
		}
		if len(b) > 0 {
			return unpack.Piece{Bytes: b}, nil
		}
	}
	return unpack.Piece{}, io.EOF
}

// begin reads the header of the next member; where none follows it is the end.
func (r *reader) begin() error {
	at, _ := r.in.offset()
	if over := r.in.f.Size - at; r.members > 0 && over == 0 {
		r.end = true
		return nil
	} else if r.members > 0 && string(r.in.next(len(Magic))) != Magic {
		if r.in.err != nil {
			return r.in.err
		}
		if r.ps != nil {
			r.ps.Failf(at, "gzip: %d bytes after the last member", over)
		}
		r.end = true
		return nil
	}
	if err := header(r.in, r.ps); err != nil {
		return err
	}
	r.members++
	r.open, r.crc, r.size = true, 0, 0
	r.z.odd = nil
	if r.ps != nil {
		r.z.odd = r.odd
	}
	r.z.reset(nil)
	r.run.begin(r)
	return nil
}

// odd is told of bits that mean nothing.
func (r *reader) odd(what string) {
	at, _ := r.in.offset()
	r.ps.Warnf(at, "gzip: deflate: %s", what)
}

// finish reads what ends a member.
func (r *reader) finish() error {
	if r.in.align() != 0 && r.ps != nil {
		r.odd("bits after the last block are not 0")
	}
	r.open = false
	err := trailer(r.in, r.crc, r.size, r.ps)
	if errors.Is(err, errEnds) {
		return fmt.Errorf("%w: a short copy", err)
	}
	return err
}

// Point implements unpack.Decoder.
func (r *reader) Point() (unpack.Point, bool) {
	at, bits := r.in.offset()
	switch {
	case !r.open:
		return unpack.Point{In: at}, !r.end
	case r.z.kind != between || r.z.last:
		return unpack.Point{}, false
	}
	s := state{bits: bits, window: r.z.window()}
	if allZero(s.window) {
		s.zeros, s.window = len(s.window), nil
	}
	return unpack.Point{In: at, State: s, Cost: int64(len(s.window))}, true
}
