package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"migimg/blockmap"
)

// TestSpans compares with sets of bytes.
func TestSpans(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const size = 64
	random := func() (s spans, set [size]bool) {
		for off := int64(0); off < size; off += r.Int64N(9) {
			n := min(r.Int64N(7), size-off)
			s.add(blockmap.Range{Off: off, Len: n})
			for i := range n {
				set[off+i] = true
			}
		}
		return s, set
	}
	same := func(what string, got spans, want func(i int) bool) {
		var exact spans
		for i := range size {
			if want(i) {
				exact.add(blockmap.Range{Off: int64(i), Len: 1})
			}
		}
		if !slices.Equal(got, exact) {
			t.Fatalf("%s: %v, want %v", what, got, exact)
		}
		if got.bytes() != exact.bytes() {
			t.Fatalf("%s: %d bytes", what, got.bytes())
		}
	}
	for range 2000 {
		a, as := random()
		b, bs := random()
		same("union", a.union(b), func(i int) bool { return as[i] || bs[i] })
		same("within", a.within(b), func(i int) bool { return as[i] && bs[i] })
		same("without", a.without(b), func(i int) bool { return as[i] && !bs[i] })
		same("spansOf", spansOf(slices.Values(a)), func(i int) bool { return as[i] })
	}
}
