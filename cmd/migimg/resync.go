package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"migimg/blockmap"
	"migimg/blockmap/pins"
	"migimg/blockmap/ptable"
	"migimg/verify/tool"

	"golang.org/x/sync/errgroup"
)

// resync brings a copy of an image up to a new T0. The device is read in rounds: what
// was written before a round is read while it goes on, perhaps torn, and what is
// written meanwhile is the next round's. The last one reads under the freeze, into
// memory, and is written into the copy after the thaw: the copy is then exactly the
// image of that T0.
type resync struct {
	device string
	scope  ptable.Scope
	copy   *tool.Copy
	// had is what the copy's image carried; moved what was written since its T0, as it
	// was known after the tracker had started.
	had, moved spans
	// mend is that an earlier sync wrote to the copy, nobody knows how far.
	mend   bool
	rounds int
	stall  time.Duration
	moment momentOptions

	progress *progress
	tracker  *trackers
	// inScope is what can be in the image; todo is what was written and is not in the
	// copy yet; touched is all that was written.
	inScope, todo, touched spans
	carried                spans // by the image of the new T0
}

// resynced says what was written when.
type resynced struct {
	Copy   string    `json:"copy"`
	T0     time.Time `json:"t0"`
	Level  string    `json:"level"`
	Detail string    `json:"detail"`
	Rounds []round   `json:"rounds"`
	// Zeroed is what is free now and was not in the copy's image, in bytes.
	Zeroed int64 `json:"zeroed_bytes"`
	// Frozen is how long writers waited, in milliseconds.
	Frozen int64 `json:"frozen_ms"`
}

// round is what was written into the copy at once.
type round struct {
	Bytes  int64 `json:"bytes"`
	Took   int64 `json:"milliseconds"`
	Frozen bool  `json:"frozen,omitempty"`
}

// begin maps what can be carried at all, and starts the tracker. What was written
// since the copy's T0 has to be asked for after it.
func (r *resync) begin(ctx context.Context) (*source, error) {
	s, err := open(ctx, []string{r.device}, r.options(levelLive))
	if err != nil {
		return nil, err
	}
	d := s.disks[0]
	if r.tracker, err = startTrackers(s.disks); err != nil {
		s.Close()
		return nil, fmt.Errorf("%s: what is written meanwhile has to be tracked: %w", r.device, err)
	}
	r.tracker.ended = func(written spans) {
		r.todo, r.touched = r.todo.union(written), r.touched.union(written)
	}
	r.inScope = spansOf(d.blocks.Ranges(0, d.blocks.Size()))
	return s, nil
}

func (r *resync) options(level string) sourceOptions {
	o := sourceOptions{consistency: level, pin: true, clusterSize: blockmap.DefaultClusterSize, progress: r.progress, moment: r.moment}
	o.scope.Scope = r.scope
	return o
}

// run does all rounds. live is what begin returned.
func (r *resync) run(ctx context.Context, live *source) (*resynced, error) {
	out := &resynced{}
	r.todo, r.touched = r.moved, r.moved
	if r.mend {
		if err := r.emptied(ctx); err != nil {
			return nil, err
		}
	}
	for n := 1; n < r.rounds; n++ {
		part := r.todo.within(r.inScope)
		r.todo = nil
		r.progress.say("migimg: round %d: %s", n, human(part.bytes()))
		took, err := r.write(ctx, live, part)
		if err != nil {
			return nil, err
		}
		out.Rounds = append(out.Rounds, round{Bytes: part.bytes(), Took: took.Milliseconds()})
		if _, err := r.tracker.Epoch(); err != nil {
			return nil, err
		}
		left := r.todo.within(r.inScope).bytes()
		if speed := float64(part.bytes()) / took.Seconds(); float64(left)/speed < r.stall.Seconds()/4 {
			break
		}
	}
	return out, r.last(ctx, out)
}

// last freezes, reads what is left, thaws, and completes the copy.
func (r *resync) last(ctx context.Context, out *resynced) error {
	r.progress.say("migimg: last round")
	r.moment.resync = r
	if r.moment.limit == 0 {
		r.moment.limit = r.stall
	}
	s, err := open(ctx, []string{r.device}, r.options(levelPinned))
	if err != nil {
		return err
	}
	defer s.Close()
	if s.moment == nil { // nothing writes any more
		if _, err := r.tracker.Epoch(); err != nil {
			return err
		}
	}
	d := s.disks[0]
	carried := spansOf(d.blocks.Ranges(0, d.blocks.Size()))
	r.carried = carried
	want := r.todo.union(carried.without(r.had)).union(patched(d.edit)).within(carried)
	free := r.had.union(r.touched)
	if r.mend {
		free = spans{{Off: 0, Len: d.blocks.Size()}}
	}
	free = free.without(carried).within(spans{{Off: 0, Len: d.blocks.Size()}})
	took, err := r.write(ctx, s, want)
	if err != nil {
		return err
	}
	err = inParallel(ctx, free, math.MaxInt64, func(f blockmap.Range) error { return r.copy.Zero(f.Off, f.Len) })
	if err != nil {
		return err
	}
	if err := r.tracker.Lost(); err != nil {
		return fmt.Errorf("%s: %w", r.device, err)
	}
	out.Rounds = append(out.Rounds, round{Bytes: want.bytes(), Took: took.Milliseconds(), Frozen: s.moment != nil})
	out.T0, out.Zeroed, out.Level, out.Detail = s.t0, free.bytes(), s.consistency.Level, s.consistency.Detail
	if p := s.consistency.Pins; p != nil {
		out.Frozen = p.Frozen
		out.Detail = fmt.Sprintf("frozen for %d ms at T0: the copy is exactly T0's", p.Frozen)
	}
	return r.copy.Sync()
}

// emptied finds what an earlier sync may have freed in the copy, and adds it to what
// is to be done: it may be carried again, without having been written.
func (r *resync) emptied(ctx context.Context) error {
	var mu sync.Mutex
	var found []blockmap.Range
	err := inParallel(ctx, r.had.within(r.inScope).without(r.moved), piece, func(p blockmap.Range) error {
		r.progress.say("migimg: reading the copy: %s of %s", human(p.Off), human(r.copy.Size()))
		b := buffers.Get().(*[piece]byte)
		defer buffers.Put(b)
		if err := blockmap.ReadFull(r.copy, b[:p.Len], p.Off); err != nil {
			return err
		}
		var empty spans
		for at := int64(0); at < p.Len; at += sector {
			if s := b[at:min(p.Len, at+sector)]; bytes.Equal(s, zeros[:len(s)]) {
				empty.add(blockmap.Range{Off: p.Off + at, Len: int64(len(s))})
			}
		}
		mu.Lock()
		defer mu.Unlock()
		found = append(found, empty...)
		return nil
	})
	slices.SortFunc(found, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) })
	r.todo = r.todo.union(spansOf(slices.Values(found)))
	return err
}

// also is what has to be read under the freeze besides the structures: what was
// written since the last round, and what the copy's image did not carry.
func (r *resync) also(x *pins.Scanned) iter.Seq[blockmap.Range] {
	carried := spansOf(x.Map.Ranges(0, x.Map.Size()))
	return slices.Values(r.todo.union(carried.without(r.had)).within(carried).within(r.inScope))
}

// patched is where the images' partition table is not the device's.
func patched(e *ptable.Edit) (s spans) {
	for _, p := range e.Patches {
		s = s.union(spans{{Off: p.Off, Len: int64(len(p.Bytes))}})
	}
	return s
}

const (
	piece  = 1 << 20  // read at once, in bytes
	depth  = 8        // so many at a time
	hole   = 64 << 10 // of zeros, is not written but made one
	sector = 512      // what a map frees, at the least
)

var (
	zeros   [hole]byte
	buffers = sync.Pool{New: func() any { return new([piece]byte) }}
)

// write brings parts of the image's disk into the copy.
func (r *resync) write(ctx context.Context, s *source, parts spans) (time.Duration, error) {
	begin := time.Now()
	err := inParallel(ctx, parts, piece, func(p blockmap.Range) error {
		b := buffers.Get().(*[piece]byte)
		defer buffers.Put(b)
		if err := blockmap.ReadFull(s.disks[0].view, b[:p.Len], p.Off); err != nil {
			return fmt.Errorf("%s: %w", r.device, err)
		}
		return r.put(b[:p.Len], p.Off)
	})
	return max(time.Since(begin), time.Microsecond), err
}

// inParallel calls do for parts, cut into ranges of at most size bytes, several at a
// time: what was written lies scattered, and most of the time is waiting.
func inParallel(ctx context.Context, parts spans, size int64, do func(blockmap.Range) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(depth)
	for _, p := range parts {
		for p.Len > 0 && gctx.Err() == nil {
			part := blockmap.Range{Off: p.Off, Len: min(p.Len, size)}
			g.Go(func() error { return do(part) })
			p.Off, p.Len = part.End(), p.Len-part.Len
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// put writes b, and leaves holes where it is zeros: the copy stays as small as it
// can.
func (r *resync) put(b []byte, off int64) error {
	for len(b) > 0 {
		n := min(hole, len(b))
		empty := bytes.Equal(b[:n], zeros[:n])
		for n < len(b) {
			next := b[n:min(n+hole, len(b))]
			if bytes.Equal(next, zeros[:len(next)]) != empty {
				break
			}
			n += len(next)
		}
		if empty {
			if err := r.copy.Zero(off, int64(n)); err != nil {
				return err
			}
		} else if _, err := r.copy.WriteAt(b[:n], off); err != nil {
			return err
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}
