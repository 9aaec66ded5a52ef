package btrfs

import "context"

// walk calls visit for each item of the tree at p, in the order of their keys;
// the item's bytes are only valid during the call. block, if set, is called with
// the address of each tree block. Every block is visited once at most, in
// however wrong a tree: its first key must be its parent's for it, and keys only
// grow.
func (f *fsys) walk(ctx context.Context, p pointer, block func(logical int64) error, visit func(k key, data []byte) error) error {
	w := &walker{f: f, ctx: ctx, block: block, visit: visit}
	p.root, p.below = true, lastKey()
	b := make([]byte, f.sb.nodeSize)
	if err := f.readBlock(b, p); err != nil {
		return err
	}
	return w.down(b, p)
}

type walker struct {
	f     *fsys
	ctx   context.Context
	block func(int64) error
	visit func(key, []byte) error
}

// down visits what is below the block b.
func (w *walker) down(b []byte, p pointer) error {
	if w.block != nil {
		if err := w.block(p.logical); err != nil {
			return err
		}
	}
	if p.level == 0 {
		return w.leaf(b)
	}
	children, err := w.f.children(b, p)
	if err != nil {
		return err
	}
	if p.level == 1 {
		return w.leaves(children)
	}
	below := make([]byte, w.f.sb.nodeSize)
	for _, c := range children {
		if err := w.f.readBlock(below, c); err != nil {
			return err
		}
		if err := w.down(below, c); err != nil {
			return err
		}
	}
	return nil
}

// leaves visits the leaves of a node, which are read many at a time, the next
// ones while some are visited.
func (w *walker) leaves(leaves []pointer) error {
	if w.f.batches[0] == nil {
		w.f.batches = [2]*batch{newBatch(w.f), newBatch(w.f)}
	}
	ctx, cancel := context.WithCancel(w.ctx)
	next := w.ahead(ctx, 0, leaves)
	defer func() {
		cancel()
		<-next.done // the buffers are used again
	}()
	for turn := 0; len(leaves) > 0; turn++ {
		now := next
		if <-now.done; now.err != nil {
			return now.err
		}
		leaves = leaves[len(now.blocks):]
		next = w.ahead(ctx, turn+1, leaves)
		for i, p := range now.blocks {
			if err := w.down(now.batch.block(i), p); err != nil {
				return err
			}
		}
	}
	return nil
}

// reading is a batch on its way.
type reading struct {
	batch  *batch
	blocks []pointer
	done   chan struct{}
	err    error
}

// ahead begins to read the first of leaves.
func (w *walker) ahead(ctx context.Context, turn int, leaves []pointer) *reading {
	b := w.f.batches[turn%2]
	r := &reading{batch: b, blocks: leaves[:min(len(leaves), b.most)], done: make(chan struct{})}
	go func() {
		defer close(r.done)
		if r.err = ctx.Err(); r.err == nil {
			r.err = b.read(ctx, r.blocks)
		}
	}()
	return r
}

func (w *walker) leaf(b []byte) error {
	for i := range int(le.Uint32(b[0x60:])) {
		if err := w.visit(item(b, i)); err != nil {
			return err
		}
	}
	return nil
}
