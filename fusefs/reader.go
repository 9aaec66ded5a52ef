package fusefs

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// Reader is an open handle of an image: who opened it, and what it has been given. It
// is safe for concurrent use.
type Reader struct {
	file    string
	process Process
	opened  time.Time

	command atomic.Pointer[string]
	failure atomic.Pointer[error]

	bytes, forward, furthest, errors atomic.Int64
	end                              atomic.Int64 // of the last read
}

// Counts are what a reader has been given. Those of several can be added.
type Counts struct {
	// Bytes is how much; of it Forward behind all that was read before it, as by a
	// program that goes from front to back, though it may leave out holes.
	Bytes, Forward int64
	// Furthest is the end of the last byte in the file that was read.
	Furthest int64
	// Errors is how many reads failed.
	Errors int64
}

// Add takes the counts of another reader of the same file in.
func (c *Counts) Add(o Counts) {
	c.Bytes += o.Bytes
	c.Forward += o.Forward
	c.Furthest = max(c.Furthest, o.Furthest)
	c.Errors += o.Errors
}

func newReader(ctx context.Context, file string) *Reader {
	r := &Reader{file: file, process: callerProcess(ctx), opened: time.Now()}
	r.name()
	return r
}

// File is the image's path below the mount point.
func (r *Reader) File() string { return r.file }

// Process is whoever opened it. A process that it starts may read by the same handle.
func (r *Reader) Process() Process { return r.process }

// Opened is when that was.
func (r *Reader) Opened() time.Time { return r.opened }

// Command is the name of the process, of at most 15 bytes (proc(5), comm), as it was
// when it began to read; empty where it cannot be seen.
func (r *Reader) Command() string {
	if c := r.command.Load(); c != nil {
		return *c
	}
	return ""
}

// name asks for the process' name. A shell opens what it redirects before the program
// that will read has its name.
func (r *Reader) name() {
	if c := r.process.command(); c != "" {
		r.command.Store(&c)
	}
}

// Counts are what it has been given so far.
func (r *Reader) Counts() Counts {
	return Counts{Bytes: r.bytes.Load(), Forward: r.forward.Load(), Furthest: r.furthest.Load(), Errors: r.errors.Load()}
}

// Failure is why its last read that failed did; nil where none has.
func (r *Reader) Failure() error {
	if e := r.failure.Load(); e != nil {
		return *e
	}
	return nil
}

// given counts a read that was answered.
func (r *Reader) given(off, n int64) {
	first := r.bytes.Add(n) == n
	if r.end.Swap(off+n) <= off || first {
		r.forward.Add(n)
	}
	for end := off + n; ; {
		was := r.furthest.Load()
		if was >= end || r.furthest.CompareAndSwap(was, end) {
			break
		}
	}
	if first {
		r.name()
	}
}

// failed counts a read that was not.
func (r *Reader) failed(err error) {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	r.errors.Add(1)
	r.failure.Store(&err)
}
