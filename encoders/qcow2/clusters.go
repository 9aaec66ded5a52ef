package qcow2

import (
	"fmt"

	"migimg/blockmap"
)

// clusters is the map in the image's clusters. They may be larger than the
// map's, which is then coarsened, or smaller: then each of the map's clusters
// is split.
type clusters struct {
	m     *blockmap.Map
	size  int64 // of an image cluster in bytes
	split int64 // image clusters in one of m's, a power of two
	total int64 // clusters of the disk
	count int64 // carried ones
}

func newClusters(m *blockmap.Map, cs int64) (clusters, error) {
	split := int64(1)
	switch {
	case cs%m.ClusterSize() == 0:
		m = m.Coarsen(cs)
	case m.ClusterSize()%cs == 0 && cs*(cs/entryLen)%m.ClusterSize() == 0:
		split = m.ClusterSize() / cs
	default:
		return clusters{}, fmt.Errorf("qcow2: clusters of %d bytes do not go into the map's of %d; choose a larger cluster size", cs, m.ClusterSize())
	}
	c := clusters{m: m, size: cs, split: split, total: ceil(m.Size(), cs)}
	c.count = c.rank(c.total)
	return c, nil
}

// carried says whether cluster c of the disk is in the image.
func (s clusters) carried(c int64) bool { return s.m.Carried(c / s.split) }

// rank is how many clusters before c are in the image, 0 <= c <= total.
func (s clusters) rank(c int64) int64 {
	whole := c / s.split
	r := s.m.Rank(whole) * s.split
	if rest := c % s.split; rest != 0 && s.m.Carried(whole) {
		r += rest
	}
	return r
}

// selectOne is the k-th cluster that is in the image.
func (s clusters) selectOne(k int64) int64 {
	return s.m.Select(k/s.split)*s.split + k%s.split
}

// device is where the k-th cluster that is in the image begins on the disk.
func (s clusters) device(k int64) int64 { return s.selectOne(k) * s.size }
