package fusefs

import "hash/crc64"

// encoders/stream joins CRC-32s in the same way, and encoders/ova follows a file for its
// SHA-256 as Digest does, with other rules: it reads what it missed, where Digest gives
// up. They stay apart: the tree knows no encoder and an encoder no tree, and a package
// for both would save 30 lines and take an exception from the rules of each.

// joined64 is the CRC-64 of some bytes of which a is that of the front, and b that of the
// n bytes behind: the checksum is the remainder of a polynomial, and that of the front is
// multiplied by x^8n.
func joined64(a, b uint64, n int64) uint64 { return times64(power64(8*uint64(n)), a) ^ b }

// zeroSum64 is the CRC-64 of n bytes of zeros: its register begins with all ones.
func zeroSum64(n int64) uint64 { return ^times64(power64(8*uint64(n)), ^uint64(0)) }

// times64 multiplies two polynomials modulo that of the checksum; the highest bit is the
// coefficient of x^0.
func times64(a, b uint64) (p uint64) {
	for ; a != 0; a <<= 1 {
		if a>>63 != 0 {
			p ^= b
		}
		b = b>>1 ^ crc64.ECMA&-(b&1)
	}
	return p
}

// power64 is x^n.
func power64(n uint64) uint64 {
	p := uint64(1) << 63
	for square := uint64(1) << 62; n > 0; n >>= 1 { // x^1, x^2, x^4 ...
		if n&1 != 0 {
			p = times64(square, p)
		}
		square = times64(square, square)
	}
	return p
}
