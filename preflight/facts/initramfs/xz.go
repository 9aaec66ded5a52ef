package initramfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/therootcompany/xz"
)

// xzStream reads one stream of the .xz format ("The .xz File Format", 1.2.1).
// The library reads on behind the stream; where it ends is told by its footer,
// which lies in what was handed over last.
//
// Stream Header (12): magic, flags (2), CRC32 of the flags
// Stream Footer (12): CRC32 of the next six, backward size, flags, "YZ"
type xzStream struct {
	z           *xz.Reader
	in          *cursor
	start, last int64 // of the stream, of the last piece handed over
	flags       [2]byte
}

const (
	xzHeader = 12
	xzPiece  = 4096
)

// The checks that the kernel computes for an initramfs: none and CRC32
// (Documentation/staging/xz.rst).
const xzCheckMax = 1

func (k *codecs) openXZ(in *cursor) (codec, error) {
	head := in.Peek(xzHeader)
	if len(head) < xzHeader {
		return nil, io.ErrUnexpectedEOF
	}
	x := &xzStream{in: in, start: in.Pos(), flags: [2]byte(head[6:8])}
	if k.xz == nil {
		z, err := xz.NewReader(x.pieces(), maxDict)
		if err != nil {
			return nil, noEOF(err)
		}
		k.xz = z
	} else if err := k.xz.Reset(x.pieces()); err != nil {
		return nil, noEOF(err)
	}
	k.xz.Multistream(false)
	x.z = k.xz
	return x, nil
}

func (x *xzStream) Read(p []byte) (int, error) { return x.z.Read(p) }

// odd says that the kernel does not read the stream, and why.
func (x *xzStream) odd() string {
	if x.flags[1]&15 > xzCheckMax {
		return "its check is not CRC32, and the kernel does not read that; rebuild it with xz --check=crc32"
	}
	return ""
}

// pieces hands the stream over in small parts and remembers the last one.
func (x *xzStream) pieces() io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		x.last = x.in.Pos()
		return x.in.Read(p[:min(len(p), xzPiece)])
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// end finds the footer. A stream's length is a multiple of four.
func (x *xzStream) end() error {
	stop := x.in.Pos()
	first := max(x.last-xzHeader, x.start)
	first += -(first - x.start) & 3
	for at := first; at+xzHeader <= stop; at += 4 {
		x.in.SeekTo(at)
		f := x.in.Peek(xzHeader)
		if len(f) == xzHeader && string(f[10:]) == "YZ" && [2]byte(f[8:10]) == x.flags &&
			crc32.ChecksumIEEE(f[4:10]) == binary.LittleEndian.Uint32(f) && x.index(at, f) {
			x.in.SeekTo(at + xzHeader)
			return nil
		}
	}
	return errors.New("the xz stream's footer is not found")
}

// index says whether an index ends at off, as long as the footer says: a NUL,
// records, and a CRC32 of both.
func (x *xzStream) index(off int64, footer []byte) bool {
	size := (int64(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
	if size < 8 || size > 1<<20 || size > off-x.start-xzHeader {
		return false
	}
	b := make([]byte, size)
	x.in.SeekTo(off - size)
	if _, err := io.ReadFull(x.in, b); err != nil {
		return false
	}
	return b[0] == 0 && crc32.ChecksumIEEE(b[:size-4]) == binary.LittleEndian.Uint32(b[size-4:])
}

// noEOF tells an end within a stream from one behind it.
func noEOF(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, xz.ErrMemlimit):
		return fmt.Errorf("%w of %d MiB", err, maxDict>>20)
	}
	return err
}
