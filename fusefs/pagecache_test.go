//go:build integration

package fusefs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// mounted is a tree with one file, which reads from r.
func mounted(t *testing.T, size int64, r io.ReaderAt) string {
	t.Helper()
	need.Root(t)
	dir := t.TempDir()
	f := File{Path: "f", Size: size, Allocated: size, Reader: r,
		Extent: func(off int64) (int64, bool) { return size - off, true }}
	s, err := Mount(dir, Tree{Files: []File{f}, ModTime: time.Now()}, &Stats{}, Options{MayWait: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Unmount(); err != nil {
			t.Error(err)
			_ = s.Abort()
		}
	})
	return filepath.Join(dir, "f")
}

// pattern is a file whose every 8 bytes are their offset, without a device.
type pattern struct{}

func (pattern) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		at := off + int64(i)
		p[i] = byte(at >> (8 * (at % 8)) * 31)
	}
	return len(p), nil
}

// cached is how many pages of the file the kernel keeps. mincore(2) would not
// tell: mapping such a file drops them.
func cached(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Cachestat_t
	if err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{}, &st, 0); err != nil {
		t.Fatal("cachestat(2), Linux 6.5: ", err)
	}
	return st.Cache
}

// TestPageCacheIsLeftAlone reads a file in the ways of cp, of programs that let
// the kernel send it, and through a mapping; only of the last the kernel may keep
// pages, while it is mapped.
func TestPageCacheIsLeftAlone(t *testing.T) {
	const size = 64 << 20
	path := mounted(t, size, pattern{})
	want := sha256.New()
	_, _ = io.Copy(want, io.NewSectionReader(pattern{}, 0, size))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	again, err := os.Open(path) // now: opening drops what is cached
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()

	got := sha256.New()
	if _, err := io.CopyBuffer(got, struct{ io.Reader }{f}, make([]byte, 128<<10)); err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("read(2): %v, or wrong bytes", err)
	}
	if n := cached(t, f); n != 0 {
		t.Errorf("read(2) left %d pages", n)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = f.Seek(0, io.SeekStart)
		_, _ = io.Copy(c, f) // sendfile(2)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	got.Reset()
	if _, err := io.Copy(got, c); err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("sendfile(2): %v, or wrong bytes", err)
	}
	if n := cached(t, f); n == 0 {
		t.Error("sendfile(2) left no pages: this test would not see any")
	} else if n*4096 > keepBehind+2*dropAtOnce {
		t.Errorf("sendfile(2) left %d pages", n)
	}

	// Who closes the file leaves nothing.
	f.Close()
	for range 100 {
		if cached(t, again) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := cached(t, again); n != 0 {
		t.Errorf("%d pages are left by a reader that has gone", n)
	}
	f = again

	// In a process of its own: a page fault keeps a thread of Go's from being stopped, so
	// that a garbage collection would wait for it, and the server, here, for that.
	child := exec.Command(os.Args[0], "-test.run=^TestMapped$")
	child.Env = append(os.Environ(), mappedEnv+"="+f.Name())
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), hex.EncodeToString(want.Sum(nil))) {
		t.Errorf("mmap(2): %v, or wrong bytes: %s", err, out)
	}
}

// mappedEnv names the file that a child of TestPageCacheIsLeftAlone maps.
const mappedEnv = "MIGIMG_TEST_MAPPED"

// TestMapped is that child; by itself it has nothing to do.
func TestMapped(t *testing.T) {
	name := os.Getenv(mappedEnv)
	if name == "" {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%x\n", sha256.Sum256(m))
	if n := cached(t, f); n == 0 {
		t.Error("mmap(2) left no pages: this test would not see any")
	}
	if n := cached(t, f); int64(n)*4096 > st.Size()/2 {
		t.Errorf("mmap(2) left %d pages", n)
	}
	if err := unix.Munmap(m); err != nil {
		t.Error(err)
	}
}

// TestKillReaderOfPausedDevice kills a reader whose read is not answered.
func TestKillReaderOfPausedDevice(t *testing.T) {
	const size = 64 << 20
	b := &blocked{pattern{}, make(chan struct{})}
	path := mounted(t, size, b)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := os.StartProcess("/bin/cat", []string{"cat", path}, &os.ProcAttr{Files: []*os.File{nil, null, os.Stderr}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	// Not killed by this one; it reads on.
	if err := p.Signal(syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	start := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	done := make(chan *os.ProcessState, 1)
	go func() {
		st, _ := p.Wait()
		done <- st
	}()
	select {
	case st := <-done:
		if !st.Sys().(syscall.WaitStatus).Signaled() {
			t.Errorf("cat: %v", st)
		}
		t.Logf("it ended %v after the signal", time.Since(start))
	case <-time.After(10 * time.Second):
		t.Error("the killed reader hangs")
		close(b.gate)
		return
	}
	close(b.gate)
}
