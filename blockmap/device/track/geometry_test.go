package track

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/blockmap"
)

func TestGeometry(t *testing.T) {
	for _, c := range []struct{ size, grain, want int64 }{
		{512, 0, 4096}, {1 << 40, 0, 4096}, {1<<40 + 512, 0, 8192}, {16 << 40, 0, 65536},
		{1 << 30, 512, 512}, {128 << 30, 512, 512},
	} {
		g, err := newGeometry(c.size, c.grain)
		if err != nil || g.grain() != c.want || g.words*8 > maxBitmap || g.words*64<<g.shift < c.size {
			t.Errorf("%d bytes, grain %d: %+v, %v", c.size, c.grain, g, err)
		}
	}
	for _, c := range []struct {
		size, grain int64
		want        string
	}{
		{0, 0, "cannot be tracked"}, {1 << 30, 1000, "power of two"}, {1 << 30, 256, "power of two"}, {1 << 40, 512, "too small"},
	} {
		if _, err := newGeometry(c.size, c.grain); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d bytes, grain %d: %v", c.size, c.grain, err)
		}
	}
}

// slow is the set as a list of grains.
type slow []bool

func (s slow) ranges(g geometry, off, n int64) (out []blockmap.Range) {
	for b := max(off, 0); b < min(off+n, g.size); b++ {
		if !s[b>>g.shift] {
			continue
		}
		if len(out) > 0 && out[len(out)-1].End() == b {
			out[len(out)-1].Len++
		} else {
			out = append(out, blockmap.Range{Off: b, Len: 1})
		}
	}
	return out
}

func TestSetAgainstList(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		size := 512 + rng.Int64N(200*512)
		g, err := newGeometry(size, 512)
		if err != nil {
			t.Fatal(err)
		}
		want := make(slow, g.words*64)
		sets := []*Set{newSet(g), newSet(g)}
		for range rng.IntN(12) {
			first := rng.Int64N((size-1)>>9 + 1)
			last := min(first+rng.Int64N(90), (size-1)>>9)
			s := sets[rng.IntN(2)]
			for w := first >> 6; w <= last>>6; w++ {
				s.put(w, s.word(w)|mask(w, first, last))
			}
			for i := first; i <= last; i++ {
				want[i] = true
			}
		}
		if err := sets[0].Union(sets[1]); err != nil {
			t.Fatal(err)
		}
		s := sets[0]
		for range 20 {
			off, n := rng.Int64N(size+600)-300, rng.Int64N(size+600)-20
			w := want.ranges(g, off, n)
			if d := cmp.Diff(w, slices.Collect(s.Ranges(off, n))); d != "" {
				t.Fatalf("size %d: [%d, +%d): %s", size, off, n, d)
			}
			if got := s.Contains(off, n); got != (len(w) > 0) {
				t.Fatalf("size %d: Contains(%d, %d) is %v, ranges %v", size, off, n, got, w)
			}
		}
		total := int64(0)
		for _, r := range want.ranges(g, 0, size) {
			total += r.Len
		}
		if s.Bytes() != total {
			t.Fatalf("%d bytes, want %d", s.Bytes(), total)
		}
	}
}

func TestRangesToTheEndOfNumbers(t *testing.T) {
	g, _ := newGeometry(1<<20, 4096)
	s := newSet(g)
	s.put(3, 1<<63)
	want := []blockmap.Range{{Off: 255 * 4096, Len: 4096}}
	if d := cmp.Diff(want, slices.Collect(s.Ranges(4096, 1<<63-1))); d != "" {
		t.Error(d)
	}
	for range s.Ranges(0, 1<<20) {
		break // an iteration that ends early
	}
	o, _ := newGeometry(1<<21, 4096)
	if err := s.Union(newSet(o)); err == nil {
		t.Error("sets of different disks were joined")
	}
}
