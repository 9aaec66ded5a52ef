package main

import (
	"context"
	"io"
	"os"

	"migimg/encoders/layout"
)

const (
	// writeChunk is how much is read and written at a time, in bytes.
	writeChunk = 1 << 20
	// keepEvery is after how many bytes a file is brought to stable storage.
	keepEvery = 512 << 20
)

// writer copies a planned file in one go, from front to back: several pieces are read at
// a time, and written in order.
type writer struct {
	layout  *layout.Layout
	reader  *layout.Reader
	threads int
	done    func(n int64) // is told how far it is, in bytes
	// After each keep bytes, kept is told what is on stable storage, so that an
	// interrupted export can go on from there.
	keep int64
	kept func(off int64)
}

// stretch is a part of the file that is being read; data is nil for a hole.
type stretch struct {
	off, n int64
	data   []byte
	err    error
	ready  chan struct{}
}

// each calls do for the pieces from off on, in order.
func (w *writer) each(ctx context.Context, off int64, do func(p *stretch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pieces := make(chan *stretch, w.threads)
	buffers := make(chan []byte, w.threads+2)
	for range cap(buffers) {
		buffers <- make([]byte, writeChunk)
	}
	go func() {
		defer close(pieces)
		for off < w.layout.Size() {
			n, data := w.layout.Extent(off)
			p := &stretch{off: off, n: n, ready: make(chan struct{})}
			if data {
				p.n = min(n, writeChunk-off%writeChunk)
				select {
				case b := <-buffers:
					p.data = b[:p.n]
				case <-ctx.Done():
					return
				}
				go func() {
					defer close(p.ready)
					if m, err := w.reader.ReadAt(p.data, p.off); int64(m) < p.n {
						p.err = err
					}
				}()
			} else {
				close(p.ready)
			}
			off += p.n
			select {
			case pieces <- p:
			case <-ctx.Done():
				<-p.ready
				return
			}
		}
	}()
	var failed error
	for p := range pieces { // to the end: nothing is read when this returns
		<-p.ready
		if failed == nil {
			failed = ctx.Err()
		}
		if failed == nil {
			failed = p.err
		}
		if failed == nil {
			failed = do(p)
		}
		if failed != nil {
			cancel()
		} else {
			w.done(p.off + p.n)
		}
		if p.data != nil {
			buffers <- p.data[:writeChunk]
		}
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// stream writes all of it to out.
func (w *writer) stream(ctx context.Context, out io.Writer) error {
	zeros := make([]byte, writeChunk)
	return w.each(ctx, 0, func(p *stretch) error {
		if p.data != nil {
			_, err := out.Write(p.data)
			return err
		}
		for n := p.n; n > 0; n -= writeChunk {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := out.Write(zeros[:min(n, writeChunk)]); err != nil {
				return err
			}
		}
		return nil
	})
}

// file writes it from from on to f, which is as long already, and has zeros there, or
// what an earlier run wrote.
func (w *writer) file(ctx context.Context, f *os.File, from int64) error {
	kept := from
	return w.each(ctx, from, func(p *stretch) error {
		if p.data == nil {
			return nil
		}
		if _, err := f.WriteAt(p.data, p.off); err != nil {
			return err
		}
		if end := p.off + p.n; w.keep > 0 && end-kept >= w.keep {
			if err := f.Sync(); err != nil {
				return err
			}
			kept = end
			w.kept(end)
		}
		return nil
	})
}
