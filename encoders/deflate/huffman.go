package deflate

import (
	"math/bits"
	"slices"
)

// code is a symbol's code as it is written, the first bit lowest, and its length in
// bits; 0 for symbols that are not used.
type code struct {
	bits uint16
	n    uint8
}

// builder makes codes of counts.
type builder struct {
	keys [numLit]uint32 // counts and symbols, then sorted
	tree [numLit]uint32
}

// build makes codes of at most limit bits that are as short as can be, or nearly so
// where the limit makes a difference. There are always two, so that no inflater meets
// an incomplete set.
func (b *builder) build(out []code, counts []uint16, limit int) {
	k := 0
	for sym, n := range counts {
		if n != 0 {
			b.keys[k] = uint32(n)<<16 | uint32(sym)
			k++
		}
	}
	for sym := 0; k < 2; sym++ {
		if counts[sym] == 0 {
			b.keys[k] = 1<<16 | uint32(sym)
			k++
		}
	}
	keys, tree := b.keys[:k], b.tree[:k]
	slices.Sort(keys)
	for i, key := range keys {
		tree[i] = key >> 16
	}
	depths(tree)

	var ofLen [maxBits + 1]int // how many codes have each length
	for _, n := range tree {
		ofLen[min(int(n), limit)]++
	}
	shorten(ofLen[:limit+1])

	// RFC 1951, section 3.2.2: codes of one length follow each other in the symbols'
	// order, the shorter ones before the longer ones.
	clear(out)
	i := 0
	for n := limit; n > 0; n-- {
		for range ofLen[n] {
			out[keys[i]&0xffff].n = uint8(n)
			i++
		}
	}
	assign(out, ofLen[:])
}

// assign gives codes of known lengths their bits.
func assign(out []code, ofLen []int) {
	var next [maxBits + 1]uint16
	for n := 1; n < maxBits; n++ {
		next[n+1] = (next[n] + uint16(ofLen[n])) << 1
	}
	for i := range out {
		if n := out[i].n; n > 0 {
			out[i].bits = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
}

// shorten makes a complete set of one that had longer codes than there may be: those
// count as the longest now, which are too many. For each too many, a shorter code is
// moved down to make room for two.
func shorten(ofLen []int) {
	limit := len(ofLen) - 1
	total := 0
	for n, k := range ofLen[1:] {
		total += k << (limit - n - 1)
	}
	for ; total > 1<<limit; total-- {
		n := limit - 1
		for ofLen[n] == 0 {
			n--
		}
		ofLen[n]--
		ofLen[n+1] += 2
		ofLen[limit]--
	}
}

// depths replaces counts in ascending order, at least two, by the lengths of an optimal
// prefix code, in descending order: Moffat and Katajainen, In-Place Calculation of
// Minimum-Redundancy Codes, 1995.
func depths(a []uint32) {
	n := len(a)
	// Parents: each entry becomes a node's weight, then its parent.
	a[0] += a[1]
	root, leaf := 0, 2
	for next := 1; next < n-1; next++ {
		if leaf >= n || a[root] < a[leaf] {
			a[next] = a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] = a[leaf]
			leaf++
		}
		if leaf >= n || root < next && a[root] < a[leaf] {
			a[next] += a[root]
			a[root] = uint32(next)
			root++
		} else {
			a[next] += a[leaf]
			leaf++
		}
	}
	// Depths of the inner nodes.
	a[n-2] = 0
	for next := n - 3; next >= 0; next-- {
		a[next] = a[a[next]] + 1
	}
	// Depths of the leaves.
	avail, used, depth := 1, 0, uint32(0)
	root, next := n-2, n-1
	for avail > 0 {
		for root >= 0 && a[root] == depth {
			used++
			root--
		}
		for avail > used {
			a[next] = depth
			next--
			avail--
		}
		avail, used = 2*used, 0
		depth++
	}
}
