package deflate

import (
	"math/rand/v2"
	"testing"
)

// TestBuild: codes are complete sets within their limit, rarer symbols have no shorter
// ones, and where there is room they are Huffman's.
func TestBuild(t *testing.T) {
	fibonacci := make([]uint16, 23)
	for i, a, b := 0, 1, 1; i < len(fibonacci); i++ {
		fibonacci[i] = uint16(a)
		a, b = b, a+b
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var b builder
	for round := range 2000 {
		counts, limit := fibonacci[:min(len(fibonacci), 2+round)], maxBits
		if round >= len(fibonacci) {
			counts = make([]uint16, 2+rnd.IntN(numLit-1))
			for i := range counts {
				counts[i] = uint16(rnd.IntN(1 << rnd.IntN(12)))
			}
		}
		if len(counts) <= numLens {
			limit = lensBits
		}
		codes := make([]code, len(counts))
		b.build(codes, counts, limit)
		room := 1 << limit
		for sym, c := range codes {
			if c.n == 0 {
				if counts[sym] != 0 {
					t.Fatalf("%v: no code for %d", counts, sym)
				}
				continue
			}
			if int(c.n) > limit {
				t.Fatalf("%v: %d bits for %d", counts, c.n, sym)
			}
			room -= 1 << (limit - int(c.n))
			for other, o := range codes {
				if counts[other] > counts[sym] && o.n > c.n {
					t.Fatalf("%v: %d has %d bits, %d has %d", counts, sym, c.n, other, o.n)
				}
			}
		}
		if room != 0 {
			t.Fatalf("%v: not a complete set, %d left", counts, room)
		}
	}
	codes := make([]code, 6)
	b.build(codes, []uint16{45, 13, 12, 16, 9, 5}, maxBits) // a textbook's
	for i, n := range []uint8{1, 3, 3, 3, 4, 4} {
		if codes[i].n != n {
			t.Errorf("symbol %d has %d bits, not %d", i, codes[i].n, n)
		}
	}
}
