package deflate

// Lengths of codes are codes of their own alphabet: 0 to 15, and repetitions (RFC
// 1951, section 3.2.7).
const (
	numLens   = 19
	repeat    = 16 // the length before, 3 to 6 times
	zeros     = 17 // 3 to 10 of them
	manyZeros = 18 // 11 to 138 of them
	lensBits  = 7  // the longest code of these
)

// order is that of the lengths of their codes (RFC 1951, section 3.2.7), and extra how
// many bits follow each.
var (
	order     = [numLens]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	lensExtra = [numLens]uint8{repeat: 2, zeros: 3, manyZeros: 7}
)

// header is what a dynamic block says about its codes.
type header struct {
	lit, dist int // how many lengths there are of each
	lens      int // and of the lengths' codes
	n         int
	syms      [numLit + numDist]uint8
	extra     [numLit + numDist]uint8
	codes     [numLens]code
	bits      int // all of it takes
}

// describe makes the header of codes.
func (h *header) describe(c *codes, b *builder) {
	h.lit, h.dist = numLit, numDist
	for h.lit > endBlock+1 && c.lit[h.lit-1].n == 0 {
		h.lit--
	}
	for h.dist > 1 && c.dist[h.dist-1].n == 0 {
		h.dist--
	}
	// Repetitions go from the ones into the others (section 3.2.7).
	var all [numLit + numDist]uint8
	for i := range h.lit {
		all[i] = c.lit[i].n
	}
	for i := range h.dist {
		all[h.lit+i] = c.dist[i].n
	}
	counts := h.pack(all[:h.lit+h.dist])
	b.build(h.codes[:], counts[:], lensBits)
	h.lens = numLens
	for h.lens > 4 && h.codes[order[h.lens-1]].n == 0 {
		h.lens--
	}
	h.bits = 5 + 5 + 4 + 3*h.lens
	for sym, n := range counts {
		h.bits += int(n) * int(h.codes[sym].n+lensExtra[sym])
	}
}

// pack makes symbols of lengths and counts them.
func (h *header) pack(all []uint8) (counts [numLens]uint16) {
	h.n = 0
	add := func(sym, extra int) {
		h.syms[h.n], h.extra[h.n] = uint8(sym), uint8(extra)
		h.n++
		counts[sym]++
	}
	for i := 0; i < len(all); {
		length, n := all[i], 1
		for i+n < len(all) && all[i+n] == length {
			n++
		}
		i += n
		if length != 0 {
			add(int(length), 0)
			n--
		}
		for n >= 3 {
			switch {
			case length != 0:
				k := min(n, 6)
				add(repeat, k-3)
				n -= k
			case n <= 10:
				add(zeros, n-3)
				n = 0
			default:
				k := min(n, 138)
				add(manyZeros, k-11)
				n -= k
			}
		}
		for ; n > 0; n-- {
			add(int(length), 0)
		}
	}
	return counts
}

// write writes the header (section 3.2.7).
func (h *header) write(w *writer) {
	w.put(uint64(h.lit-endBlock-1), 5)
	w.put(uint64(h.dist-1), 5)
	w.put(uint64(h.lens-4), 4)
	for _, sym := range order[:h.lens] {
		w.put(uint64(h.codes[sym].n), 3)
	}
	for i, sym := range h.syms[:h.n] {
		c := h.codes[sym]
		w.put(uint64(c.bits)|uint64(h.extra[i])<<c.n, uint(c.n+lensExtra[sym]))
	}
}
