package fusefs

import (
	"context"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	// chunkSize is the unit of reading ahead, in bytes: large enough that a
	// request to the device is worth its cost.
	chunkSize = 1 << 20
	// depth is how many chunks are in flight ahead of the reader, at most: as many
	// as it has already read in one go.
	depth = 4
	// streaming is how much in one go makes a reader one that goes from front to
	// back, in bytes. Who reads a table, a little data and a table again would else
	// make the device read chunks in vain.
	streaming = 256 << 10
)

// zeros is what holes are served from.
var zeros [chunkSize]byte

// chunk is a part of a file that is being read, or has been.
type chunk struct {
	index int64
	buf   []byte // nil for a hole
	data  []byte // what the chunk holds, once done is closed
	err   error
	done  chan struct{}
	refs  int // readers of it; under stream.mu
	gone  bool
}

// stream recognises one reader that goes through a file from front to back,
// and keeps the next chunks in flight for it. Other patterns pass it by.
type stream struct {
	file *File
	pool *pool

	mu     sync.Mutex
	next   int64 // where the reader will read next, if it is one
	run    int64 // how much it has read in one go, in bytes
	chunks []*chunk
	closed bool
	behind behind
}

// read answers the n bytes at off from chunks, or nil: then the caller reads
// them itself, as also after an error, which is thus found exactly. It is false
// when the reader was killed while it waited.
func (s *stream) read(ctx context.Context, off, n int64) (fuse.ReadResult, bool) {
	s.mu.Lock()
	before := s.run
	switch d := off - s.next; {
	case d == 0 && off > 0:
		s.run += n
		s.next = off + n
	case s.run >= streaming && d >= -chunkSize && d <= chunkSize: // a little out of order
		s.next = max(s.next, off+n)
	default:
		before, s.run = 0, n
		s.behind.restart(off, s.next)
		s.next = off + n
	}
	first, last := off/chunkSize, (off+n-1)/chunkSize
	ahead := int64(-1) // nothing new is read; what is there serves jumps, too
	if before >= streaming {
		ahead = min(depth, before/chunkSize)
		s.drop(func(c *chunk) bool { return c.index < first-1 || c.index > last+depth })
		s.behind.passed(off, func() {
			s.mu.Lock()
			s.behind.under = false
			s.mu.Unlock()
		})
	}
	ok := true
	var need []*chunk
	for i := first; i <= last+max(0, ahead) && i*chunkSize < s.file.Size; i++ {
		c := s.find(i)
		if c == nil && ahead >= 0 {
			c = s.start(i)
		}
		if i > last {
			continue
		}
		if ok = ok && c != nil; ok {
			need = append(need, c)
		}
	}
	if !ok {
		s.mu.Unlock()
		return nil, true
	}
	for _, c := range need {
		c.refs++
	}
	s.mu.Unlock()

	r := &vector{stream: s, chunks: need, size: int(n)}
	for _, c := range need {
		if !wait(ctx, c.done) {
			r.Done()
			return nil, false
		}
		if c.err != nil {
			r.Done()
			return nil, true
		}
		from := max(off-c.index*chunkSize, 0)
		to := min(off+n-c.index*chunkSize, chunkSize)
		r.slices = append(r.slices, c.data[from:to])
	}
	return r, true
}

// find returns the chunk if it is there or under way.
func (s *stream) find(index int64) *chunk {
	for _, c := range s.chunks {
		if c.index == index {
			return c
		}
	}
	return nil
}

// start starts to read a chunk; nil when there is no buffer for it.
func (s *stream) start(index int64) *chunk {
	if s.closed {
		return nil
	}
	off := index * chunkSize
	size := min(chunkSize, s.file.Size-off)
	c := &chunk{index: index, done: make(chan struct{})}
	if n, data := s.file.Extent(off); !data && n >= size {
		c.data = zeros[:size]
		close(c.done)
		s.chunks = append(s.chunks, c)
		return c
	}
	if c.buf = s.pool.get(); c.buf == nil {
		return nil
	}
	c.data = c.buf[:size]
	c.refs = 1 // the goroutine's
	s.chunks = append(s.chunks, c)
	go func() {
		c.err = readFull(s.file.Reader, c.data, off)
		close(c.done)
		s.mu.Lock()
		s.unref(c)
		s.mu.Unlock()
	}()
	return c
}

// drop forgets the chunks that match.
func (s *stream) drop(match func(*chunk) bool) {
	kept := s.chunks[:0]
	for _, c := range s.chunks {
		if !match(c) {
			kept = append(kept, c)
			continue
		}
		c.gone = true
		c.refs++
		s.unref(c)
	}
	clear(s.chunks[len(kept):])
	s.chunks = kept
}

// unref gives the chunk's buffer back when nobody uses it any more.
func (s *stream) unref(c *chunk) {
	c.refs--
	if c.refs == 0 && c.gone && c.buf != nil {
		s.pool.put(c.buf)
		c.buf = nil
	}
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.run >= streaming {
		s.behind.rest(s.next)
	}
	s.drop(func(*chunk) bool { return true })
}

// vector is a read's answer in pieces of chunks: go-fuse writes them to the
// kernel as they are, without a copy.
type vector struct {
	stream *stream
	chunks []*chunk
	slices [][]byte
	size   int
}

// Slices is what go-fuse asks vectored results for.
func (v *vector) Slices() ([][]byte, fuse.Status) { return v.slices, fuse.OK }

// Size is the answer's length in bytes.
func (v *vector) Size() int { return v.size }

// Bytes is the answer in one piece, for transports without vectors.
func (v *vector) Bytes(buf []byte) ([]byte, fuse.Status) {
	buf = buf[:0]
	for _, s := range v.slices {
		buf = append(buf, s...)
	}
	return buf, fuse.OK
}

// Done is called when the kernel has the bytes.
func (v *vector) Done() {
	v.stream.mu.Lock()
	defer v.stream.mu.Unlock()
	for _, c := range v.chunks {
		v.stream.unref(c)
	}
}
