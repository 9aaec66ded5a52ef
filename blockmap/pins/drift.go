package pins

import (
	"io"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"sync"

	"migimg/blockmap"
)

// Drift is a layer over a device that remembers what it served that had been
// written since T0. A read is T0's if nothing of it was written when it returned:
// the tracker knows of a write before it reaches the disk. It is safe for
// concurrent use.
type Drift struct {
	dev io.ReaderAt

	mu      sync.RWMutex
	written func(off, n int64) bool // nil before T0
	moved   map[int64]uint64        // a bit a block, 64 of them a word
}

// NewDrift returns a layer that remembers nothing until Begin.
func NewDrift(dev io.ReaderAt) *Drift { return &Drift{dev: dev, moved: map[int64]uint64{}} }

// Begin is T0. written says whether any of [off, off+n) was written since; where it
// cannot know, it says yes.
func (d *Drift) Begin(written func(off, n int64) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written = written
	clear(d.moved)
}

// ReadAt reads from the device.
func (d *Drift) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.dev.ReadAt(p, off)
	d.note(off, int64(n))
	return n, err
}

// ReadSpeculative reads as the layer below does for a view that reads in vain, too.
func (d *Drift) ReadSpeculative(p []byte, off int64) (int, error) {
	s, ok := d.dev.(blockmap.Speculative)
	if !ok {
		return d.ReadAt(p, off)
	}
	n, err := s.ReadSpeculative(p, off)
	d.note(off, int64(n))
	return n, err
}

func (d *Drift) note(off, n int64) {
	d.mu.RLock()
	written := d.written
	d.mu.RUnlock()
	if written == nil || n == 0 || !written(off, n) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := off / blockSize; b*blockSize < off+n; b++ {
		if written(b*blockSize, blockSize) {
			d.moved[b/64] |= 1 << (b % 64)
		}
	}
}

// Served yields what was served after it had been written, ascending, to 4 KiB.
func (d *Drift) Served() iter.Seq[blockmap.Range] {
	d.mu.RLock()
	moved := maps.Clone(d.moved)
	d.mu.RUnlock()
	return func(yield func(blockmap.Range) bool) {
		var run blockmap.Range
		for _, w := range slices.Sorted(maps.Keys(moved)) {
			for x := moved[w]; x != 0; x &= x - 1 {
				off := (w*64 + int64(bits.TrailingZeros64(x))) * blockSize
				if run.Len > 0 && run.End() == off {
					run.Len += blockSize
					continue
				}
				if run.Len > 0 && !yield(run) {
					return
				}
				run = blockmap.Range{Off: off, Len: blockSize}
			}
		}
		if run.Len > 0 {
			yield(run)
		}
	}
}
