package blockmap

import (
	"math/bits"
	"sort"
)

// maskBlock is the grain, in bytes, at which free space inside a partly free
// cluster is known: a sector, so that filesystems on disks whose partitions
// start at sector 63 are masked exactly too.
const maskBlock = 512

// maxClusterSize bounds a map's own cluster, so that a mask fits: 128 sectors.
const maxClusterSize = 128 * maskBlock

// maxMasks bounds the memory for masks (18 bytes each, so 72 MiB). A disk with
// more partly free clusters than that has the rest carried as they are.
const maxMasks = 4 << 20

// mask has a one for each free sector of a cluster.
type mask [2]uint64

func (m *mask) setRange(i, j int64) {
	lo, hi := ones(i, j)
	m[0] |= lo
	m[1] |= hi
}

func (m *mask) clearRange(i, j int64) {
	lo, hi := ones(i, j)
	m[0] &^= lo
	m[1] &^= hi
}

// ones has ones in [i, j), 0 <= i <= j <= 128, in two words.
func ones(i, j int64) (lo, hi uint64) {
	below := func(n int64) uint64 { // n ones, for any n
		switch {
		case n <= 0:
			return 0
		case n >= 64:
			return ^uint64(0)
		}
		return 1<<n - 1
	}
	return below(j) &^ below(i), below(j-64) &^ below(i-64)
}

func (m *mask) count() int64 {
	return int64(bits.OnesCount64(m[0]) + bits.OnesCount64(m[1]))
}

// next is the first sector from i on whose freedom is v, or n.
func (m *mask) next(i, n int64, v bool) int64 {
	for w := i / 64; i < n; w++ {
		x := m[w]
		if !v {
			x = ^x
		}
		if x = x >> (i % 64) << (i % 64); x != 0 {
			return min(n, w*64+int64(bits.TrailingZeros64(x)))
		}
		i = (w + 1) * 64
	}
	return n
}

// masks maps clusters to masks. Clusters are grouped by 4096, each group a
// sorted pair of slices: scanners free in ascending order, so adding is nearly
// always an append.
type masks struct {
	groups []*maskGroup
	count  int64
	// dropped counts the clusters left unmasked because of maxMasks.
	dropped int64
}

const groupClusters = 4096

type maskGroup struct {
	low  []uint16
	mask []mask
}

func newMasks(clusters int64) *masks {
	return &masks{groups: make([]*maskGroup, (clusters+groupClusters-1)/groupClusters)}
}

func (g *maskGroup) find(c int64) (int, bool) {
	low, n := uint16(c%groupClusters), len(g.low)
	if n == 0 || g.low[n-1] < low { // the usual place: at the end
		return n, false
	}
	i := sort.Search(n, func(i int) bool { return g.low[i] >= low })
	return i, i < n && g.low[i] == low
}

// get returns the cluster's mask, or nil where all of it is alike.
func (m *masks) get(c int64) *mask {
	g := m.groups[c/groupClusters]
	if g == nil {
		return nil
	}
	i, ok := g.find(c)
	if !ok {
		return nil
	}
	return &g.mask[i]
}

// ensure returns the cluster's mask, adding an empty one; nil when there are
// too many.
func (m *masks) ensure(c int64) *mask {
	g := m.groups[c/groupClusters]
	if g == nil {
		g = &maskGroup{}
		m.groups[c/groupClusters] = g
	}
	i, ok := g.find(c)
	if ok {
		return &g.mask[i]
	}
	if m.count >= maxMasks {
		m.dropped++
		return nil
	}
	m.count++
	g.low = append(g.low, 0)
	copy(g.low[i+1:], g.low[i:])
	g.low[i] = uint16(c % groupClusters)
	g.mask = append(g.mask, mask{})
	copy(g.mask[i+1:], g.mask[i:])
	g.mask[i] = mask{}
	return &g.mask[i]
}

// drop removes the cluster's mask.
func (m *masks) drop(c int64) {
	g := m.groups[c/groupClusters]
	if g == nil {
		return
	}
	if i, ok := g.find(c); ok {
		g.low = append(g.low[:i], g.low[i+1:]...)
		g.mask = append(g.mask[:i], g.mask[i+1:]...)
		m.count--
	}
}

// dropRange removes the masks of the clusters [i, j).
func (m *masks) dropRange(i, j int64) {
	for i < j {
		stop := min(j, (i/groupClusters+1)*groupClusters)
		if g := m.groups[i/groupClusters]; g != nil {
			a, _ := g.find(i)
			b := len(g.low)
			if stop%groupClusters != 0 {
				b, _ = g.find(stop)
			}
			m.count -= int64(b - a)
			g.low = append(g.low[:a], g.low[b:]...)
			g.mask = append(g.mask[:a], g.mask[b:]...)
		}
		i = stop
	}
}
