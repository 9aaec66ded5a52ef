package stream

import (
	"hash/crc32"
	"math/bits"
)

// joined is the CRC-32 of some bytes of which a is that of the front, and b that of
// the n bytes behind. The checksum is a remainder of a polynomial: that of the front
// is multiplied by x^8n.
func joined(a, b uint32, n int64) uint32 { return times(power(8*uint64(n)), a) ^ b }

// zeroSum is the CRC-32 of n bytes of zeros.
func zeroSum(n int64) uint32 {
	// The sum of nothing is 0, but its register is all ones (RFC 1952, 8).
	return times(power(8*uint64(n)), ones) ^ ones
}

// ones is the checksum's register before the first byte.
const ones = 1<<32 - 1

// times multiplies two polynomials modulo that of the checksum; the highest bit is
// the coefficient of x^0.
func times(a, b uint32) (p uint32) {
	for ; a != 0; a <<= 1 {
		if a>>31 != 0 {
			p ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return p
}

// power is x^n.
func power(n uint64) uint32 {
	p := uint32(1) << 31
	for square := uint32(1) << 30; n > 0; n >>= 1 { // x^1, x^2, x^4 ...
		if bits.TrailingZeros64(n) == 0 {
			p = times(square, p)
		}
		square = times(square, square)
	}
	return p
}
