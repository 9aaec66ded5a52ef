package btrfs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"migimg/blockmap"

	"golang.org/x/sync/errgroup"
)

// repairs counts the blocks whose first copy was bad and another was good.
type repairs struct {
	count atomic.Int64
	at    atomic.Int64 // the byte of the bad copy of one of them
}

// copies is where on the device the tree block at logical is, as often as it is.
func (f *fsys) copies(logical int64) (at []int64, err error) {
	n := f.sb.nodeSize
	i := f.chunkOf(logical, n)
	if i < 0 || logical%f.sb.sectorSize != 0 {
		return nil, refuse("tree block %d lies in no chunk: run btrfs check", logical)
	}
	c := &f.chunks[i]
	if c.parity {
		return nil, refuse("the filesystem's metadata is spread over its devices with parity (RAID5 or RAID6), which is not read")
	}
	for _, s := range c.stripes {
		from, to := c.before(s.column, logical-c.start), c.before(s.column, logical-c.start+n)
		if to-from == n {
			at = append(at, s.off+from)
		}
	}
	if len(at) == 0 {
		return nil, refuse("a part of the filesystem's metadata is on other devices only (of %d): convert the metadata to a profile that has all of it on this device, or copy the devices whole", f.sb.numDevices)
	}
	return at, nil
}

// readBlock reads the tree block that p points to into b, from the first copy
// that is good.
func (f *fsys) readBlock(b []byte, p pointer) error {
	at, err := f.copies(p.logical)
	if err != nil {
		return err
	}
	var failed error
	for i, off := range at {
		if err := blockmap.ReadFull(f.v, b, off); err != nil {
			failed = fmt.Errorf("btrfs: tree block %d at byte %d: %w", p.logical, off, err)
			continue
		}
		if why := f.verify(b, p); why != "" {
			if failed == nil { // a read error says more
				failed = refuse("tree block %d at byte %d, of tree %d, %s: run btrfs check", p.logical, off, int64(p.owner), why)
			}
			continue
		}
		if i > 0 {
			f.repairs.count.Add(1)
			f.repairs.at.Store(at[0])
		}
		return nil
	}
	return failed
}

const (
	batchBytes = 2 << 20
	parallel   = 32        // reads at a time
	longest    = 256 << 10 // of a read, in bytes
)

// batch reads blocks many at a time, in few reads.
type batch struct {
	f     *fsys
	most  int
	buf   []byte
	where []slot // by the place in buf, which is the order on the device
	place []int  // of the blocks, in where
}

type slot struct {
	off   int64
	index int // of the block
}

func newBatch(f *fsys) *batch {
	most := int(batchBytes / f.sb.nodeSize)
	return &batch{f: f, most: most, buf: make([]byte, int64(most)*f.sb.nodeSize)}
}

// block is the i-th block that was read.
func (t *batch) block(i int) []byte { return t.slot(t.place[i]) }

func (t *batch) slot(k int) []byte {
	n := t.f.sb.nodeSize
	return t.buf[int64(k)*n:][:n:n]
}

// read reads and verifies the blocks, of which there are at most t.most.
func (t *batch) read(ctx context.Context, blocks []pointer) error {
	t.where, t.place = t.where[:0], make([]int, len(blocks))
	for i, p := range blocks {
		at, err := t.f.copies(p.logical)
		if err != nil {
			return err
		}
		t.where = append(t.where, slot{at[0], i})
	}
	slices.SortFunc(t.where, func(a, b slot) int { return cmp.Compare(a.off, b.off) })
	for k, s := range t.where {
		t.place[s.index] = k
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for from := 0; from < len(t.where); {
		to := from + 1
		for to < len(t.where) && t.where[to].off == t.where[to-1].off+t.f.sb.nodeSize && (int64(to-from)+1)*t.f.sb.nodeSize <= longest {
			to++
		}
		a, b := from, to
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return t.run(blocks, a, b)
		})
		from = to
	}
	return g.Wait()
}

// run reads the slots [from, to), which touch on the device.
func (t *batch) run(blocks []pointer, from, to int) error {
	n := t.f.sb.nodeSize
	err := blockmap.ReadFull(t.f.v, t.buf[int64(from)*n:int64(to)*n], t.where[from].off)
	for k := from; k < to; k++ {
		p := blocks[t.where[k].index]
		if err == nil && t.f.verify(t.slot(k), p) == "" {
			continue
		}
		if err := t.f.readBlock(t.slot(k), p); err != nil {
			return err
		}
	}
	return nil
}
