package fusefs

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// caller is the context of a request of the process, which has got a signal.
func caller(pid int) context.Context {
	cancel := make(chan struct{})
	close(cancel)
	return &fuse.Context{Caller: fuse.Caller{Pid: uint32(pid)}, Cancel: cancel}
}

// ended is the number of a process that has ended and was waited for.
func ended(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestSignalsThatKillNobody(t *testing.T) {
	done := make(chan struct{})
	start := time.Now()
	time.AfterFunc(3*lookEvery/2, func() { close(done) })
	if !wait(caller(os.Getpid()), done) || time.Since(start) < 3*lookEvery/2 {
		t.Error("a signal that the reader survives ended its read")
	}
	if wait(caller(ended(t)), make(chan struct{})) {
		t.Error("a reader that is gone is waited for")
	}
	if wait(caller(0), make(chan struct{})) {
		t.Error("a reader that cannot be seen is waited for")
	}
}

// blocked is a reader that waits until it is let go.
type blocked struct {
	io.ReaderAt
	gate chan struct{}
}

func (b *blocked) ReadAt(p []byte, off int64) (int, error) {
	<-b.gate
	return b.ReaderAt.ReadAt(p, off)
}

// A killed reader gets away although the device does not answer, from a read of
// its own and from chunks; what the device writes later hits nobody else.
func TestKilledReaderIsLetGo(t *testing.T) {
	f, want := sample(t)
	h := newHandle(f)
	for off := int64(0); off < streaming; off += 64 << 10 { // it is a stream now
		if b, errno := read(t, h, off, 64<<10); errno != 0 || !bytes.Equal(b, want[off:off+64<<10]) {
			t.Fatal(errno)
		}
	}
	b := &blocked{f.Reader, make(chan struct{})}
	f.Reader = b
	h.root.mayWait = func() bool { return true }
	gone := ended(t)
	for _, off := range []int64{streaming, 8 << 20} {
		if _, errno := h.Read(caller(gone), make([]byte, 128<<10), off); errno != syscall.EINTR {
			t.Errorf("at %d: %v, want EINTR", off, errno)
		}
	}
	if n := h.root.stats.Errors(); n != 0 {
		t.Errorf("%d failed reads counted", n)
	}
	close(b.gate)
	for _, off := range []int64{streaming, 8 << 20} {
		if b, errno := read(t, h, off, 128<<10); errno != 0 || !bytes.Equal(b, want[off:off+128<<10]) {
			t.Errorf("at %d: %v, or wrong bytes", off, errno)
		}
	}
	h.Release(context.Background())
	idle(t, h)
}
