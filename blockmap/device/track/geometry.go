package track

import (
	"fmt"
	"iter"
	"math/bits"
	"os"

	"migimg/blockmap"
)

const (
	// minGrain is the usual grain, in bytes: a page, what most writes are made of.
	minGrain = 4096
	// maxBitmap bounds the bitmap of one epoch, in bytes.
	maxBitmap = 32 << 20
)

// geometry is how a disk is cut into grains, one bit each.
type geometry struct {
	size  int64 // of the disk, bytes
	shift uint  // a grain is 1<<shift bytes
	words int64 // 64 grains each; rounded up to whole pages
}

func newGeometry(size, grain int64) (geometry, error) {
	if size < 512 {
		return geometry{}, fmt.Errorf("a disk of %d bytes cannot be tracked", size)
	}
	if grain == 0 {
		for grain = minGrain; bitmapBytes(size, grain) > maxBitmap; {
			grain *= 2
		}
	}
	if grain < 512 || grain > 1<<30 || grain&(grain-1) != 0 {
		return geometry{}, fmt.Errorf("a grain of %d bytes: it must be a power of two of at least 512 and at most 1 GiB", grain)
	}
	if bitmapBytes(size, grain) > maxBitmap {
		return geometry{}, fmt.Errorf("a grain of %d bytes is too small for a disk of %d: one bit for each would need more than %d MiB", grain, size, maxBitmap>>20)
	}
	page := int64(os.Getpagesize())
	return geometry{
		size:  size,
		shift: uint(bits.TrailingZeros64(uint64(grain))),
		words: (bitmapBytes(size, grain) + page - 1) / page * page / 8,
	}, nil
}

func bitmapBytes(size, grain int64) int64 {
	grains := (size-1)/grain + 1
	return (grains + 7) / 8
}

func (g geometry) grain() int64   { return 1 << g.shift }
func (g geometry) sectors() int64 { return g.size / 512 }

// grains are the first and the last grain of [off, off+n), if any is on the disk.
func (g geometry) grains(off, n int64) (first, last int64, ok bool) {
	if n <= 0 || off >= g.size {
		return 0, 0, false
	}
	if off < 0 {
		if n += off; n <= 0 {
			return 0, 0, false
		}
		off = 0
	}
	n = min(n, g.size-off)
	return off >> g.shift, (off + n - 1) >> g.shift, true
}

// mask is the bits of grains first to last that lie in a word.
func mask(word, first, last int64) uint64 {
	m := ^uint64(0)
	if word == first>>6 {
		m <<= uint(first & 63)
	}
	if word == last>>6 {
		m &= ^uint64(0) >> uint(63-last&63)
	}
	return m
}

// any says whether a grain of [off, off+n) is set in words.
func (g geometry) any(off, n int64, words func(i int64) uint64) bool {
	first, last, ok := g.grains(off, n)
	if !ok {
		return false
	}
	for w := first >> 6; w <= last>>6; w++ {
		if words(w)&mask(w, first, last) != 0 {
			return true
		}
	}
	return false
}

// ranges yields the set grains' ranges within [off, off+n), ascending and
// maximal.
func (g geometry) ranges(off, n int64, words func(i int64) uint64) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		first, last, ok := g.grains(off, n)
		if !ok {
			return
		}
		low := max(off, 0)
		high := min(off+n, g.size)
		if off+n < off { // overflow
			high = g.size
		}
		start := int64(-1) // of the run under way
		flush := func(end int64) bool {
			if start < 0 {
				return true
			}
			r := blockmap.Range{Off: max(start<<g.shift, low)}
			r.Len = min(end<<g.shift, high) - r.Off
			start = -1
			return yield(r)
		}
		for w := first >> 6; w <= last>>6; w++ {
			v := words(w) & mask(w, first, last)
			if v == ^uint64(0) && start >= 0 {
				continue
			}
			for bit := 0; bit < 64; {
				rest := v >> bit
				if start < 0 {
					skip := bits.TrailingZeros64(rest)
					if rest == 0 {
						break
					}
					bit += skip
					start = w<<6 + int64(bit)
					continue
				}
				run := bits.TrailingZeros64(^rest)
				bit += run
				if bit < 64 && !flush(w<<6+int64(bit)) {
					return
				}
			}
		}
		flush(last + 1)
	}
}
