package btrfs

import (
	"cmp"
	"slices"

	"migimg/blockmap"
)

// emitter takes extents in ascending order and frees what is between them, in
// the chunks. What it frees it does not keep.
type emitter struct {
	f      *fsys
	sink   blockmap.Sink
	chunk  int              // the chunk that is being looked at ...
	at     int64            // ... up to this logical address; 0 before its start
	pinned []blockmap.Range // what is not in the extent tree, and used
	total  int64            // bytes of all extents
}

// used says that [from, from+n) is in use. kinds are the chunks' types that it
// may lie in.
func (e *emitter) used(from, n int64, kinds uint64) error {
	for e.chunk < len(e.f.chunks) && from >= e.f.chunks[e.chunk].end() {
		if err := e.next(); err != nil {
			return err
		}
	}
	if e.chunk == len(e.f.chunks) {
		return refuse("extent %d lies in no chunk: run btrfs check", from)
	}
	c := &e.f.chunks[e.chunk]
	switch e.at = max(e.at, c.start); {
	case from < e.at:
		return refuse("extent %d overlaps another one, or lies in no chunk: run btrfs check", from)
	case n > c.end()-from || c.kind&kinds == 0:
		return refuse("extent %d leaves its chunk, or is not of its type: run btrfs check", from)
	}
	if err := e.free(c, e.at, from); err != nil {
		return err
	}
	e.at = from + n
	c.used += n
	e.total += n
	return nil
}

// next frees what is left of the chunk and goes on to the one behind.
func (e *emitter) next() error {
	c := &e.f.chunks[e.chunk]
	e.chunk++
	return e.free(c, max(e.at, c.start), c.end())
}

// finish frees what is behind the last extent.
func (e *emitter) finish() error {
	for e.chunk < len(e.f.chunks) {
		if err := e.next(); err != nil {
			return err
		}
	}
	return nil
}

// free frees the logical range [from, to), which no extent has, but not what is
// pinned.
func (e *emitter) free(c *chunk, from, to int64) error {
	for from < to {
		for len(e.pinned) > 0 && e.pinned[0].End() <= from {
			e.pinned = e.pinned[1:]
		}
		stop := to
		if len(e.pinned) > 0 {
			stop = min(stop, max(from, e.pinned[0].Off))
		}
		if err := e.stripes(c, from, stop); err != nil {
			return err
		}
		if from = stop; stop < to {
			from = min(to, e.pinned[0].End())
		}
	}
	return nil
}

// stripes frees the logical range [from, to) where it is on this device. Of a
// chunk with parity nothing is free: parity is over all of it.
func (e *emitter) stripes(c *chunk, from, to int64) error {
	if c.parity || from >= to {
		return nil
	}
	for _, s := range c.stripes {
		a, b := c.before(s.column, from-c.start), c.before(s.column, to-c.start)
		if err := e.release(s.off+a, s.off+b); err != nil {
			return err
		}
	}
	return nil
}

// unallocated frees what of the device is in no chunk. What lies behind the
// filesystem's end is none of its business.
func (e *emitter) unallocated() error {
	var taken []blockmap.Range
	for i := range e.f.chunks {
		for _, s := range e.f.chunks[i].stripes {
			taken = append(taken, blockmap.Range{Off: s.off, Len: s.length})
		}
	}
	slices.SortFunc(taken, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) })
	at := int64(0)
	for _, r := range taken {
		if err := e.release(at, r.Off); err != nil {
			return err
		}
		at = r.End()
	}
	return e.release(at, e.f.sb.device.total&^(e.f.sb.sectorSize-1))
}

// release frees [from, to) of the device, but for what is always carried.
func (e *emitter) release(from, to int64) error {
	from = max(from, reserved)
	for _, m := range mirrors() {
		if from < m+superSize && m < to {
			if err := e.give(from, m); err != nil {
				return err
			}
			from = m + superSize
		}
	}
	return e.give(from, to)
}

func (e *emitter) give(from, to int64) error {
	if from >= to {
		return nil
	}
	return e.sink.Free(from, to-from)
}
