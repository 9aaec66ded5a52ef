package gzip

import (
	"encoding/binary"

	"migimg/verify/decoder"
)

const (
	inputSize = 256 << 10
	// keepBack is how many bytes before the next one stay in the buffer: the bit
	// buffer holds no more, and gives them back.
	keepBack = 8
)

// input reads the file as a stream of bits: deflate fills bytes from their least
// significant bit (RFC 1951, 3.1.1).
type input struct {
	f    decoder.File
	buf  []byte
	at   int64  // file offset of buf
	pos  int    // in buf: the byte that goes into the bit buffer next
	bits uint64 // the next bit is the lowest one
	n    uint   // how many are valid
	err  error  // of the file
}

func newInput(f decoder.File, at int64) *input {
	return &input{f: f, at: at, buf: make([]byte, 0, inputSize)}
}

// more reads on where less than want bytes are left in buf, if the file has them.
func (in *input) more(want int) {
	left := len(in.buf) - in.pos
	end := in.at + int64(len(in.buf))
	if left >= want || in.err != nil || end >= in.f.Size {
		return
	}
	back := min(in.pos, keepBack)
	from := in.pos - back
	n := copy(in.buf[:cap(in.buf)], in.buf[from:])
	in.at += int64(from)
	in.pos = back
	take := min(int64(cap(in.buf)-n), in.f.Size-end)
	in.buf = in.buf[:n+int(take)]
	if k, err := in.f.ReadAt(in.buf[n:], end); err != nil {
		in.buf = in.buf[:n+k]
		in.err = err
	}
}

// fill brings the bit buffer to at least 56 bits, or to what is left of the file.
func (in *input) fill() {
	if len(in.buf)-in.pos < 8 {
		in.more(8)
	}
	if len(in.buf)-in.pos >= 8 {
		in.bits |= binary.LittleEndian.Uint64(in.buf[in.pos:]) << in.n
		in.pos += int((63 - in.n) >> 3)
		in.n |= 56
		return
	}
	for in.n <= 56 && in.pos < len(in.buf) {
		in.bits |= uint64(in.buf[in.pos]) << in.n
		in.pos++
		in.n += 8
	}
}

// take gives k bits, at most 32.
func (in *input) take(k uint) (uint32, error) {
	if in.n < k {
		if in.fill(); in.n < k {
			return 0, in.short()
		}
	}
	v := uint32(in.bits & (1<<k - 1))
	in.drop(k)
	return v, nil
}

func (in *input) drop(k uint) { in.bits >>= k; in.n -= k }

// short is why there are no more bits.
func (in *input) short() error {
	if in.err != nil {
		return in.err
	}
	return errEnds
}

// align drops the rest of a byte, which it gives, and empties the bit buffer.
func (in *input) align() uint32 {
	rest := uint32(in.bits & (1<<(in.n%8) - 1))
	in.drop(in.n % 8)
	in.pos -= int(in.n / 8)
	in.bits, in.n = 0, 0
	return rest
}

// aligned says that the next bit is the first one of a byte.
func (in *input) aligned() bool { return in.n%8 == 0 }

// offset is where in the file the byte with the next bit is, and how many of its bits
// were taken.
func (in *input) offset() (int64, uint) {
	back := (in.n + 7) / 8
	return in.at + int64(in.pos) - int64(back), (8 - in.n%8) % 8
}

// next gives n bytes without taking them, fewer at the file's end; the input is
// aligned. They are valid until the input is used.
func (in *input) next(n int) []byte {
	in.more(n)
	return in.buf[in.pos:min(len(in.buf), in.pos+n)]
}

// bytes takes n bytes; the input is aligned and n is less than its buffer.
func (in *input) bytes(n int) ([]byte, error) {
	b := in.next(n)
	in.pos += len(b)
	if len(b) < n {
		return b, in.short()
	}
	return b, nil
}
