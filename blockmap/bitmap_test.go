package blockmap

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// fill makes a bitmap of n bits of which about one in every `one` is set.
func fill(n int64, is func(i int64) bool) (bitmap, []bool) {
	b, naive := newBitmap(n), make([]bool, n)
	for i := range n {
		if naive[i] = is(i); !naive[i] {
			b.clear(i)
		}
	}
	b.index()
	return b, naive
}

func TestBitmapAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	patterns := []struct {
		name string
		is   func(i int64) bool
	}{
		{"empty", func(int64) bool { return false }},
		{"full", func(int64) bool { return true }},
		{"half", func(int64) bool { return r.IntN(2) == 0 }},
		{"sparse", func(int64) bool { return r.IntN(3000) == 0 }},
		{"dense", func(int64) bool { return r.IntN(3000) != 0 }},
		{"runs", func(i int64) bool { return i/777%2 == 0 }},
		{"first half", func(i int64) bool { return i < 20000 }},
		{"last bit", func(i int64) bool { return i == 39999 }},
	}
	for _, p := range patterns {
		for _, n := range []int64{0, 1, 63, 64, 65, 511, 512, 513, 8191, 8193, 40000} {
			t.Run(fmt.Sprintf("%s/%d", p.name, n), func(t *testing.T) {
				b, naive := fill(n, p.is)
				var ones int64
				for i := range n {
					if got := b.rank(i); got != ones {
						t.Fatalf("rank(%d) = %d, want %d", i, got, ones)
					}
					if b.get(i) != naive[i] {
						t.Fatalf("get(%d) = %v", i, b.get(i))
					}
					if naive[i] {
						if got := b.selectOne(ones); got != i {
							t.Fatalf("selectOne(%d) = %d, want %d", ones, got, i)
						}
						ones++
					}
				}
				if b.ones != ones || b.rank(n) != ones {
					t.Fatalf("%d ones, rank(n) = %d, want %d", b.ones, b.rank(n), ones)
				}
				for _, v := range []bool{false, true} {
					want := n
					for i := n - 1; i >= 0; i-- {
						if naive[i] == v {
							want = i
						}
						if got := b.next(i, v); got != want {
							t.Fatalf("next(%d, %v) = %d, want %d", i, v, got, want)
						}
						end := min(n, i+r.Int64N(200))
						if got := b.nextBefore(i, end, v); got != min(end, want) {
							t.Fatalf("nextBefore(%d, %d, %v) = %d, want %d", i, end, v, got, min(end, want))
						}
					}
					if got := b.next(n, v); got != n {
						t.Fatalf("next(n, %v) = %d", v, got)
					}
				}
			})
		}
	}
}

func TestBitmapRanges(t *testing.T) {
	const n = 300
	for i := int64(0); i <= n; i += 7 {
		for j := i; j <= n; j += 11 {
			b := newBitmap(n)
			b.clearRange(i, j)
			c := newBitmap(n)
			c.clearRange(0, n)
			c.setRange(i, j)
			for k := range int64(n) {
				in := k >= i && k < j
				if b.get(k) == in || c.get(k) != in {
					t.Fatalf("[%d, %d): bit %d: cleared %v, set %v", i, j, k, !b.get(k), c.get(k))
				}
			}
		}
	}
}

func TestNthOne(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		w := r.Uint64() & r.Uint64()
		n := 0
		for i := range 64 {
			if w>>i&1 != 0 {
				if got := nthOne(w, n); got != i {
					t.Fatalf("nthOne(%x, %d) = %d, want %d", w, n, got, i)
				}
				n++
			}
		}
	}
}

// TestMapMemory holds the map to its promise: 16 TiB at 64 KiB in 40 MiB.
func TestMapMemory(t *testing.T) {
	m, err := NewMap(16<<40, DefaultClusterSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB", float64(m.memory())/(1<<20))
	if m.memory() > 40<<20 {
		t.Errorf("a map of 16 TiB takes %d bytes", m.memory())
	}
}

// bigMap is 1 TiB of which about half is free, in runs.
func bigMap(b testing.TB) *Map {
	m, err := newMap(1<<40, DefaultClusterSize)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for off := int64(0); off < m.size; {
		n := r.Int64N(4<<20) &^ 4095
		m.free(off, min(n, m.size-off))
		off += n + r.Int64N(4<<20)&^4095 + 4096
	}
	m.bits.index()
	return m
}

func BenchmarkRank(b *testing.B) {
	m := bigMap(b)
	i, sum := int64(1), int64(0)
	for b.Loop() {
		i = (i*2862933555777941757 + 3037000493) & (1<<62 - 1)
		sum += m.Rank(i % m.Clusters())
	}
	_ = sum
}

func BenchmarkSelect(b *testing.B) {
	m := bigMap(b)
	i, sum := int64(1), int64(0)
	for b.Loop() {
		i = (i*2862933555777941757 + 3037000493) & (1<<62 - 1)
		sum += m.Select(i % m.Count())
	}
	_ = sum
}

// BenchmarkRanges is the read path: the carried ranges of windows of 1 MiB.
func BenchmarkRanges(b *testing.B) {
	m := bigMap(b)
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	off, sum := int64(0), int64(0)
	for b.Loop() {
		for r := range m.Ranges(off, 1<<20) {
			sum += r.Len
		}
		if off += 1 << 20; off >= m.size {
			off = 0
		}
	}
	_ = sum
}

func BenchmarkDigest(b *testing.B) {
	m := bigMap(b)
	b.SetBytes(m.memory())
	for b.Loop() {
		m.Digest()
	}
}

// BenchmarkFree is the free space of 1 TiB, in runs of 4 KiB to 4 MiB.
func BenchmarkFree(b *testing.B) {
	for b.Loop() {
		bigMap(b)
	}
}
