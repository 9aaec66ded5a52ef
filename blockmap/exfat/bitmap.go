package exfat

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"

	"migimg/blockmap"
)

// chunk is what is read of the bitmap at once, in bytes. A bitmap may have 512
// MiB.
const chunk = 1 << 20

// freeClusters hands the runs of free clusters to s.
func (f *fsys) freeClusters(ctx context.Context, r root, s blockmap.Sink) error {
	e := &emitter{f: f, sink: s, system: r.system}
	buf := make([]byte, (min(chunk, f.bitmapBytes())+7)/8*8)
	for at := int64(0); at < f.bitmapBytes(); at += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(chunk, f.bitmapBytes()-at)
		if err := readFull(f.v, buf[:n], r.bitmap+at, "allocation bitmap"); err != nil {
			return err
		}
		base, count := firstCluster+at*8, min(n*8, f.clusters-at*8)
		for i := nextBit(buf, 0, count, false); i < count; {
			j := nextBit(buf, i, count, true)
			if err := e.free(base+i, base+j); err != nil {
				return err
			}
			i = nextBit(buf, j, count, false)
		}
	}
	return e.flush()
}

// emitter joins runs of free clusters, which ascend, across the chunks.
type emitter struct {
	f      *fsys
	sink   blockmap.Sink
	system []run // what must not be free
	wait   run   // what may still grow
}

func (e *emitter) free(from, to int64) error {
	if e.wait.to == from && e.wait.from < from {
		e.wait.to = to
		return nil
	}
	if err := e.flush(); err != nil {
		return err
	}
	e.wait = run{from, to}
	return nil
}

// flush frees what is waiting. A part of the filesystem itself in it shows that
// the bitmap is not to be believed, and takes all back.
func (e *emitter) flush() error {
	w := e.wait
	e.wait = run{}
	if w.from == w.to {
		return nil
	}
	for len(e.system) > 0 && e.system[0].to <= w.from {
		e.system = e.system[1:]
	}
	if len(e.system) > 0 && e.system[0].from < w.to {
		return fmt.Errorf("exfat: cluster %d holds the root directory, the allocation bitmap or the up-case table, but is marked free: run fsck.exfat", max(w.from, e.system[0].from))
	}
	return e.sink.Free(e.f.offset(w.from), (w.to-w.from)*e.f.cluster)
}

// nextBit is the first bit from i on that is v, or n. len(bm) is a multiple of 8.
func nextBit(bm []byte, i, n int64, v bool) int64 {
	for i < n {
		w := binary.LittleEndian.Uint64(bm[i/64*8:])
		if !v {
			w = ^w
		}
		if w >>= i % 64; w != 0 {
			return min(n, i+int64(bits.TrailingZeros64(w)))
		}
		i = (i/64 + 1) * 64
	}
	return n
}
