package track

import (
	"errors"
	"iter"

	"migimg/blockmap"
)

// chunkWords is how many words of the bitmap a Set keeps or leaves out together:
// 4 KiB, which stand for 128 MiB of the disk at 4 KiB a grain.
const chunkWords = 512

// Set is what was written in one epoch or more. It is not safe for concurrent
// use while it is changed with Union.
type Set struct {
	geo    geometry
	chunks []*[chunkWords]uint64 // nil: nothing written there
}

func newSet(geo geometry) *Set {
	return &Set{geo: geo, chunks: make([]*[chunkWords]uint64, (geo.words+chunkWords-1)/chunkWords)}
}

// Contains says whether any grain of the range [off, off+n), in bytes, was
// written. Bytes outside of the disk never are.
func (s *Set) Contains(off, n int64) bool { return s.geo.any(off, n, s.word) }

// Ranges yields what was written of [off, off+n), in bytes, ascending and
// maximal: whole grains, but cut at the range's ends and at the disk's.
func (s *Set) Ranges(off, n int64) iter.Seq[blockmap.Range] {
	return s.geo.ranges(off, n, s.word)
}

// Bytes is how many bytes were written, in whole grains.
func (s *Set) Bytes() (total int64) {
	for r := range s.Ranges(0, s.geo.size) {
		total += r.Len
	}
	return total
}

// Union adds what another Set of the same Tracker holds.
func (s *Set) Union(o *Set) error {
	if s.geo != o.geo {
		return errors.New("two sets of writes to different disks, or of different grain, cannot be joined")
	}
	for i, c := range o.chunks {
		if c == nil {
			continue
		}
		if s.chunks[i] == nil {
			s.chunks[i] = new([chunkWords]uint64)
		}
		for j, w := range c {
			s.chunks[i][j] |= w
		}
	}
	return nil
}

func (s *Set) word(i int64) uint64 {
	if c := s.chunks[i/chunkWords]; c != nil {
		return c[i%chunkWords]
	}
	return 0
}

// put keeps a word that is not 0.
func (s *Set) put(i int64, w uint64) {
	c := &s.chunks[i/chunkWords]
	if *c == nil {
		*c = new([chunkWords]uint64)
	}
	(*c)[i%chunkWords] = w
}
