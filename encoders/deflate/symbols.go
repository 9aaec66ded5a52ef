package deflate

import "math/bits"

// Sizes of the alphabets, as far as they are used (RFC 1951, section 3.2.5), and the
// symbol that ends a block.
const (
	numLit   = 286
	numDist  = 30
	endBlock = 256
)

// Lengths less 3: the symbol, less 257. For each symbol, how many extra bits follow it
// and the length that it has with none set, less 3 (RFC 1951, section 3.2.5).
var lenSym, lenExtra, lenBase = func() (sym [256]uint8, extra, base [numLit - endBlock - 1]uint8) {
	length := 0
	for s := range extra {
		if s >= 8 && s < len(extra)-1 {
			extra[s] = uint8(s/4 - 1)
		}
		base[s] = uint8(length)
		for i := range 1 << extra[s] {
			sym[uint8(length+i)] = uint8(s)
		}
		length += 1 << extra[s]
		if s == len(extra)-2 {
			length-- // 258 has a symbol of its own
		}
	}
	return sym, extra, base
}()

// distSym is the symbol of a distance and how many extra bits follow it: the low bits
// of the distance less one (RFC 1951, section 3.2.5).
func distSym(dist uint32) (sym, extra uint32) {
	x := dist - 1
	if x < 2 {
		return x, 0
	}
	extra = uint32(bits.Len32(x)) - 2
	return 2*extra + x>>(extra&31), extra
}
