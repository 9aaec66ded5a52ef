package scratch

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// blockSize is the unit in which what was written is kept, in bytes.
const blockSize = 4 << 10

// chunkBlocks is how many blocks one entry of the map speaks of: 1 MiB.
const chunkBlocks = 256

// overlay is a reader that can be written to: what was written is in a sparse file of
// its own, at the same places.
type overlay struct {
	base  io.ReaderAt
	size  int64
	dir   string
	spent *budget

	mu      sync.RWMutex // guards what follows
	file    *os.File     // nil until the first write
	written map[int64]*[chunkBlocks / 64]uint64
	failed  error // the first
}

// budget is how much the files of a mount may write together, in bytes.
type budget struct {
	mu   sync.Mutex
	left int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < n {
		return false
	}
	b.left -= n
	return true
}

// has needs mu.
func (o *overlay) has(block int64) bool {
	c := o.written[block/chunkBlocks]
	i := block % chunkBlocks
	return c != nil && c[i/64]>>(i%64)&1 != 0
}

// mark needs mu.
func (o *overlay) mark(block int64) {
	c := o.written[block/chunkBlocks]
	if c == nil {
		c = new([chunkBlocks / 64]uint64)
		o.written[block/chunkBlocks] = c
	}
	i := block % chunkBlocks
	c[i/64] |= 1 << (i % 64)
}

// fail keeps the first error.
func (o *overlay) fail(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed == nil {
		o.failed = err
	}
	return err
}

func (o *overlay) err() error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.failed
}

// read fills p, which lies inside.
func (o *overlay) read(p []byte, off int64) error {
	o.mu.RLock()
	err := o.readLocked(p, off)
	o.mu.RUnlock()
	if err != nil {
		return o.fail(err)
	}
	return nil
}

// readLocked needs mu. It reads as long as the blocks are alike at once.
func (o *overlay) readLocked(p []byte, off int64) error {
	for len(p) > 0 {
		block := off / blockSize
		own, end := o.has(block), block+1
		for end*blockSize < off+int64(len(p)) && o.has(end) == own {
			end++
		}
		n := min(end*blockSize-off, int64(len(p)))
		from := o.base
		if own {
			from = o.file
		}
		if m, err := from.ReadAt(p[:n], off); int64(m) < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("reading %d bytes at %d of the volume: %w", n, off, err)
		}
		p, off = p[n:], off+n
	}
	return nil
}

// write keeps p, which lies inside.
func (o *overlay) write(p []byte, off int64) error {
	o.mu.Lock()
	err := o.writeLocked(p, off)
	o.mu.Unlock()
	if err != nil {
		return o.fail(err)
	}
	return nil
}

// writeLocked needs mu.
func (o *overlay) writeLocked(p []byte, off int64) error {
	if o.file == nil {
		f, err := os.CreateTemp(o.dir, "scratch")
		if err != nil {
			return err
		}
		if err := os.Remove(f.Name()); err != nil { // so that nothing of it is ever left
			f.Close()
			return err
		}
		o.file, o.written = f, map[int64]*[chunkBlocks / 64]uint64{}
	}
	for len(p) > 0 {
		block := off / blockSize
		start := block * blockSize
		n := min(start+blockSize-off, int64(len(p)))
		fresh := !o.has(block)
		if fresh && !o.spent.take(blockSize) {
			return fmt.Errorf("the scratch space in %s is used up: %w", o.dir, syscall.ENOSPC)
		}
		b, at := p[:n], off
		if whole := min(blockSize, o.size-start); fresh && n < whole { // the rest is the reader's
			b, at = make([]byte, whole), start
			if err := o.readLocked(b, start); err != nil {
				return err
			}
			copy(b[off-start:], p[:n])
		}
		if _, err := o.file.WriteAt(b, at); err != nil {
			return fmt.Errorf("writing to the scratch in %s: %w", o.dir, err)
		}
		if fresh {
			o.mark(block)
		}
		p, off = p[n:], off+n
	}
	return nil
}

func (o *overlay) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil {
		o.file.Close()
	}
}
