package blockmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// model is a map as it should be: for each sector, whether it is carried.
type model struct {
	size    int64
	carried []bool
}

func newModel(size int64) *model {
	m := &model{size, make([]bool, (size+511)/512)}
	for i := range m.carried {
		m.carried[i] = true
	}
	return m
}

// free frees the whole sectors in [off, off+n); the last sector of a device is
// whole if the range reaches the end.
func (m *model) free(off, n int64) {
	for i := range m.carried {
		if s, e := int64(i)*512, min(int64(i+1)*512, m.size); s >= off && e <= off+n {
			m.carried[i] = false
		}
	}
}

// carry carries every sector that the range touches.
func (m *model) carry(off, n int64) {
	for i := range m.carried {
		if s := int64(i) * 512; n > 0 && s < off+n && s+512 > off {
			m.carried[i] = true
		}
	}
}

// ranges is the carried bytes of [off, off+n).
func (m *model) ranges(off, n int64) (out []Range) {
	end := min(off+n, m.size)
	for i, c := range m.carried {
		a, b := max(int64(i)*512, off), min(int64(i+1)*512, end)
		switch {
		case !c || a >= b:
		case len(out) > 0 && out[len(out)-1].End() == a:
			out[len(out)-1].Len += b - a
		default:
			out = append(out, Range{a, b - a})
		}
	}
	return out
}

func (m *model) cluster(c, size int64) bool {
	return len(m.ranges(c*size, size)) > 0
}

// compare holds a finished map against the model.
func compare(t *testing.T, m *Map, want *model, r *rand.Rand) {
	t.Helper()
	if got, want := slices.Collect(m.Ranges(0, m.size)), want.ranges(0, m.size); !slices.Equal(got, want) {
		t.Fatalf("ranges %v, want %v", got, want)
	}
	total, count := int64(0), int64(0)
	clusterBytes := int64(0)
	for c := range m.Clusters() {
		is := want.cluster(c, m.cluster)
		if m.Carried(c) != is || m.Rank(c) != count {
			t.Fatalf("cluster %d: carried %v, rank %d; want %v, %d", c, m.Carried(c), m.Rank(c), is, count)
		}
		if is {
			if m.Select(count) != c {
				t.Fatalf("select %d = %d, want %d", count, m.Select(count), c)
			}
			count++
			clusterBytes += min(m.cluster, m.size-c*m.cluster)
		}
	}
	for _, x := range want.ranges(0, m.size) {
		total += x.Len
	}
	if m.Count() != count || m.Bytes() != total || m.ClusterBytes() != clusterBytes {
		t.Fatalf("count %d, bytes %d, cluster bytes %d; want %d, %d, %d", m.Count(), m.Bytes(), m.ClusterBytes(), count, total, clusterBytes)
	}
	for range 20 {
		off := r.Int64N(m.size)
		n := r.Int64N(m.size - off + 1)
		if got, want := slices.Collect(m.Ranges(off, n)), want.ranges(off, n); !slices.Equal(got, want) {
			t.Fatalf("ranges of [%d, +%d): %v, want %v", off, n, got, want)
		}
		length, carried := m.Extent(off)
		if carried != m.Carried(off/m.cluster) || length < 1 || off+length > m.size {
			t.Fatalf("extent at %d: %d, %v", off, length, carried)
		}
		for c := off / m.cluster; c*m.cluster < off+length; c++ {
			if m.Carried(c) != carried {
				t.Fatalf("extent at %d: cluster %d differs", off, c)
			}
		}
		if end := off + length; end < m.size && m.Carried(end/m.cluster) == carried {
			t.Fatalf("extent at %d ends at %d, too early", off, end)
		}
	}
	for _, f := range []int64{1, 2, 4, 32} {
		k := m.Coarsen(m.cluster * f)
		if k.ClusterSize() != m.cluster*f || k.Size() != m.size {
			t.Fatalf("coarsened to %d of %d", k.ClusterSize(), k.Size())
		}
		n := int64(0)
		for c := range k.Clusters() {
			is := want.cluster(c, k.cluster)
			if k.Carried(c) != is {
				t.Fatalf("coarsened by %d: cluster %d carried %v", f, c, k.Carried(c))
			}
			if is {
				n++
			}
		}
		if n != k.Count() {
			t.Fatalf("coarsened by %d: count %d, want %d", f, k.Count(), n)
		}
	}
}

func TestMapAgainstModel(t *testing.T) {
	sizes := []int64{1, 511, 512, 513, 4096, 65535, 65536, 65537, 1 << 20, 1<<20 + 1, 3<<20 + 511, 5<<20 - 1, 1234567}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		size := sizes[r.IntN(len(sizes))]
		cluster := int64(4096) << r.IntN(5)
		t.Run(fmt.Sprintf("%d/%d/%d", seed, size, cluster), func(t *testing.T) {
			m, err := newMap(size, cluster)
			if err != nil {
				t.Fatal(err)
			}
			want := newModel(size)
			for range r.IntN(60) {
				off := r.Int64N(size)
				n := r.Int64N(size - off + 1)
				if r.IntN(2) == 0 {
					n = min(n, r.Int64N(3*cluster))
				}
				switch r.IntN(4) { // scanners free in whole blocks, mostly
				case 0:
					off, n = off&^511, n&^511
				case 1:
					off, n = off&^4095, n&^4095
				case 2:
					n = size - off
				}
				if r.IntN(4) == 0 {
					m.carry(off, n)
					want.carry(off, n)
				} else {
					m.free(off, n)
					want.free(off, n)
				}
			}
			masks := int64(0)
			for _, g := range m.masks.groups {
				if g != nil {
					masks += int64(len(g.low))
				}
			}
			if masks != m.masks.count {
				t.Errorf("%d masks are counted as %d", masks, m.masks.count)
			}
			m.bits.index()
			compare(t, m, want, r)

			again, err := FromRanges(size, cluster, m.Ranges(0, size))
			if err != nil {
				t.Fatal(err)
			}
			if again.Digest() != m.Digest() {
				t.Error("a map made of the map's ranges has another digest")
			}
		})
	}
}

// TestFreeSmall: what is not a whole sector frees nothing.
func TestFreeSmall(t *testing.T) {
	for _, c := range []Range{{0, 0}, {512, 0}, {512, 100}, {100, 50}, {100, 500}, {1000, 512}, {65536, 0}, {65000, 500}, {1 << 20, 0}} {
		m, err := newMap(1<<20, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		m.free(c.Off, c.Len)
		m.bits.index()
		if m.Bytes() != m.size {
			t.Errorf("freeing [%d, +%d) freed %d bytes", c.Off, c.Len, m.size-m.Bytes())
		}
	}
}

func TestMapLimits(t *testing.T) {
	for _, c := range []struct {
		name          string
		size, cluster int64
		want          string
	}{
		{"no power of two", 1 << 20, 12288, "power of two"},
		{"too small", 1 << 20, 2048, "power of two"},
		{"too large", 1 << 20, 128 << 10, "power of two"},
		{"negative", -1, 65536, "too many"},
		{"too many", 1 << 60, 4096, "too many"},
		{"empty", 0, 65536, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := NewMap(c.size, c.cluster)
			switch {
			case c.want == "" && (err != nil || m.Count() != 0 || m.Bytes() != 0 || m.ClusterBytes() != 0):
				t.Errorf("%v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestFromRangesErrors(t *testing.T) {
	for _, rs := range [][]Range{{{0, 1 << 21}}, {{4096, 4096}, {0, 512}}, {{0, 8192}, {4096, 4096}}, {{-1, 4096}}, {{0, -1}}} {
		if _, err := FromRanges(1<<20, 65536, slices.Values(rs)); err == nil {
			t.Errorf("%v: no error", rs)
		}
	}
}

// TestRangesStops: an iteration that is left ends there.
func TestRangesStops(t *testing.T) {
	m, err := FromRanges(1<<20, 65536, slices.Values([]Range{{0, 512}, {4096, 512}, {70000 &^ 511, 512}, {300 << 10, 512}}))
	if err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop <= 4; stop++ {
		n := 0
		for range m.Ranges(0, 1<<20) {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("%d ranges, want %d", n, stop)
		}
	}
	for _, c := range []Range{{-1, 100}, {1 << 20, 1}, {0, 0}, {0, -5}} {
		for r := range m.Ranges(c.Off, c.Len) {
			t.Errorf("%v yields %v", c, r)
		}
	}
	if n := len(slices.Collect(m.Ranges(0, 1<<63-1))); n != 4 {
		t.Errorf("%d ranges in all", n)
	}
}

// TestDigest pins the digest's meaning: size, cluster size, bits, masks, as
// little-endian words.
func TestDigest(t *testing.T) {
	m, err := FromRanges(20<<30, 64<<10, slices.Values([]Range{{0, 70000 &^ 511}, {5 << 30, 1 << 30}}))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	put := func(x uint64) { _ = binary.Write(&b, binary.LittleEndian, x) }
	put(20 << 30)
	put(64 << 10)
	for _, w := range m.bits.words {
		put(w)
	}
	put(1) // the second cluster is carried to its 8th sector
	put(0xffff_ffff_ffff_ff00)
	put(^uint64(0))
	if m.Digest() != sha256.Sum256(b.Bytes()) {
		t.Error("the digest's meaning has changed")
	}
}

func TestVolumes(t *testing.T) {
	dev := Bytes(bytes.NewReader(make([]byte, 10000)), 10000, 512)
	part, err := Section(dev, 512, 9000)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := Section(part, 1024, 100)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(inner.Ranges(10, 50)); !slices.Equal(got, []Range{{1546, 50}}) {
		t.Errorf("%v", got)
	}
	if inner.SectorSize() != 512 || inner.Size() != 100 {
		t.Errorf("%d, %d", inner.SectorSize(), inner.Size())
	}
	for _, c := range []Range{{-1, 5}, {0, -1}, {0, 9001}, {9001, 0}, {8999, 2}, {1 << 62, 1 << 62}} {
		if _, err := Section(part, c.Off, c.Len); err == nil {
			t.Errorf("section %v of a volume of 9000 bytes", c)
		}
	}
}
