package deflate

import "encoding/binary"

// writer packs bits into bytes, the lowest first (RFC 1951, section 3.1.1).
type writer struct {
	out  []byte
	n    int    // bytes of out that are written
	acc  uint64 // bits that are not
	left uint   // how many, less than 8
}

// reset makes room for the stream of size bytes. It is never longer than with stored
// blocks, one for each chunk at most, which all but the last are as many bytes as
// tokens, or more; each has 5 bytes more and 7 bits to fill up. 8 bytes are written at
// a time.
func (w *writer) reset(size int) {
	if most := size + (size/chunkTokens+size/maxStored+2)*6 + 8; len(w.out) < most {
		w.out = make([]byte, most)
	}
	w.n, w.acc, w.left = 0, 0, 0
}

// close pads the last byte and returns all.
func (w *writer) close() []byte {
	w.align()
	return w.out[:w.n]
}

// put writes the n lowest bits of v, at most 56, which has no others.
func (w *writer) put(v uint64, n uint) {
	w.acc |= v << (w.left & 63)
	w.left += n
	binary.LittleEndian.PutUint64(w.out[w.n:], w.acc)
	w.n += int(w.left >> 3)
	w.acc >>= w.left & 56
	w.left &= 7
}

// align pads the last byte.
func (w *writer) align() { w.put(0, -w.left&7) }

// storedBits is how many bits n bytes take in stored blocks, here.
func (w *writer) storedBits(n int) int {
	blocks := max(1, (n+maxStored-1)/maxStored)
	pad := int(-(w.left + 3) & 7)
	return blocks*(3+32) + pad + (blocks-1)*5 + n*8
}

// store writes src in stored blocks (RFC 1951, section 3.2.4).
func (w *writer) store(src []byte, final uint64) {
	for {
		part := src[:min(len(src), maxStored)]
		src = src[len(part):]
		if len(src) > 0 {
			w.put(stored<<1, 3)
		} else {
			w.put(final|stored<<1, 3)
		}
		w.align()
		w.put(uint64(len(part))|uint64(^uint16(len(part)))<<16, 32)
		w.n += copy(w.out[w.n:], part)
		if len(src) == 0 {
			return
		}
	}
}

// tokens writes tokens and the end of the block.
func (w *writer) tokens(tokens []token, c *codes) {
	out, at, acc, left := w.out, w.n, w.acc, w.left
	for _, t := range tokens {
		if t < 1<<16 {
			s := c.lit[uint8(t)]
			acc |= uint64(s.bits) << (left & 63)
			left += uint(s.n)
		} else {
			x := uint8(uint16(t) - minMatch)
			sym := lenSym[x]
			s := c.lit[endBlock+1+int(sym)]
			v, n := uint64(s.bits), uint(s.n)
			v |= uint64(x-lenBase[sym]) << (n & 63)
			n += uint(lenExtra[sym])

			dist := uint32(t >> 16)
			d, extra := distSym(dist)
			s = c.dist[d]
			v |= uint64(s.bits) << (n & 63)
			n += uint(s.n)
			v |= uint64((dist-1)&(1<<(extra&31)-1)) << (n & 63)
			acc |= v << (left & 63)
			left += n + uint(extra)
		}
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(left >> 3)
		acc >>= left & 56
		left &= 7
	}
	w.n, w.acc, w.left = at, acc, left
	s := c.lit[endBlock]
	w.put(uint64(s.bits), uint(s.n))
}
