// Package zstd checks and decodes zstd files for verify: RFC 8878.
//
// What frames and blocks say of themselves is checked here, and blocks that hold bytes
// as they are, or one byte many times, are read here. Frames with compressed blocks
// are decoded by klauspost/compress; their length and checksum are checked here again.
package zstd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"migimg/verify/decoder"
	"migimg/verify/unpack"
)

// Open checks a file, adds what is wrong to ps, and opens what it holds: all frames,
// one after the other, as one disk. That reads the file once from front to back, in
// the memory of package unpack and at most 64 MiB for a frame's window. The disk is nil
// where the stream cannot be unpacked to its end; a problem then says why. The string
// sums the file up for people. The error is that of a cancelled context.
//
// Decoding can begin again where a frame begins: reading backwards in a file that is
// one frame costs decoding it from its start.
func Open(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	r := newReader(f, 0)
	r.ps = ps
	d, err := unpack.Index(ctx, r, func(p unpack.Point) unpack.Decoder { return newReader(f, p.In) })
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case errors.Is(err, errWindow):
		ps.Unknownf(r.s.offset(), "zstd: %v", err)
		return nil, "", nil
	case err != nil:
		ps.Err(r.s.offset(), fmt.Sprintf("zstd: after %d unpacked bytes", r.out), err)
		return nil, "", nil
	}
	return d, fmt.Sprintf("zstd, %d frames, %d bytes of %d", r.frames, d.Size(), f.Size), nil
}

var errWindow = errors.New("the frame's window is too large for this check")

// reader decodes the frames one after the other.
type reader struct {
	s  *source
	ps *decoder.Problems // nil: checked before

	open   bool // within a frame
	h      header
	start  int64 // file offset of the frame
	last   bool  // its last block was read
	size   uint64
	sum    *xxhash.Digest // of its content; nil where it has none or was checked before
	frames int64
	out    int64

	packed *frameReader // nil: blocks are read here
	dec    *zstd.Decoder
	buf    []byte
}

func newReader(f decoder.File, at int64) *reader { return &reader{s: newSource(f, at)} }

// Next implements unpack.Decoder.
func (r *reader) Next() (unpack.Piece, error) {
	for {
		p, err := r.some()
		n := int64(len(p.Bytes)) + p.Zeros
		if err == nil && n == 0 {
			continue
		}
		if r.out += n; r.ps != nil {
			r.add(p)
		}
		if r.size += uint64(n); err == nil && r.h.sized && r.size > r.h.size {
			err = fmt.Errorf("a frame with more than the %d bytes that its header says", r.h.size)
		}
		return p, err
	}
}

// some gives the next piece, which may be empty.
func (r *reader) some() (unpack.Piece, error) {
	switch {
	case !r.open:
		return unpack.Piece{}, r.begin()
	case r.packed != nil:
		return r.unpack()
	case r.last:
		return unpack.Piece{}, r.finish()
	}
	return r.block()
}

// Point implements unpack.Decoder.
func (r *reader) Point() (unpack.Point, bool) {
	if r.open && r.packed == nil && r.last && !r.h.summed && (!r.h.sized || r.size == r.h.size) {
		return unpack.Point{In: r.s.offset()}, true // the frame's end has nothing more
	}
	return unpack.Point{In: r.s.offset()}, !r.open
}

// begin reads the header of the next frame.
func (r *reader) begin() error {
	at := r.s.offset()
	if r.s.left() == 0 && r.frames > 0 {
		return io.EOF
	}
	b, err := r.s.peek(maxHeader)
	if err != nil {
		return err
	}
	if len(b) < 4 {
		return r.garbage(at, errEnds)
	}
	switch m := binary.LittleEndian.Uint32(b); {
	case m&skippableMask == skippable:
		return r.skip(b)
	case m != magic:
		return r.garbage(at, fmt.Errorf("begins with %x, not with %x", b[:4], Magic))
	}
	if r.h, err = parse(b); err != nil {
		return err
	}
	if r.ps != nil {
		r.h.odd(at, r.ps)
	}
	r.sum = nil
	if r.h.summed && r.ps != nil {
		r.sum = xxhash.New()
	}
	r.open, r.start, r.last, r.size = true, at, false, 0
	r.frames++
	_, err = r.s.take(r.h.length)
	return err
}

// garbage is what follows the last frame: the disk can be read all the same.
func (r *reader) garbage(at int64, err error) error {
	if r.frames == 0 {
		return err
	}
	if r.ps != nil {
		r.ps.Failf(at, "zstd: %d bytes after the last frame", r.s.left())
	}
	return io.EOF
}

// skip passes over a frame that holds nothing of the disk.
func (r *reader) skip(b []byte) error {
	at := r.s.offset()
	if len(b) < 8 {
		return errEnds
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n > r.s.left()-8 {
		return errEnds
	}
	if r.ps != nil {
		r.ps.Warnf(at, "zstd: a frame of %d bytes that is passed over: they are nothing of the disk", n)
	}
	r.s.seek(at + 8 + n)
	r.frames++
	return nil
}

// block reads a block that is not compressed.
func (r *reader) block() (p unpack.Piece, err error) {
	b, err := r.s.take(3)
	if err != nil {
		return p, err
	}
	head := headOf(b)
	if err := head.check(&r.h); err != nil {
		return p, err
	}
	if head.kind() == blockCompressed {
		return p, r.restart()
	}
	r.last = head.last()
	if b, err = r.s.take(head.inFile()); err != nil || head.size() == 0 {
		return p, err
	}
	switch {
	case head.kind() == blockRaw:
		p.Bytes = b
	case b[0] == 0:
		p.Zeros = int64(head.size())
	default:
		c := b[0]
		r.room()
		p.Bytes = r.buf[:head.size()]
		for i := range p.Bytes {
			p.Bytes[i] = c
		}
	}
	return p, nil
}

func (r *reader) room() {
	if r.buf == nil {
		r.buf = make([]byte, maxBlock)
	}
}

// restart hands the whole frame to the other decoder, which needs what came before,
// and drops what was read here.
func (r *reader) restart() error {
	if r.h.window > maxWindow {
		return fmt.Errorf("%w: %d bytes, more than %d", errWindow, r.h.window, maxWindow)
	}
	r.s.seek(r.start)
	r.packed = newFrameReader(r.s, &r.h)
	if r.dec == nil {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.IgnoreChecksum(true))
		if err != nil {
			return err
		}
		r.dec = dec
	}
	if err := r.dec.Reset(r.packed); err != nil {
		return r.why(err)
	}
	_, err := io.CopyN(io.Discard, r.dec, int64(r.size))
	return r.why(err)
}

// why is what is wrong with the frame: what was seen here comes first.
func (r *reader) why(err error) error {
	if err != nil && r.packed.err != nil {
		return r.packed.err
	}
	return err
}

// unpack gives the next bytes of a frame that the other decoder reads.
func (r *reader) unpack() (p unpack.Piece, err error) {
	r.room()
	n, err := io.ReadFull(r.dec, r.buf)
	if n > 0 {
		return unpack.Piece{Bytes: r.buf[:n]}, nil // an error comes again
	}
	if err != io.EOF {
		return p, r.why(err)
	}
	for { // whatever of the frame nobody asked for
		var rest [64]byte
		if _, err := r.packed.Read(rest[:]); err == io.EOF {
			return p, r.finish()
		} else if err != nil {
			return p, err
		}
	}
}

// finish checks the frame's length and its checksum.
func (r *reader) finish() (err error) {
	sum := []byte(nil)
	switch {
	case r.packed != nil:
		sum = r.packed.sum
	case r.h.summed:
		if sum, err = r.s.take(4); err != nil {
			return err
		}
	}
	r.open, r.packed = false, nil
	if r.h.sized && r.size != r.h.size {
		return fmt.Errorf("a frame with %d bytes, and its header says %d", r.size, r.h.size)
	}
	if r.sum != nil {
		if got, want := binary.LittleEndian.Uint32(sum), uint32(r.sum.Sum64()); got != want {
			r.ps.Failf(r.s.offset()-4, "zstd: the checksum is %#08x, that of what was unpacked %#08x", got, want)
		}
	}
	return nil
}

var zeros [64 << 10]byte

// add takes a piece into the checksum.
func (r *reader) add(p unpack.Piece) {
	if r.sum == nil {
		return
	}
	_, _ = r.sum.Write(p.Bytes) // a hash never fails
	for n := p.Zeros; n > 0; n -= int64(len(zeros)) {
		_, _ = r.sum.Write(zeros[:min(n, int64(len(zeros)))])
	}
}
