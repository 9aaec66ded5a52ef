package blockmap

import (
	"fmt"
	"io"
	"sort"
)

// Several disks are mapped at once in a space, in which they lie one after the other:
// what lies on more than one of them then has its place like everything else, and a map
// of the space is one of all disks. Between them is nothing.

// spaceAlign is where disks begin in a space, in bytes: a whole number of groups of
// masks, so that a disk's map is a slice of the space's.
const spaceAlign = groupClusters * maxClusterSize

// Place is where a disk lies in a space.
type Place struct {
	// Name is that of its volume; see [VolumeInfo].
	Name string
	Range
	// SectorSize is the disk's, in bytes; 0 where it is not known.
	SectorSize int64
}

// Arrange gives disks, of which Name, Len and SectorSize are set, their places, and
// returns the space's size in bytes. A disk alone is its own space.
func Arrange(disks []Place) (size int64) {
	for i := range disks {
		disks[i].Off = (size + spaceAlign - 1) / spaceAlign * spaceAlign
		size = disks[i].End()
	}
	return size
}

// Join reads a space: each disk by its own layer, which knows nothing of the place, and
// zeros between them. at are the places in their order.
func Join(at []Place, layers []Layer) Layer {
	if len(layers) == 1 {
		return layers[0]
	}
	return &joined{at, layers}
}

type joined struct {
	at     []Place
	layers []Layer
}

func (j *joined) ReadAt(p []byte, off int64) (int, error) {
	return j.read(p, off, func(l Layer) func([]byte, int64) (int, error) { return l.ReadAt })
}

func (j *joined) ReadSpeculative(p []byte, off int64) (int, error) {
	return j.read(p, off, func(l Layer) func([]byte, int64) (int, error) { return l.ReadSpeculative })
}

func (j *joined) read(p []byte, off int64, by func(Layer) func([]byte, int64) (int, error)) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at %d: a negative offset", off)
	}
	i := sort.Search(len(j.at), func(i int) bool { return j.at[i].End() > off })
	for ; n < len(p) && i < len(j.at); i++ {
		d, at := j.at[i], off+int64(n)
		if gap := min(d.Off-at, int64(len(p)-n)); gap > 0 {
			clear(p[n : n+int(gap)])
			n += int(gap)
			at += gap
		}
		part := p[n : n+int(min(d.End()-at, int64(len(p)-n)))]
		if len(part) == 0 {
			break
		}
		m, err := by(j.layers[i])(part, at-d.Off)
		if n += m; m < len(part) {
			return n, orEOF(err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Shift is the part of a layer from off on, as a layer of its own.
func Shift(l Layer, off int64) Layer {
	if off == 0 {
		return l
	}
	return shifted{l, off}
}

type shifted struct {
	below Layer
	off   int64
}

func (s shifted) ReadAt(p []byte, off int64) (int, error) { return s.below.ReadAt(p, s.off+off) }
func (s shifted) ReadSpeculative(p []byte, off int64) (int, error) {
	return s.below.ReadSpeculative(p, s.off+off)
}

// Slice is the map of the disk at a place of the map's space.
func (m *Map) Slice(at Place) *Map {
	if at.Off == 0 && at.Len == m.size {
		return m
	}
	first, n := at.Off/m.cluster, (at.Len+m.cluster-1)/m.cluster
	s := &Map{size: at.Len, cluster: m.cluster, bits: bitmap{n: n, words: make([]uint64, (n+63)/64)}, masks: newMasks(n)}
	copy(s.bits.words, m.bits.words[first/64:])
	if r := n % 64; r != 0 {
		s.bits.words[len(s.bits.words)-1] &= 1<<r - 1
	}
	copy(s.masks.groups, m.masks.groups[first/groupClusters:])
	for _, g := range s.masks.groups {
		if g != nil {
			s.masks.count += int64(len(g.low))
		}
	}
	s.trim(n - 1)
	s.bits.index()
	return s
}

// trim makes the mask of the last cluster, c, one of a map that ends there.
func (m *Map) trim(c int64) {
	i := c / groupClusters
	if c < 0 || m.masks.groups[i] == nil || m.masks.get(c) == nil {
		return
	}
	g := m.masks.groups[i] // of the space, too
	m.masks.groups[i] = &maskGroup{low: append([]uint16(nil), g.low...), mask: append([]mask(nil), g.mask...)}
	k, n := m.masks.get(c), m.sectorsIn(c)
	k.clearRange(n, m.cluster/maskBlock)
	switch k.count() {
	case n:
		m.bits.clear(c)
		m.masks.drop(c)
	case 0:
		m.masks.drop(c)
	}
}
