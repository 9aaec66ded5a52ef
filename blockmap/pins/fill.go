package pins

import (
	"context"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"migimg/blockmap"
)

// Load reads what of the ranges is not held, several reads at once, and keeps it.
// What cannot be read is remembered as that.
func (s *Store) Load(ctx context.Context, ranges iter.Seq[blockmap.Range]) (read int64, err error) {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for r := range s.missing(ranges) {
		if inner.Err() != nil {
			break
		}
		read += r.Len
		g.Go(func() error { return s.load(r) })
	}
	if err := g.Wait(); err != nil {
		return read, err
	}
	return read, context.Cause(ctx)
}

func (s *Store) load(r blockmap.Range) error {
	buf := make([]byte, r.Len)
	err := blockmap.ReadFull(s.dev, buf, r.Off)
	if err == nil {
		return s.put(buf, r.Off)
	}
	if r.Len > blockSize { // find the block
		for off := r.Off; off < r.End(); off += blockSize {
			if err := s.load(blockmap.Range{Off: off, Len: min(blockSize, r.End()-off)}); err != nil {
				return err
			}
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.blocks[r.Off/blockSize]; !held {
		s.bad[r.Off/blockSize] = err
	}
	return nil
}

// missing yields what of the ranges is not held, in whole blocks, joined where
// little lies between.
func (s *Store) missing(ranges iter.Seq[blockmap.Range]) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		var run blockmap.Range
		add := func(lo, hi int64) bool { // bytes
			if run.Len > 0 && (lo < run.Off || lo-run.End() > joinGap || hi-run.Off > maxRead) {
				if !yield(run) {
					return false
				}
				run = blockmap.Range{}
			}
			if run.Len == 0 {
				run.Off = lo
			}
			run.Len = max(hi, run.End()) - run.Off
			return true
		}
		for r := range ranges {
			end := min(r.End(), s.size)
			for b := r.Off / blockSize; b*blockSize < end; b++ {
				s.mu.RLock()
				held, n := s.run(b*blockSize, min(end-b*blockSize, maxRead-blockSize))
				s.mu.RUnlock()
				last := b + (n+blockSize-1)/blockSize
				if !held && !add(b*blockSize, min(last*blockSize, s.size)) {
					return
				}
				b = last - 1
			}
		}
		if run.Len > 0 {
			yield(run)
		}
	}
}

// Drop forgets the blocks that were written since.
func (s *Store) Drop(written func(off, n int64) bool) (dropped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for b, at := range s.blocks {
		if !written(b*blockSize, blockSize) {
			continue
		}
		delete(s.blocks, b)
		if at != zeroSlot {
			s.free = append(s.free, at)
		}
		dropped += blockSize
	}
	clear(s.bad) // they are few, and may have been mended
	return dropped
}

// Seal forgets all that is not in the ranges, and keeps
// nothing more from then on. It fails where a block of them was not loaded.
func (s *Store) Seal(ranges iter.Seq[blockmap.Range]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := make(map[int64]slot, len(s.blocks))
	for r := range ranges {
		for b := r.Off / blockSize; b*blockSize < r.End(); b++ {
			at, ok := s.blocks[b]
			if !ok && s.bad[b] == nil {
				return fmt.Errorf("byte %d should be pinned and is not: please report it", b*blockSize)
			}
			if ok {
				keep[b] = at
			}
		}
	}
	for b, at := range s.blocks {
		if _, ok := keep[b]; !ok && at != zeroSlot {
			s.free = append(s.free, at)
		}
	}
	for _, at := range s.free {
		if at < s.inMem {
			_ = unix.Madvise(s.memory(at), unix.MADV_DONTNEED) // else the kernel keeps it: no harm
		}
	}
	s.blocks, s.sealed = keep, true
	return nil
}
