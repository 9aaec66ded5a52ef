package gzip

import (
	"errors"
	"fmt"
)

const (
	windowSize = 32 << 10
	// outputSize is that of the buffer for what is unpacked, with the window before it.
	outputSize = windowSize + 288<<10
	// enough is how much is given at the end of a block, in bytes; less waits for more.
	enough = 64 << 10
	// room is what a length or a stored byte may take.
	room = 258
)

var errEnds = errors.New("the file ends in the middle of it")

// Lengths and distances of RFC 1951, 3.2.5: base and extra bits.
var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	// lengthOrder is that of the code lengths' code (3.2.7).
	lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// kinds of blocks (3.2.3); between is none.
const (
	stored = iota
	fixed
	dynamic
	reserved
	between
)

// inflater unpacks one deflate stream. Unlike the standard library's it knows where
// its blocks begin, and so can stop there and begin there again; and it tells what a
// decoder may ignore.
type inflater struct {
	in      *input
	out     []byte // window, then what is unpacked
	w       int    // end of it
	valid   int    // where the window begins in out
	given   int    // up to where it was given
	kind    int
	last    bool // the block is the last one
	rest    int  // bytes left of a stored block
	lit     table
	dist    table
	odd     func(what string) // told of bits that should be 0
	scratch [320]uint8

	// What follows the last mark: where it begins in out, less than 0 where that is
	// gone, and whether it refers to nothing before that.
	from   int
	within bool
}

// reset begins a stream with the window before it; nil where there is none.
func (z *inflater) reset(window []byte) {
	if z.out == nil {
		z.out = make([]byte, outputSize)
	}
	z.w = windowSize
	z.valid = windowSize - copy(z.out[windowSize-len(window):], window)
	z.given, z.kind, z.last = z.w, between, false
	z.mark()
}

// mark begins a part whose references are watched.
func (z *inflater) mark() { z.from, z.within = z.w, true }

// boundary says that the next block begins with a byte.
func (z *inflater) boundary() bool { return z.kind == between && !z.last && z.in.aligned() }

// zeros goes on as if n zeros had been unpacked.
func (z *inflater) zeros(n int64) {
	if n >= windowSize {
		clear(z.out[:windowSize])
		z.w, z.valid = windowSize, 0
	} else {
		z.slide()
		clear(z.out[z.w : z.w+int(n)])
		z.w += int(n)
	}
	z.given = z.w
	z.mark()
}

// window is a copy of the last bytes.
func (z *inflater) window() []byte {
	return append([]byte(nil), z.out[max(z.valid, z.w-windowSize):z.w]...)
}

// next unpacks on. It gives bytes at the end of a block or where its buffer is full;
// done is the end of the stream, with its last bytes.
func (z *inflater) next() (b []byte, done bool, err error) {
	z.slide()
	for {
		if z.kind == between {
			if z.last {
				return z.give(), true, nil
			}
			if z.w-z.given >= enough || z.w-z.given > 0 && z.boundary() {
				return z.give(), false, nil
			}
			if err := z.begin(); err != nil {
				return nil, false, err
			}
		}
		full, err := z.block()
		if err != nil {
			return nil, false, err
		}
		if full {
			return z.give(), false, nil
		}
	}
}

func (z *inflater) give() []byte {
	b := z.out[z.given:z.w]
	z.given = z.w
	return b
}

// slide makes room for what comes, where there is too little.
func (z *inflater) slide() {
	if len(z.out)-z.w > enough+room {
		return
	}
	by := z.w - windowSize
	copy(z.out, z.out[by:z.w])
	z.w -= by
	z.given -= by
	z.from -= by
	z.valid = max(0, z.valid-by)
}

// begin reads the head of a block.
func (z *inflater) begin() error {
	v, err := z.in.take(3)
	if err != nil {
		return err
	}
	z.last = v&1 != 0
	switch z.kind = int(v >> 1); z.kind {
	case stored:
		if z.in.align() != 0 && z.odd != nil {
			z.odd("bits before a stored block are not 0")
		}
		b, err := z.in.bytes(4)
		if err != nil {
			return err
		}
		n, not := int(b[0])|int(b[1])<<8, int(b[2])|int(b[3])<<8
		if n != not^0xffff {
			return fmt.Errorf("a stored block's length is %d, and its complement that of %d", n, not^0xffff)
		}
		z.rest = n
	case fixed:
		return z.fixedCodes()
	case dynamic:
		return z.dynamicCodes()
	case reserved:
		return errors.New("a block of the reserved kind 3")
	}
	return nil
}

// block unpacks on in a block. full says that the buffer is full, and that the block
// goes on.
func (z *inflater) block() (full bool, err error) {
	if z.kind != stored {
		return z.symbols()
	}
	for z.rest > 0 {
		if z.w == len(z.out) {
			return true, nil
		}
		b, err := z.in.bytes(min(z.rest, len(z.out)-z.w, inputSize/2))
		z.w += copy(z.out[z.w:], b)
		z.rest -= len(b)
		if err != nil {
			return false, err
		}
	}
	z.kind = between
	return false, nil
}

// symbols unpacks on in a compressed block.
func (z *inflater) symbols() (full bool, err error) {
	in, out := z.in, z.out
	for z.w+room <= len(out) {
		sym, err := z.lit.symbol(in)
		if err != nil {
			return false, err
		}
		if sym < 256 {
			out[z.w] = byte(sym)
			z.w++
			continue
		}
		if sym == 256 {
			z.kind = between
			return false, nil
		}
		if sym -= 257; sym >= uint32(len(lengthBase)) {
			return false, fmt.Errorf("the length symbol %d, which does not exist", sym+257)
		}
		extra, err := in.take(uint(lengthExtra[sym]))
		if err != nil {
			return false, err
		}
		n := int(lengthBase[sym]) + int(extra)
		ds, err := z.dist.symbol(in)
		if err != nil {
			return false, err
		}
		if ds >= uint32(len(distBase)) {
			return false, fmt.Errorf("the distance symbol %d, which does not exist", ds)
		}
		if extra, err = in.take(uint(distExtra[ds])); err != nil {
			return false, err
		}
		dist := int(distBase[ds]) + int(extra)
		from := z.w - dist
		if from < z.valid {
			return false, fmt.Errorf("a distance of %d bytes, where %d are before it", dist, z.w-z.valid)
		}
		if from < z.from {
			z.within = false
		}
		to := out[z.w : z.w+n]
		if dist == 1 && out[from] == 0 {
			clear(to)
			z.w += n
			continue
		}
		for len(to) > 0 { // what is copied may become part of what is copied from
			k := copy(to, out[from:z.w])
			z.w += k
			to = to[k:]
		}
	}
	return true, nil
}

// fixedCodes are those of 3.2.6.
func (z *inflater) fixedCodes() error {
	l := z.scratch[:288]
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	if err := z.lit.build(l); err != nil {
		return err
	}
	l = z.scratch[:32]
	for i := range l {
		l[i] = 5
	}
	return z.dist.build(l)
}

// dynamicCodes reads the codes of 3.2.7.
func (z *inflater) dynamicCodes() error {
	v, err := z.in.take(14)
	if err != nil {
		return err
	}
	lits, dists, codes := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if lits > 286 || dists > 30 {
		return fmt.Errorf("a block with %d length and %d distance codes; 286 and 30 exist", lits, dists)
	}
	l := z.scratch[:19]
	clear(l)
	for _, i := range lengthOrder[:codes] {
		n, err := z.in.take(3)
		if err != nil {
			return err
		}
		l[i] = uint8(n)
	}
	if err := z.lit.build(l); err != nil {
		return err
	}
	l = z.scratch[:lits+dists]
	for i := 0; i < len(l); {
		sym, err := z.lit.symbol(z.in)
		if err != nil {
			return err
		}
		if sym < 16 {
			l[i] = uint8(sym)
			i++
			continue
		}
		r := [3]struct{ base, bits int }{{3, 2}, {3, 3}, {11, 7}}[sym-16]
		extra, err := z.in.take(uint(r.bits))
		if err != nil {
			return err
		}
		n, fill := r.base+int(extra), uint8(0)
		if sym == 16 {
			if i == 0 {
				return errors.New("a code length that repeats nothing")
			}
			fill = l[i-1]
		}
		if i+n > len(l) {
			return errors.New("more code lengths than codes")
		}
		for range n {
			l[i] = fill
			i++
		}
	}
	if l[256] == 0 {
		return errors.New("a block without a code for its end")
	}
	if err := z.lit.build(l[:lits]); err != nil {
		return err
	}
	return z.dist.build(l[lits:])
}
