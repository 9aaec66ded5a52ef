package fusefs

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// lookEvery is how often a reader that got a signal is looked at.
const lookEvery = 200 * time.Millisecond

// wait returns true when done is closed, and false when nobody waits for the
// answer any more because the reader is being killed.
//
// FUSE tells of any signal, and of the first one only; programs written in Go get
// some all the time, and many others take EINTR from read(2) for a failure. So a
// signal alone ends nothing: the kernel marks a thread that cannot survive with
// a pending SIGKILL (kernel/signal.c, complete_signal), and that is looked for.
func wait(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	for !dying(ctx) {
		select {
		case <-done:
			return true
		case <-time.After(lookEvery):
		}
	}
	return false
}

// dying says whether the reader is about to end or has ended. One that cannot be
// seen, in another process namespace, counts as ending at its first signal.
func dying(ctx context.Context) bool {
	caller, ok := fuse.FromContext(ctx)
	if !ok || caller.Pid == 0 {
		return true
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(int(caller.Pid)) + "/status")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(b)) {
		if hex, ok := strings.CutPrefix(line, "SigPnd:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err != nil || set&(1<<(syscall.SIGKILL-1)) != 0
		}
	}
	return true
}

// smallRead is up to which size reads that pass the chunks by are many at a time.
const smallRead = 64 << 10

// largeReads is how many larger ones are done at a time: of more readers the others
// wait, for a device is not faster with more, and their buffers would be most of the
// daemon's memory.
const largeReads = 4

// buffers are for reads that pass the chunks by. Their memory cannot be
// go-fuse's: that is taken back when an interrupted read is answered, though the
// device may still be writing to it.
var (
	smallBuffers, largeBuffers = newBuffers(smallRead), newBuffers(maxRead)
	turns                      = make(chan struct{}, largeReads)
)

func newBuffers(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, size); return &b }}
}

// own is the answer to a read in a buffer of its own.
type own struct {
	pool *sync.Pool
	buf  *[]byte
	n    int
	err  error
}

// readOwn reads n bytes, at most maxRead, and returns nil if the reader is killed
// meanwhile.
func readOwn(ctx context.Context, f *File, off, n int64) *own {
	o := &own{pool: smallBuffers, n: int(n)}
	if n > smallRead {
		o.pool = largeBuffers
	}
	done := make(chan struct{})
	go func() {
		if o.pool == largeBuffers {
			turns <- struct{}{}
		}
		o.buf = o.pool.Get().(*[]byte)
		o.err = readFull(f.Reader, (*o.buf)[:n], off)
		close(done)
	}()
	if !wait(ctx, done) {
		go func() { // when the device is done with the buffer
			<-done
			o.Done()
		}()
		return nil
	}
	return o
}

// Slices is what go-fuse asks vectored results for.
func (o *own) Slices() ([][]byte, fuse.Status) { return [][]byte{(*o.buf)[:o.n]}, fuse.OK }

// Size is the answer's length in bytes.
func (o *own) Size() int { return o.n }

// Bytes is the answer in one piece, for transports without vectors.
func (o *own) Bytes(buf []byte) ([]byte, fuse.Status) {
	return append(buf[:0], (*o.buf)[:o.n]...), fuse.OK
}

// Done is called when the kernel has the bytes.
func (o *own) Done() {
	o.pool.Put(o.buf)
	if o.pool == largeBuffers {
		<-turns
	}
}
