package verify

import (
	"context"
	"fmt"
	"iter"

	"golang.org/x/sync/errgroup"

	"migimg/verify/decoder"
)

// comparison is the content check of one image.
type comparison struct {
	findings
	src   *Source // nil: decode only
	r     *Report // its counts are guarded by mu
	moved int64   // bytes in blocks that differ where the source was written
}

// compare checks the content and fills the report's counts.
func (r *Report) compare(ctx context.Context, d decoder.Disk, o Options, where func(int64) string) (Aspect, error) {
	c := &comparison{findings: findings{d: d, o: o, where: where}, src: o.Source, r: r}
	ps := &decoder.Problems{}
	carried, sourceSize := func(func(Range) bool) {}, int64(0)
	if c.src != nil {
		carried, sourceSize = c.src.Carried, c.src.Size
		c.sizes(ps, r.Format, sourceSize)
	}
	if err := c.run(ctx, carried, sourceSize); err != nil {
		return Aspect{}, err
	}
	c.list(ps)
	if c.moved > 0 {
		ps.Add(Problem{Severity: decoder.Unknown, Offset: -1, FileOffset: -1, What: fmt.Sprintf("%d bytes cannot be compared: they were written on the source since the image's moment; the image: %s", c.moved, c.src.Moving.Words())})
	}
	a := NewAspect(Content, c.summary(), ps)
	if c.src == nil && a.Status == Pass {
		a.Status = Skip
	}
	return a, nil
}

func (c *comparison) summary() string {
	if c.src == nil {
		return fmt.Sprintf("not compared: no --source and no --manifest given (%d bytes of the disk were decoded)", c.r.Decoded)
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

func (c *comparison) hole(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Holes += n
	c.take(nil, n)
}

// finish takes in what a worker found out about a chunk.
func (c *comparison) finish(k chunk, compared, zeros, moved int64, found []Problem) {
	found = c.located(found)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.src == nil {
		c.r.Decoded += compared + zeros
	} else {
		c.r.Compared += compared
		c.r.Zeros += zeros
		c.moved += moved
	}
	c.take(found, k.n)
}
