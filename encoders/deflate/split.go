package deflate

import "math/bits"

// flush writes the batch, which ends at pos, in blocks: neighbours are merged as long
// as that makes them shorter, those first that gain most.
func (e *Encoder) flush(src []byte, pos int, last bool) {
	b := &e.batch
	if b.n > b.begin || b.k == 0 {
		b.endChunk(pos)
	}
	for i := range b.k {
		b.blocks[i] = &b.chunks[i]
	}
	blocks := merge(b.blocks[:b.k])
	from := 0
	for i, c := range blocks {
		e.block(&c.counts, b.tokens[from:c.tokens], src[e.written:c.src], last && i == len(blocks)-1)
		from, e.written = c.tokens, c.src
	}
	b.reset()
}

// merge merges what lies side by side.
func merge(c []*chunk) []*chunk {
	for i := range c {
		c[i].bits = c[i].estimate(&counts{})
	}
	for i := range len(c) - 1 {
		c[i].join(c[i+1])
	}
	for len(c) > 1 {
		best := 0
		for i := range len(c) - 1 {
			if c[i].saved > c[best].saved {
				best = i
			}
		}
		a, b := c[best], c[best+1]
		if a.saved < 0 {
			break
		}
		for i, n := range b.lit {
			a.lit[i] += n
		}
		for i, n := range b.dist {
			a.dist[i] += n
		}
		a.bits += b.bits - a.saved
		a.tokens, a.src = b.tokens, b.src
		c = append(c[:best+1], c[best+2:]...)
		if best+1 < len(c) {
			a.join(c[best+1])
		}
		if best > 0 {
			c[best-1].join(a)
		}
	}
	return c
}

// join finds what is saved by one block instead of two.
func (c *chunk) join(next *chunk) { c.saved = c.bits + next.bits - c.estimate(&next.counts) }

// Estimates are in units of 1/256 bits. What a block says about its codes is taken for
// four bits for each symbol that is used and 100 more: measured.
const (
	fraction = 8
	symBits  = 4 << fraction
	headBits = 100 << fraction
)

// estimate is how long one block is with what both count, but for extra bits.
func (n *counts) estimate(m *counts) int {
	return entropy(n.lit[:], m.lit[:]) + entropy(n.dist[:], m.dist[:]) + headBits
}

// entropy is what symbols take that a and b count, which are equally long.
func entropy(a, b []uint16) int {
	total, sum := 0, 0
	for i, n := range a[:len(b)] {
		n += b[i]
		total += int(n)
		if int(n) < len(shares) {
			sum += int(shares[n])
		} else {
			sum += share(int(n))
		}
	}
	return information(total) + sum
}

// share is what a symbol with count n adds to an estimate, and shares those of the
// smaller counts.
func share(n int) int { return symBits - information(n) }

var shares = func() (s [1024]int32) {
	for n := 1; n < len(s); n++ { // one that is not used adds nothing
		s[n] = int32(share(n))
	}
	return s
}()

// information is n times its logarithm to the base 2.
func information(n int) int {
	if n == 0 {
		return 0
	}
	k := bits.Len(uint(n)) - 1
	return n * (k<<fraction + int(logs[uint8(n<<8>>k)]))
}

// logs are logarithms of 256 to 511 to the base 2, less 8, made by squaring in
// integers: equal on all processors.
var logs = func() (logs [256]uint8) {
	const one = 1 << 30
	for i := range logs {
		x, log := uint64(256+i)*(one>>8), 0
		for range fraction {
			x = x * x / one
			log *= 2
			if x >= 2*one {
				x /= 2
				log++
			}
		}
		logs[i] = uint8(log)
	}
	return logs
}()
