package verify

import (
	"context"
	"fmt"
	"iter"

	"migimg/verify/decoder"
)

// chunkSize is how much is compared at once, in bytes; chunks begin at its
// multiples or where a hole ends.
const chunkSize = 1 << 20

// chunk is a part of the virtual disk, and what of it the source carries.
type chunk struct {
	off, n  int64
	carried []Range
}

// cut goes through the virtual disk and hands out what must be read, in
// ascending order. skipped is told of the holes: in no cluster of the image,
// and not carried. emit answers false to stop.
func cut(ctx context.Context, d decoder.Disk, carried iter.Seq[Range], sourceSize int64, skipped func(n int64), emit func(chunk) bool) error {
	next, stop := iter.Pull(carried)
	defer stop()
	src := &rangeReader{next: next, size: sourceSize}
	if err := src.advance(0); err != nil {
		return err
	}
	size := d.Size()
	var extentEnd int64
	var data bool
	for pos := int64(0); pos < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if pos >= extentEnd {
			var n int64
			n, data = d.Allocated(pos)
			extentEnd = pos + max(1, min(n, size-pos))
		}
		if hole := min(extentEnd, src.start(size)) - pos; !data && hole > 0 {
			skipped(hole)
			pos += hole
			continue
		}
		c := chunk{off: pos, n: min((pos/chunkSize+1)*chunkSize, size) - pos}
		var err error
		if c.carried, err = src.take(pos, c.n); err != nil {
			return err
		}
		if !emit(c) {
			return nil
		}
		pos += c.n
	}
	return nil
}

// rangeReader hands out the source's ranges and checks them.
type rangeReader struct {
	next func() (Range, bool)
	size int64
	cur  Range // Len 0 at the end
	done bool
}

// advance makes the next range that ends after pos the current one.
func (r *rangeReader) advance(pos int64) error {
	for !r.done && r.cur.End() <= pos {
		before := r.cur
		cur, ok := r.next()
		if !ok {
			r.done = true
			return nil
		}
		if cur.Off < before.End() || cur.Len <= 0 || cur.Off > r.size || cur.Len > r.size-cur.Off {
			return fmt.Errorf("verify: source: carried range [%d, +%d) after one that ends at %d, in %d bytes: ranges must ascend, not overlap and lie inside", cur.Off, cur.Len, before.End(), r.size)
		}
		r.cur = cur
	}
	return nil
}

// start is where the current range begins, or end where there is none.
func (r *rangeReader) start(end int64) int64 {
	if r.done {
		return end
	}
	return r.cur.Off
}

// take gives the parts of ranges in [off, off+n), joined where they touch.
func (r *rangeReader) take(off, n int64) (out []Range, err error) {
	end := off + n
	for !r.done && r.cur.Off < end {
		from, to := max(r.cur.Off, off), min(r.cur.End(), end)
		if k := len(out) - 1; k >= 0 && out[k].End() == from {
			out[k].Len += to - from
		} else {
			out = append(out, Range{from, to - from})
		}
		if r.cur.End() > end {
			break
		}
		if err := r.advance(r.cur.End()); err != nil {
			return nil, err
		}
	}
	return out, nil
}
