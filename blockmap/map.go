package blockmap

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"
	"math/bits"
)

// DefaultClusterSize is the map's unit unless it is told otherwise, in bytes.
const DefaultClusterSize = 64 << 10

// Map says which clusters of a device an image must carry. It is immutable and
// safe for concurrent use. Clusters are numbered from 0; the last one may reach
// beyond the device's end.
type Map struct {
	size    int64
	cluster int64
	bits    bitmap
	masks   *masks // nil in a coarsened map
}

// NewMap returns a map of a device of size bytes that carries everything. It is
// what a test or a caller without scanners starts from; [Scan] makes the others.
// clusterSize is a power of two from 4 KiB up to 64 KiB.
func NewMap(size, clusterSize int64) (*Map, error) {
	m, err := newMap(size, clusterSize)
	if err != nil {
		return nil, err
	}
	m.bits.index()
	return m, nil
}

// newMap is NewMap before the index is built: free and carry may follow.
func newMap(size, clusterSize int64) (*Map, error) {
	if clusterSize < 4096 || clusterSize > maxClusterSize || clusterSize&(clusterSize-1) != 0 {
		return nil, fmt.Errorf("a map's cluster size is a power of two from 4096 to %d, not %d", maxClusterSize, clusterSize)
	}
	if size < 0 || size/clusterSize >= maxBits {
		return nil, fmt.Errorf("a device of %d bytes has too many clusters of %d bytes: the limit is %d; use larger clusters", size, clusterSize, int64(maxBits))
	}
	n := (size + clusterSize - 1) / clusterSize
	return &Map{size: size, cluster: clusterSize, bits: newBitmap(n), masks: newMasks(n)}, nil
}

// FromRanges makes a map that carries exactly the given ranges, widened to
// whole sectors. It serves tests and maps that were saved as text.
func FromRanges(size, clusterSize int64, carried iter.Seq[Range]) (*Map, error) {
	m, err := newMap(size, clusterSize)
	if err != nil {
		return nil, err
	}
	at := int64(0)
	for r := range carried {
		if r.Off < at || r.Len < 0 || r.End() > size {
			return nil, fmt.Errorf("range [%d, +%d) is out of order or leaves the device", r.Off, r.Len)
		}
		m.free(at, r.Off-at)
		at = r.End()
	}
	m.free(at, size-at)
	m.bits.index()
	return m, nil
}

// Size is the device's size in bytes.
func (m *Map) Size() int64 { return m.size }

// ClusterSize is the map's unit in bytes.
func (m *Map) ClusterSize() int64 { return m.cluster }

// Clusters is how many clusters the device has, the last one perhaps partial.
func (m *Map) Clusters() int64 { return m.bits.n }

// Count is how many clusters are carried.
func (m *Map) Count() int64 { return m.bits.ones }

// Carried says whether cluster c is carried, for 0 <= c < Clusters.
func (m *Map) Carried(c int64) bool { return m.bits.get(c) }

// Select is the cluster number of the k-th carried cluster, 0 <= k < Count.
func (m *Map) Select(k int64) int64 { return m.bits.selectOne(k) }

// Rank is how many carried clusters lie before cluster c, 0 <= c <= Clusters.
func (m *Map) Rank(c int64) int64 { return m.bits.rank(c) }

// Next is the first cluster from c on that is carried (or, with false, free);
// Clusters if there is none.
func (m *Map) Next(c int64, carried bool) int64 { return m.bits.next(c, carried) }

// Extent is how many bytes from device offset off on are alike to the cluster,
// and whether they are carried. Nothing is from the map's end on.
func (m *Map) Extent(off int64) (n int64, carried bool) {
	if off >= m.size {
		return math.MaxInt64 - off, false
	}
	c := off / m.cluster
	carried = m.bits.get(c)
	return min(m.size, m.bits.next(c, !carried)*m.cluster) - off, carried
}

// ClusterBytes is how much of the device the carried clusters cover, in bytes.
func (m *Map) ClusterBytes() int64 {
	n := m.bits.ones * m.cluster
	if tail := m.size % m.cluster; tail != 0 && m.bits.get(m.bits.n-1) {
		n -= m.cluster - tail
	}
	return n
}

// Coarsen is the map in larger clusters: a cluster is carried if any part of it
// is. clusterSize is a multiple of the map's own; the same size gives the map
// itself.
func (m *Map) Coarsen(clusterSize int64) *Map {
	f := clusterSize / m.cluster
	if f < 1 || clusterSize%m.cluster != 0 {
		panic(fmt.Sprintf("blockmap: cannot coarsen clusters of %d bytes to %d", m.cluster, clusterSize))
	}
	if f == 1 {
		return m
	}
	n := (m.size + clusterSize - 1) / clusterSize
	c := &Map{size: m.size, cluster: clusterSize, bits: bitmap{n: n, words: make([]uint64, (n+63)/64)}}
	for i := m.bits.next(0, true); i < m.bits.n; i = m.bits.next((i/f+1)*f, true) {
		c.bits.set(i / f)
	}
	c.bits.index()
	return c
}

// Unmasked is how many partly free clusters are carried without a mask, because
// the disk has more of them than memory was set aside for. Their free blocks
// are read as they are.
func (m *Map) Unmasked() int64 {
	if m.masks == nil {
		return 0
	}
	return m.masks.dropped
}

// WriteDigest writes what makes the map the map to w, which is a hash: its
// geometry, its bits and its masks.
func (m *Map) WriteDigest(w io.Writer) {
	// In chunks: a write for each of the 4 million words of a 16 TiB disk takes
	// longer than hashing them.
	b := make([]byte, 0, 32<<10)
	put := func(v ...uint64) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
		if len(b) > cap(b)-64 {
			_, _ = w.Write(b) // a hash never fails
			b = b[:0]
		}
	}
	put(uint64(m.size), uint64(m.cluster))
	for _, x := range m.bits.words {
		put(x)
	}
	if m.masks != nil {
		for i, g := range m.masks.groups {
			if g == nil {
				continue
			}
			for j := range g.low {
				put(uint64(i)<<16|uint64(g.low[j]), g.mask[j][0], g.mask[j][1])
			}
		}
	}
	_, _ = w.Write(b)
}

// Digest is the SHA-256 of the map.
func (m *Map) Digest() (sum [32]byte) {
	h := sha256.New()
	m.WriteDigest(h)
	h.Sum(sum[:0])
	return sum
}

// memory is what the map takes, in bytes; the tests hold it to its promise.
func (m *Map) memory() int64 {
	n := int64(len(m.bits.words))*8 + int64(len(m.bits.ranks))*4 + int64(cap(m.bits.samples))*4
	if m.masks != nil {
		n += int64(len(m.masks.groups))*bits.UintSize/8 + m.masks.count*18
	}
	return n
}
