package fusefs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// sample is a file with data, a hole of several chunks, and an odd end.
func sample(t testing.TB) (*File, []byte) {
	t.Helper()
	content := make([]byte, 12<<20+777)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	const holeAt, holeEnd = 3 << 20, 7 << 20
	clear(content[holeAt:holeEnd])
	f := &File{Path: "f", Size: int64(len(content)), Reader: bytes.NewReader(content)}
	f.Extent = func(off int64) (int64, bool) {
		switch {
		case off < holeAt:
			return holeAt - off, true
		case off < holeEnd:
			return holeEnd - off, false
		}
		return f.Size - off, true
	}
	return f, content
}

func newHandle(f *File) *handle {
	r := &root{tree: &Tree{}, stats: &Stats{}, pool: &pool{}}
	i := &image{root: r, file: f}
	h, _, errno := i.Open(context.Background(), syscall.O_RDONLY)
	if errno != 0 {
		panic(errno)
	}
	return h.(*handle)
}

// read is a read as go-fuse does it, the answer's memory given back.
func read(t testing.TB, h *handle, off int64, n int) ([]byte, syscall.Errno) {
	t.Helper()
	dest := make([]byte, n)
	res, errno := h.Read(context.Background(), dest, off)
	if errno != 0 {
		return nil, errno
	}
	b, st := res.Bytes(dest)
	if st != fuse.OK {
		t.Fatal(st)
	}
	b = bytes.Clone(b)
	res.Done()
	return b, 0
}

func TestSequentialReadIsServedFromChunks(t *testing.T) {
	for _, size := range []int{4096, 32 << 10, 100_000, 1 << 20, 3 << 20} {
		f, want := sample(t)
		counter := &countingReader{ReaderAt: f.Reader}
		f.Reader = counter
		h := newHandle(f)
		var got []byte
		for {
			b, errno := read(t, h, int64(len(got)), size)
			if errno != 0 {
				t.Fatal(errno)
			}
			if len(b) == 0 {
				break
			}
			got = append(got, b...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("reads of %d bytes give other bytes than the file has", size)
		}
		if n := counter.reads(); n > 16+streaming/size {
			t.Errorf("reads of %d bytes: %d reads below, want about one for each of the 9 chunks with data, and the first", size, n)
		}
		h.Release(context.Background())
		idle(t, h)
	}
}

// A reader that looks a table up between its reads does not make the device read
// much more than it is given.
func TestReadsWithLookups(t *testing.T) {
	f, _ := sample(t)
	counter := &countingReader{ReaderAt: f.Reader}
	f.Reader = counter
	h := newHandle(f)
	given := int64(0)
	for off := int64(1 << 20); off+128<<10 <= f.Size; off += 128 << 10 {
		for _, at := range []int64{0, off, off + 64<<10} {
			b, errno := read(t, h, at, 64<<10)
			if errno != 0 {
				t.Fatal(errno)
			}
			given += int64(len(b))
		}
	}
	h.Release(context.Background())
	idle(t, h)
	if n := counter.bytes(); n > given+given/4 {
		t.Errorf("%d bytes were read below for %d given", n, given)
	}
}

func TestRandomReads(t *testing.T) {
	f, want := sample(t)
	h := newHandle(f)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			for range 300 {
				off := rng.Int64N(f.Size)
				n := rng.IntN(2<<20) + 1
				b, errno := read(t, h, off, n)
				if errno != 0 || !bytes.Equal(b, want[off:min(f.Size, off+int64(n))]) {
					t.Errorf("read of %d at %d: %v, or wrong bytes", n, off, errno)
					return
				}
			}
		})
	}
	wg.Wait()
	h.Release(context.Background())
	idle(t, h)
}

func TestErrorsHitOnlyTheirRange(t *testing.T) {
	f, want := sample(t)
	const bad = 9<<20 + 5000
	f.Reader = &badByte{f.Reader, bad}
	h := newHandle(f)
	const step = 4096
	for off := int64(0); off < f.Size; off += step {
		b, errno := read(t, h, off, step)
		if hit := off <= bad && bad < off+step; hit {
			if errno != syscall.EIO {
				t.Fatalf("read of the bad byte: %v, want EIO", errno)
			}
		} else if errno != 0 || !bytes.Equal(b, want[off:min(f.Size, off+step)]) {
			t.Fatalf("read at %d: %v, or wrong bytes", off, errno)
		}
	}
	if n := h.root.stats.Errors(); n != 1 {
		t.Errorf("%d failed reads counted, want 1", n)
	}
	h.Release(context.Background())
	idle(t, h)
}

// More readers than there are chunks for are served all the same.
func TestManyReaders(t *testing.T) {
	f, want := sample(t)
	r := &root{tree: &Tree{}, stats: &Stats{}, pool: &pool{}}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			i := &image{root: r, file: f}
			fh, _, _ := i.Open(context.Background(), syscall.O_RDONLY)
			h := fh.(*handle)
			defer h.Release(context.Background())
			for off := int64(0); off < f.Size; off += 512 << 10 {
				b, errno := read(t, h, off, 512<<10)
				if errno != 0 || !bytes.Equal(b, want[off:off+int64(len(b))]) {
					t.Errorf("read at %d: %v, or wrong bytes", off, errno)
					return
				}
			}
		})
	}
	wg.Wait()
	if r.stats.Open() != 0 {
		t.Errorf("%d files open at the end", r.stats.Open())
	}
}

func TestLseek(t *testing.T) {
	f, _ := sample(t)
	h := newHandle(f)
	for _, c := range []struct {
		name        string
		off, whence uint64
		want        uint64
		errno       syscall.Errno
	}{
		{"data at the start", 0, seekData, 0, 0},
		{"hole after the start", 0, seekHole, 3 << 20, 0},
		{"data after a hole", 4 << 20, seekData, 7 << 20, 0},
		{"hole inside a hole", 4 << 20, seekHole, 4 << 20, 0},
		{"the hole at the end", 8 << 20, seekHole, uint64(f.Size), 0},
		{"beyond the end", uint64(f.Size), seekData, 0, syscall.ENXIO},
	} {
		got, errno := h.Lseek(context.Background(), c.off, uint32(c.whence))
		if got != c.want || errno != c.errno {
			t.Errorf("%s: %d %v, want %d %v", c.name, got, errno, c.want, c.errno)
		}
	}
}

func TestOpenForWritingIsRefused(t *testing.T) {
	f, _ := sample(t)
	i := &image{root: &root{tree: &Tree{}, stats: &Stats{}, pool: &pool{}}, file: f}
	if _, _, errno := i.Open(context.Background(), syscall.O_RDWR); errno != syscall.EROFS {
		t.Errorf("got %v, want EROFS", errno)
	}
}

// idle waits until every buffer has been given back.
func idle(t *testing.T, h *handle) {
	t.Helper()
	for range 200 {
		if h.root.pool.lent() == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d buffers are still lent after the file was closed", h.root.pool.lent())
}

type countingReader struct {
	io.ReaderAt
	mu    sync.Mutex
	n     int
	total int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.n++
	c.total += int64(len(p))
	c.mu.Unlock()
	return c.ReaderAt.ReadAt(p, off)
}

func (c *countingReader) reads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *countingReader) bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// badByte fails, as a disk does, from the bad byte on.
type badByte struct {
	io.ReaderAt
	at int64
}

func (b *badByte) ReadAt(p []byte, off int64) (int, error) {
	if b.at < off || b.at >= off+int64(len(p)) {
		return b.ReaderAt.ReadAt(p, off)
	}
	n, err := b.ReaderAt.ReadAt(p[:b.at-off], off)
	return n, errors.Join(syscall.EIO, err)
}

// lent is how many buffers are out.
func (p *pool) lent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made - len(p.free)
}
