package fat

import "math/bits"

// bitset has a bit for each cluster number.
type bitset []uint64

func newBitset(n int64) bitset { return make(bitset, (n+63)/64) }

func (b bitset) get(i int64) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b bitset) set(i int64)      { b[i/64] |= 1 << (i % 64) }

func (b bitset) count() (n int64) {
	for _, w := range b {
		n += int64(bits.OnesCount64(w))
	}
	return n
}

// next is the first bit from i on that is v, or n.
func (b bitset) next(i, n int64, v bool) int64 {
	for i < n {
		w := b[i/64]
		if !v {
			w = ^w
		}
		if w >>= i % 64; w != 0 {
			return min(n, i+int64(bits.TrailingZeros64(w)))
		}
		i = (i/64 + 1) * 64
	}
	return n
}
