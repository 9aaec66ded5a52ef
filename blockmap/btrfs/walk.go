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
	batch *batch // of leaves
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

// leaves visits the leaves of a node, which are read many at a time.
func (w *walker) leaves(leaves []pointer) error {
	if w.batch == nil {
		w.batch = newBatch(w.f)
	}
	for len(leaves) > 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n := min(len(leaves), w.batch.most)
		if err := w.batch.read(w.ctx, leaves[:n]); err != nil {
			return err
		}
		for i, p := range leaves[:n] {
			if err := w.down(w.batch.block(i), p); err != nil {
				return err
			}
		}
		leaves = leaves[n:]
	}
	return nil
}

func (w *walker) leaf(b []byte) error {
	for i := range int(le.Uint32(b[0x60:])) {
		if err := w.visit(item(b, i)); err != nil {
			return err
		}
	}
	return nil
}
