package deflate

// Kinds of blocks (RFC 1951, section 3.2.3).
const (
	stored = iota
	fixed
	dynamic
)

// maxBits is the longest code of a literal, length or distance (RFC 1951, section
// 3.2.7).
const maxBits = 15

// codes are those of a block.
type codes struct {
	lit  [numLit]code
	dist [numDist]code
}

// fixedCodes are those of RFC 1951, section 3.2.6. They are complete with two symbols
// more, which are never used.
var fixedCodes = func() (c codes) {
	var all [numLit + 2]code
	for i := range all {
		switch {
		case i < 144:
			all[i].n = 8
		case i < 256:
			all[i].n = 9
		case i < 280:
			all[i].n = 7
		default:
			all[i].n = 8
		}
	}
	assign(all[:], []int{7: 24, 8: 152, 9: 112, maxBits: 0})
	copy(c.lit[:], all[:])
	for i := range c.dist {
		c.dist[i].n = 5
	}
	assign(c.dist[:], []int{5: numDist, maxBits: 0})
	return c
}()

// size is how many bits tokens with these counts take, but for extra bits.
func (c *codes) size(n *counts) (total int) {
	for i, k := range n.lit {
		total += int(k) * int(c.lit[i].n)
	}
	for i, k := range n.dist {
		total += int(k) * int(c.dist[i].n)
	}
	return total
}

// extraBits is how many extra bits tokens with these counts have.
func (n *counts) extraBits() (total int) {
	for i, k := range lenExtra {
		total += int(n.lit[endBlock+1+i]) * int(k)
	}
	for i := 4; i < numDist; i++ {
		total += int(n.dist[i]) * (i/2 - 1)
	}
	return total
}

// block writes tokens, which stand for src, in the shortest of the three kinds.
func (e *Encoder) block(n *counts, tokens []token, src []byte, last bool) {
	n.lit[endBlock] = 1
	e.builder.build(e.codes.lit[:], n.lit[:], maxBits)
	e.builder.build(e.codes.dist[:], n.dist[:], maxBits)
	e.header.describe(&e.codes, &e.builder)

	extra := n.extraBits()
	asDynamic := e.header.bits + e.codes.size(n) + extra
	asFixed := fixedCodes.size(n) + extra
	final := uint64(0)
	if last {
		final = 1
	}
	switch {
	case e.writer.storedBits(len(src)) < min(asDynamic, asFixed)+3:
		e.writer.store(src, final)
	case asFixed <= asDynamic:
		e.writer.put(final|fixed<<1, 3)
		e.writer.tokens(tokens, &fixedCodes)
	default:
		e.writer.put(final|dynamic<<1, 3)
		e.header.write(&e.writer)
		e.writer.tokens(tokens, &e.codes)
	}
}
