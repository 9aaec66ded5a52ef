package gzip

import (
	"bytes"
	"hash/crc32"
)

const (
	// mostPacked is how long packed zeros may be to be recognised, in bytes.
	mostPacked = 4 << 10
	// mostRepeats bounds what is skipped at once, so that a caller can stop.
	mostRepeats = 1 << 10
)

// zeroRun passes over zeros that are packed to the same bytes again and again, as free
// space is in files whose clusters are packed each by itself: a TiB of zeros then costs
// comparing what it is packed to, not unpacking it. What begins with a byte, and refers
// to nothing before itself, means the same wherever it is.
type zeroRun struct {
	packed []byte // the bytes of the file; empty where none are known yet
	size   int64  // how many zeros that is
	crc    zeroCRC

	from  int64 // file offset of what is looked at
	out   int64 // unpacked bytes before it
	zeros bool  // there is nothing else in it so far
}

// begin looks at what follows, which begins with a block.
func (z *zeroRun) begin(r *reader) {
	z.from, _ = r.in.offset()
	z.out, z.zeros = r.out, r.in.aligned()
	r.z.mark()
}

// add takes in what was unpacked.
func (z *zeroRun) add(r *reader, b []byte) {
	z.zeros = z.zeros && allZero(b)
	if !r.z.boundary() {
		return
	}
	at, _ := r.in.offset()
	if n := r.out - z.out; z.zeros && r.z.within && n > 0 && at-z.from <= mostPacked && at-z.from < n {
		z.learn(r, at, n)
	}
	z.begin(r)
}

// learn keeps what [from, at) of the file is: size zeros.
func (z *zeroRun) learn(r *reader, at, size int64) {
	if int64(len(z.packed)) == at-z.from && z.size == size {
		return
	}
	b, err := r.in.f.Bytes(z.from, at-z.from)
	if err != nil {
		return // it goes without
	}
	z.packed, z.size = b, size
	z.crc = newZeroCRC(size)
}

// skip passes over what is packed as it was before, and says how many zeros that is.
func (z *zeroRun) skip(r *reader) (n int64) {
	if len(z.packed) == 0 || !r.z.boundary() {
		return 0
	}
	r.in.align()
	for range mostRepeats {
		if !bytes.Equal(r.in.next(len(z.packed)), z.packed) {
			break
		}
		r.in.pos += len(z.packed)
		n += z.size
		if r.ps != nil {
			r.crc = z.crc.append(r.crc)
		}
	}
	if n > 0 {
		r.z.zeros(n)
		z.from, _ = r.in.offset()
		z.out, z.zeros = r.out+n, true
	}
	return n
}

// update is the CRC-32 of what has the sum crc, and b.
func update(crc uint32, b []byte) uint32 { return crc32.Update(crc, crc32.IEEETable, b) }

// zeroCRC appends a fixed number of zeros to what has a CRC-32. That is linear in the
// register: word i is what becomes of its bit i.
type zeroCRC [32]uint32

func newZeroCRC(n int64) zeroCRC {
	var one, out zeroCRC // by one zero byte, and by none
	for i := range out {
		out[i] = 1 << i
		one[i] = ^update(^uint32(1<<i), []byte{0})
	}
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			out = one.after(out)
		}
		one = one.after(one)
	}
	return out
}

// register is what becomes of a register.
func (z *zeroCRC) register(x uint32) (out uint32) {
	for i := 0; x != 0; i, x = i+1, x>>1 {
		out ^= z[i] & -(x & 1)
	}
	return out
}

// after does first what before does.
func (z *zeroCRC) after(before zeroCRC) (out zeroCRC) {
	for i, x := range before {
		out[i] = z.register(x)
	}
	return out
}

// append is the sum after the zeros: the register is its complement.
func (z *zeroCRC) append(crc uint32) uint32 { return ^z.register(^crc) }

// allZero compares b with itself, moved by one byte.
func allZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
