package blockmap

import (
	"math/bits"
	"sort"
)

// bitmap is a vector of bits with rank and select.
//
// Rank directory: for every rankBits bits, how many ones lie before them.
// Select samples: for every sampleOnes-th one, in which directory entry it lies.
// Together 6.4 % on top of the bits, so 34 MiB for 2^28 clusters (16 TiB at
// 64 KiB). Rank looks at one directory entry and at most eight words; select
// searches the entries between two samples, then at most eight words.
type bitmap struct {
	n       int64
	words   []uint64
	ranks   []uint32
	samples []uint32
	ones    int64
}

const (
	rankWords  = 8
	rankBits   = rankWords * 64
	sampleOnes = 8192
	// maxBits keeps counts within the directory's uint32.
	maxBits = 1<<32 - 1
)

// newBitmap returns n ones without the directory; index makes it.
func newBitmap(n int64) bitmap {
	b := bitmap{n: n, words: make([]uint64, (n+63)/64)}
	for i := range b.words {
		b.words[i] = ^uint64(0)
	}
	if r := n % 64; r != 0 {
		b.words[len(b.words)-1] = 1<<r - 1
	}
	return b
}

func (b *bitmap) get(i int64) bool { return b.words[i/64]>>(i%64)&1 != 0 }
func (b *bitmap) set(i int64)      { b.words[i/64] |= 1 << (i % 64) }
func (b *bitmap) clear(i int64)    { b.words[i/64] &^= 1 << (i % 64) }

// clearRange clears the bits [i, j).
func (b *bitmap) clearRange(i, j int64) {
	for ; i < j && i%64 != 0; i++ {
		b.clear(i)
	}
	for ; i+64 <= j; i += 64 {
		b.words[i/64] = 0
	}
	for ; i < j; i++ {
		b.clear(i)
	}
}

// setRange sets the bits [i, j).
func (b *bitmap) setRange(i, j int64) {
	for ; i < j && i%64 != 0; i++ {
		b.set(i)
	}
	for ; i+64 <= j; i += 64 {
		b.words[i/64] = ^uint64(0)
	}
	for ; i < j; i++ {
		b.set(i)
	}
}

// index builds the directory. The bits must not change afterwards.
func (b *bitmap) index() {
	b.ranks = make([]uint32, (len(b.words)+rankWords-1)/rankWords)
	b.samples = nil
	total := int64(0)
	for i := range b.ranks {
		b.ranks[i] = uint32(total)
		for _, w := range b.words[i*rankWords : min((i+1)*rankWords, len(b.words))] {
			total += int64(bits.OnesCount64(w))
		}
		for int64(len(b.samples))*sampleOnes < total {
			b.samples = append(b.samples, uint32(i))
		}
	}
	b.ones = total
}

// rank is the number of ones before bit i, for 0 <= i <= n.
func (b *bitmap) rank(i int64) int64 {
	if i >= b.n {
		return b.ones
	}
	w := i / 64
	r := int64(b.ranks[w/rankWords])
	for j := w / rankWords * rankWords; j < w; j++ {
		r += int64(bits.OnesCount64(b.words[j]))
	}
	return r + int64(bits.OnesCount64(b.words[w]&(1<<(i%64)-1)))
}

// selectOne is the position of the k-th one, for 0 <= k < ones.
func (b *bitmap) selectOne(k int64) int64 {
	s := k / sampleOnes
	lo, hi := int(b.samples[s]), len(b.ranks)
	if int(s+1) < len(b.samples) {
		hi = int(b.samples[s+1]) + 1
	}
	// The last entry in [lo, hi) with at most k ones before it.
	e := lo + sort.Search(hi-lo, func(i int) bool { return int64(b.ranks[lo+i]) > k }) - 1
	rest := int(k - int64(b.ranks[e]))
	for w := e * rankWords; ; w++ {
		c := bits.OnesCount64(b.words[w])
		if rest < c {
			return int64(w)*64 + int64(nthOne(b.words[w], rest))
		}
		rest -= c
	}
}

// nthOne is the position of the n-th one of w, which has more than n ones.
func nthOne(w uint64, n int) int {
	at := 0
	for half := 32; half >= 8; half /= 2 { // to the byte
		if c := bits.OnesCount64(w & (1<<half - 1)); n >= c {
			n -= c
			w >>= half
			at += half
		}
	}
	for ; n > 0; n-- {
		w &= w - 1
	}
	return at + bits.TrailingZeros64(w)
}

// next is the first position from i on whose bit is v, or n.
func (b *bitmap) next(i int64, v bool) int64 { return b.nextBefore(i, b.n, v) }

// nextBefore is the first position in [i, end) whose bit is v, or end, which is
// at most n. It looks no further: on a full disk the search from one read's
// clusters to the next free one may take longer than the read.
func (b *bitmap) nextBefore(i, end int64, v bool) int64 {
	if i >= end {
		return end
	}
	flip := uint64(0)
	if !v {
		flip = ^uint64(0)
	}
	w := i / 64
	x := (b.words[w] ^ flip) >> (i % 64) << (i % 64)
	for x == 0 {
		if w++; w*64 >= end {
			return end
		}
		x = b.words[w] ^ flip
	}
	return min(end, w*64+int64(bits.TrailingZeros64(x)))
}
