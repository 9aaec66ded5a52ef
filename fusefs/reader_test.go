package fusefs

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func TestReaderCounts(t *testing.T) {
	type r struct{ off, n int64 }
	for _, c := range []struct {
		name  string
		reads []r
		want  Counts
	}{
		{"front to back", []r{{0, 10}, {10, 10}, {20, 5}}, Counts{Bytes: 25, Forward: 25, Furthest: 25}},
		{"over holes", []r{{0, 10}, {50, 10}, {90, 10}}, Counts{Bytes: 30, Forward: 30, Furthest: 100}},
		{"a part in the middle", []r{{40, 10}, {50, 10}}, Counts{Bytes: 20, Forward: 20, Furthest: 60}},
		{"backwards", []r{{90, 10}, {80, 10}, {70, 10}}, Counts{Bytes: 30, Forward: 10, Furthest: 100}},
		{"again", []r{{0, 10}, {0, 10}}, Counts{Bytes: 20, Forward: 10, Furthest: 10}},
	} {
		x := newReader(context.Background(), "f")
		for _, r := range c.reads {
			x.given(r.off, r.n)
		}
		if got := x.Counts(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whoever reads is told of when a handle opens and when it closes, with all that was
// read by it, from however many threads.
func TestReadersAreTold(t *testing.T) {
	f, _ := sample(t)
	f.Reader = &badByte{f.Reader, 9<<20 + 5000}
	var opened, closed []*Reader
	root := &root{tree: &Tree{}, stats: &Stats{}, pool: &pool{},
		opened: func(r *Reader) { opened = append(opened, r) }, closed: func(r *Reader) { closed = append(closed, r) }}
	ctx := fuse.NewContext(context.Background(), &fuse.Caller{Pid: uint32(os.Getpid())})
	fh, _, _ := (&image{root: root, file: f}).Open(ctx, syscall.O_RDONLY)
	h := fh.(*handle)
	if len(opened) != 1 || len(closed) != 0 {
		t.Fatalf("%d opened, %d closed", len(opened), len(closed))
	}
	var wg sync.WaitGroup
	for w := range int64(4) {
		wg.Go(func() {
			for off := w << 20; off < 8<<20; off += 4 << 20 {
				if _, errno := read(t, h, off, 1<<20); errno != 0 {
					t.Error(errno)
				}
			}
		})
	}
	wg.Wait()
	if _, errno := read(t, h, 9<<20, 1<<20); errno != syscall.EIO {
		t.Errorf("the bad byte: %v", errno)
	}
	h.Release(ctx)
	if len(closed) != 1 || closed[0] != opened[0] {
		t.Fatalf("%d closed", len(closed))
	}
	r := closed[0]
	if c := r.Counts(); c.Bytes != 8<<20 || c.Furthest != 8<<20 || c.Errors != 1 {
		t.Errorf("%+v", c)
	}
	if r.File() != "f" || r.Failure() == nil || r.Process().PID != os.Getpid() {
		t.Errorf("%q, %v, %+v", r.File(), r.Failure(), r.Process())
	}
	idle(t, h)
}

// FUSE tells threads; what is told on is the process, under the name that it has.
func TestProcess(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := ProcessOf(unix.Gettid())
	if p.PID != os.Getpid() || p.Started == 0 || !p.Alive() {
		t.Errorf("%+v", p)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.command(); got != strings.TrimSpace(string(comm)) || got == "" {
		t.Errorf("%q, want %q", got, comm)
	}
	if later := (Process{PID: p.PID, Started: p.Started + 1}); later.Alive() || later.command() != "" {
		t.Error("another process with the number counts for it")
	}
	if gone := ProcessOf(1 << 30); gone != (Process{}) || gone.Alive() {
		t.Errorf("%+v", gone)
	}
}

// A name is what a process gives itself: it must not be able to write on a terminal.
func TestCommandIsPrintable(t *testing.T) {
	was, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte("a) \x1b[2J\xff(é"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/proc/self/comm", was, 0)
	if got := ProcessOf(os.Getpid()).command(); got != "a) ?[2J?(é" {
		t.Errorf("%q", got)
	}
}
