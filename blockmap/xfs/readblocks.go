package xfs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"migimg/blockmap"
)

const (
	// batchBytes bounds the blocks of a tree that are in memory at once.
	batchBytes = 4 << 20
	// maxRead bounds one read, in bytes.
	maxRead = 1 << 20
	// joinGap is how much between two blocks is read in vain rather than in two
	// requests, in bytes.
	joinGap = 32 << 10
)

// eachBlock reads the level's blocks and calls do with each, in order.
func (w *walk) eachBlock(ctx context.Context, do func(i int, b []byte) error) error {
	size := w.f.sb.blockSize
	n := int(batchBytes / size)
	buf := make([]byte, int64(min(n, len(w.blocks)))*size)
	for first := 0; first < len(w.blocks); first += n {
		batch := w.blocks[first:min(first+n, len(w.blocks))]
		if err := w.readBatch(ctx, batch, buf); err != nil {
			return err
		}
		for i := range batch {
			if err := do(first+i, buf[int64(i)*size:][:size]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBatch reads blocks side by side into buf.
func (w *walk) readBatch(ctx context.Context, batch []uint32, buf []byte) error {
	size := w.f.sb.blockSize
	at := make([]int64, len(batch))
	for i, no := range batch {
		if b := w.g.cached(int64(no), size); b != nil {
			copy(buf[int64(i)*size:], b)
			at[i] = inMemory
			continue
		}
		at[i] = w.f.sb.offset(w.g.no, int64(no))
	}
	failed, err := w.f.readBlocks(ctx, at, size, buf)
	for i, why := range failed {
		if why != nil {
			return fmt.Errorf("xfs: AG %d: %s block %d at byte %d: %w", w.g.no, w.kind.name, batch[i], at[i], why)
		}
	}
	return err
}

// inMemory is in the place of a block's offset where the block need not be read.
const inMemory = -1

// readBlocks reads blocks of size bytes, that at byte at[i] of the volume into
// place i of buf. Blocks that are neighbours on the disk, whatever their order,
// are read together. failed is nil, or why each block could not be read; err is
// the context's alone.
func (f *fsys) readBlocks(ctx context.Context, at []int64, size int64, buf []byte) (failed []error, err error) {
	order := make([]int, 0, len(at))
	for i := range at {
		if at[i] != inMemory {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	all := make([]error, len(at))
	var bad atomic.Bool
	wait, ctx := reads(ctx)
	for len(order) > 0 {
		k := 1
		for k < len(order) && at[order[k]]-at[order[k-1]] <= size+joinGap && at[order[k]]+size-at[order[0]] <= maxRead {
			k++
		}
		run := order[:k]
		order = order[k:]
		wait.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !f.readRun(at, run, size, buf, all) {
				bad.Store(true)
			}
			return nil
		})
	}
	if err := wait.Wait(); err != nil || !bad.Load() {
		return nil, err
	}
	return all, nil
}

// readRun reads the blocks that run numbers, from the first on the disk to the
// last, into their places in buf. If that fails, perhaps only for what lies
// between them, it reads them one by one, and says whether it has them all.
func (f *fsys) readRun(at []int64, run []int, size int64, buf []byte, failed []error) bool {
	first := at[run[0]]
	slot := func(i int) []byte { return buf[int64(i)*size:][:size] }
	if len(run) > 1 {
		p := make([]byte, at[run[len(run)-1]]+size-first)
		if blockmap.ReadFull(f.v, p, first) == nil {
			for _, i := range run {
				copy(slot(i), p[at[i]-first:])
			}
			return true
		}
	}
	good := true
	for _, i := range run {
		if failed[i] = blockmap.ReadFull(f.v, slot(i), at[i]); failed[i] != nil {
			good = false
		}
	}
	return good
}
