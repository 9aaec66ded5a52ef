// Package stream plans what wraps a disk for people who send it as one stream: the
// plain disk as gzip or zstd ([Raw]), and in a tar archive as Google Cloud wants it
// ([Tar]).
//
// Nothing of it is compressed unless that is asked for: what is carried is in
// blocks that say "as it is", and what is not is a constant of a few bytes for each
// cluster. So the place of everything is a rank in the map.
package stream

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/flate"

	"migimg/encoders/compress"
	"migimg/encoders/layout"
)

// framing is what a stream is made of.
type framing interface {
	// begin is the stream's first bytes, for one that holds size bytes.
	begin(size int64) []byte
	// literal holds the bytes b.
	literal(b []byte) []byte
	// data are the pieces that hold n bytes of the disk, as they are; these begin off
	// bytes after those of the record.
	data(n int64) []layout.Part
	// zeros holds n bytes of zeros.
	zeros(n int64) []byte
	// end comes last, but for the checksum.
	end() []byte
	// summed says that the CRC-32 of what is held and its length follow.
	summed() bool
	// packing packs units of the disk so that each fits between other pieces.
	packing(m compress.Method, unit int64) compress.Packing
}

// gzipped is one member of RFC 1952, in blocks that each end with a byte.
type gzipped struct{}

// storedMost is how much of the disk a stored block takes: the most that is a
// power of two (RFC 1951, 3.2.4, has 65535).
const storedMost = 32 << 10

// The header has no name, no time and no operating system.
func (gzipped) begin(int64) []byte { return []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff} }

// stored is the head of a block of n bytes that is not the last one.
func stored(n int64) []byte {
	b := []byte{0, 0, 0, 0, 0}
	binary.LittleEndian.PutUint16(b[1:], uint16(n))
	binary.LittleEndian.PutUint16(b[3:], ^uint16(n))
	return b
}

func (gzipped) literal(b []byte) (out []byte) {
	for len(b) > 0 {
		n := min(len(b), storedMost)
		out = append(append(out, stored(int64(n))...), b[:n]...)
		b = b[n:]
	}
	return out
}

func (gzipped) data(n int64) (parts []layout.Part) {
	for off := int64(0); off < n; off += storedMost {
		m := min(n-off, storedMost)
		parts = append(parts, constant("stored block", stored(m)),
			layout.Part{Name: "data", Kind: layout.Data, Len: m, Off: off})
	}
	return parts
}

func (gzipped) zeros(n int64) []byte { return deflated(nil, make([]byte, n)) }
func (gzipped) end() []byte          { return []byte{1, 0, 0, 0xff, 0xff} } // an empty block, the last one
func (gzipped) summed() bool         { return true }

// deflated appends blocks that hold src and end with a byte (an empty stored block
// does that), none of them the last.
func deflated(dst, src []byte) []byte {
	b := bytes.NewBuffer(dst)
	w, err := flate.NewWriter(b, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = w.Write(src) // a buffer never fails
	_ = w.Flush()
	return b.Bytes()
}

func (gzipped) packing(_ compress.Method, unit int64) compress.Packing {
	return compress.Packing{Name: "flushed", Method: compress.Zlib, Unit: unit, Again: true, New: func() compress.Packer {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.DefaultCompression)
		if err != nil {
			panic(err) // the level is a constant
		}
		return func(dst, src []byte) []byte {
			b.Reset()
			w.Reset(&b)
			_, _ = w.Write(src) // a buffer never fails
			_ = w.Flush()
			return append(dst, b.Bytes()...)
		}
	}}
}

// zstandard is a frame of RFC 8878; what is packed is a frame of its own, between two
// others.
type zstandard struct{}

const (
	zstdMagic = 0xfd2fb528
	// A frame's header is a byte of flags, here none: no length, no checksum, and a
	// window, which bounds the blocks; 128 KiB is 10 + 7 bits (3.1.1.1.2).
	zstdWindow = 7 << 3
	zstdMost   = 128 << 10
	blockRaw   = 0 << 1
	blockRLE   = 1 << 1
	blockLast  = 1
)

func frame() []byte {
	return append(binary.LittleEndian.AppendUint32(nil, zstdMagic), 0, zstdWindow)
}

// block is the head of a block of n bytes.
func block(kind, n int64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(kind|n<<3))
	return b[:3]
}

// endFrame is an empty block, the frame's last one.
func endFrame() []byte { return block(blockRaw|blockLast, 0) }

// begin is nothing where frames follow; zstd takes no file without one.
func (zstandard) begin(size int64) []byte {
	if size > 0 {
		return nil
	}
	return append(frame(), endFrame()...)
}

func (zstandard) literal(b []byte) []byte {
	out := frame()
	for len(b) > 0 {
		n := min(len(b), zstdMost)
		out = append(append(out, block(blockRaw, int64(n))...), b[:n]...)
		b = b[n:]
	}
	return append(out, endFrame()...)
}

func (zstandard) data(n int64) []layout.Part {
	parts := []layout.Part{constant("frame header", frame())}
	for off := int64(0); off < n; off += zstdMost {
		m := min(n-off, zstdMost)
		parts = append(parts, constant("raw block", block(blockRaw, m)),
			layout.Part{Name: "data", Kind: layout.Data, Len: m, Off: off})
	}
	return append(parts, constant("last block", endFrame()))
}

func (zstandard) zeros(n int64) []byte {
	out := frame()
	for ; n > 0; n -= zstdMost {
		out = append(append(out, block(blockRLE, min(n, zstdMost))...), 0)
	}
	return append(out, endFrame()...)
}

func (zstandard) end() []byte  { return nil }
func (zstandard) summed() bool { return false }
func (zstandard) packing(m compress.Method, unit int64) compress.Packing {
	return m.Frames(unit)
}

// plain is no stream at all.
type plain struct{}

func (plain) begin(int64) []byte      { return nil }
func (plain) literal(b []byte) []byte { return b }
func (plain) data(n int64) []layout.Part {
	return []layout.Part{{Name: "data", Kind: layout.Data, Len: n}}
}
func (plain) zeros(n int64) []byte                                { return make([]byte, n) }
func (plain) end() []byte                                         { return nil }
func (plain) summed() bool                                        { return false }
func (plain) packing(compress.Method, int64) (p compress.Packing) { return p }

// constant is a part of constant bytes.
func constant(name string, b []byte) layout.Part {
	return layout.Part{Name: name, Kind: layout.Meta, Len: int64(len(b)), Fill: func(p []byte, _, off int64) { copy(p, b[off:]) }}
}

// length is that of some parts together, in bytes.
func length(parts []layout.Part) (n int64) {
	for i := range parts {
		n += parts[i].Len
	}
	return n
}
