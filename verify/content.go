package verify

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"migimg/verify/decoder"
)

// maxReadErrors is after how many ranges that could not be read comparing stops
// as well: more would not change the verdict.
const maxReadErrors = 1000

// comparison is the content check of one image.
type comparison struct {
	d     decoder.Disk
	src   *Source // nil: decode only
	r     *Report
	o     Options
	where func(int64) string

	mu       sync.Mutex // guards what follows, and the counts in r
	problems []Problem
	fails    int
	unknown  int
	moved    int64 // bytes in blocks that differ where the source was written
	done     int64
}

// compare checks the content and fills the report's counts.
func (r *Report) compare(ctx context.Context, d decoder.Disk, o Options, where func(int64) string) (Aspect, error) {
	if d == nil {
		return Aspect{Name: Content, Status: Unknown, Summary: "the image cannot be decoded"}, nil
	}
	c := &comparison{d: d, src: o.Source, r: r, o: o, where: where}
	ps := &decoder.Problems{}
	carried, sourceSize := func(func(Range) bool) {}, int64(0)
	if c.src != nil {
		carried, sourceSize = c.src.Carried, c.src.Size
		c.sizes(ps)
	}
	if err := c.run(ctx, carried, sourceSize); err != nil {
		return Aspect{}, err
	}
	slices.SortFunc(c.problems, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	listed := map[decoder.Severity]int{}
	for _, p := range c.problems {
		if listed[p.Severity]++; listed[p.Severity] <= o.MaxDiffs {
			ps.Add(p)
		}
	}
	for _, s := range []decoder.Severity{decoder.Fail, decoder.Unknown} {
		if n := listed[s] - o.MaxDiffs; n > 0 {
			ps.Add(Problem{Severity: s, Offset: -1, FileOffset: -1, What: fmt.Sprintf("%d more ranges like these", n)})
		}
	}
	if c.moved > 0 {
		ps.Add(Problem{Severity: decoder.Unknown, Offset: -1, FileOffset: -1, What: fmt.Sprintf("%d bytes cannot be compared: they were written on the source since the image's moment; the image: %s", c.moved, c.src.Moving.Words())})
	}
	a := NewAspect(Content, c.summary(), ps)
	if c.src == nil && a.Status == Pass {
		a.Status = Skip
	}
	return a, nil
}

// sizes compares the sizes. Whole grains are the only rounding that a format
// asks for; the rest is somebody's choice.
func (c *comparison) sizes(ps *decoder.Problems) {
	size, want := c.d.Size(), c.src.Size
	switch {
	case size < want:
		ps.Failf(-1, "the virtual disk has %d bytes, the source %d: the last %d are missing", size, want, want-size)
	case size == want, c.r.Format == VMDK && size-want < 64<<10 && size%(64<<10) == 0:
	default:
		ps.Warnf(-1, "the virtual disk has %d bytes, the source %d", size, want)
	}
}

func (c *comparison) summary() string {
	if c.src == nil {
		return fmt.Sprintf("not compared: no source given (%d bytes of the disk were decoded)", c.r.Decoded)
	}
	s := fmt.Sprintf("%d bytes compared, %d read and zero, %d in holes", c.r.Compared, c.r.Zeros, c.r.Holes)
	if c.stopped() {
		s += ", stopped there"
	}
	return s
}

// run cuts the disk and lets the workers at it. After enough differences no
// more is cut; what was handed out is finished, so that the first ones are all
// known.
func (c *comparison) run(ctx context.Context, carried iter.Seq[Range], sourceSize int64) error {
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan chunk, c.o.Parallel)
	g.Go(func() error {
		defer close(todo)
		return cut(ctx, c.d, carried, sourceSize, c.hole, func(k chunk) bool {
			c.mu.Lock()
			stop := c.stopped()
			c.mu.Unlock()
			if stop {
				return false
			}
			select {
			case todo <- k:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	for range c.o.Parallel {
		g.Go(func() error {
			n := min(chunkSize, c.d.Size())
			w := &worker{c: c, img: make([]byte, n), src: make([]byte, n)}
			for k := range todo {
				if ctx.Err() != nil {
					continue // drained, so that the cutter ends
				}
				w.chunk(k)
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// stopped needs mu.
func (c *comparison) stopped() bool { return c.fails >= c.o.MaxDiffs || c.unknown >= maxReadErrors }

func (c *comparison) hole(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Holes += n
	c.advance(n)
}

// advance needs mu.
func (c *comparison) advance(n int64) {
	c.done += n
	if c.o.Progress != nil {
		c.o.Progress(c.done, c.d.Size())
	}
}

// finish takes in what a worker found out about a chunk.
func (c *comparison) finish(k chunk, compared, zeros, moved int64, found []Problem) {
	for i := range found {
		found[i].FileOffset = c.d.Locate(found[i].Offset)
		found[i].Where = c.where(found[i].Offset)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.src == nil {
		c.r.Decoded += compared + zeros
	} else {
		c.r.Compared += compared
		c.r.Zeros += zeros
		c.moved += moved
	}
	for _, p := range found {
		if p.Severity == decoder.Fail {
			c.fails++
		} else {
			c.unknown++
		}
	}
	c.problems = append(c.problems, found...)
	c.advance(k.n)
}
