package xfs

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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

// readBatch reads blocks side by side into buf. Blocks that are neighbours on
// the disk, whatever their order in the tree, are read together.
func (w *walk) readBatch(ctx context.Context, batch []uint32, buf []byte) error {
	size := w.f.sb.blockSize
	order := make([]int, 0, len(batch))
	for i, no := range batch {
		if b := w.g.cached(int64(no), size); b != nil {
			copy(buf[int64(i)*size:], b)
			continue
		}
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(batch[a], batch[b]) })
	wait, ctx := reads(ctx)
	for len(order) > 0 {
		k := 1
		start := int64(batch[order[0]])
		for k < len(order) {
			prev, next := int64(batch[order[k-1]]), int64(batch[order[k]])
			if (next-prev-1)*size > joinGap || (next+1-start)*size > maxRead {
				break
			}
			k++
		}
		run := order[:k]
		order = order[k:]
		wait.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return w.readRun(batch, run, buf)
		})
	}
	return wait.Wait()
}

// readRun reads the blocks of batch that run numbers, from the first on the
// disk to the last, into their places in buf. If that fails, perhaps only for
// what lies between them, it reads them one by one.
func (w *walk) readRun(batch []uint32, run []int, buf []byte) error {
	size := w.f.sb.blockSize
	first := int64(batch[run[0]])
	slot := func(i int) []byte { return buf[int64(i)*size:][:size] }
	if len(run) > 1 {
		p := make([]byte, (int64(batch[run[len(run)-1]])+1-first)*size)
		if blockmap.ReadFull(w.f.v, p, w.f.sb.offset(w.g.no, first)) == nil {
			for _, i := range run {
				copy(slot(i), p[(int64(batch[i])-first)*size:])
			}
			return nil
		}
	}
	for _, i := range run {
		no := int64(batch[i])
		if err := w.f.read(slot(i), w.f.sb.offset(w.g.no, no), fmt.Sprintf("AG %d: bnobt block %d", w.g.no, no)); err != nil {
			return err
		}
	}
	return nil
}
