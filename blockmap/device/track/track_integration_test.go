//go:build integration

package track

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// loop is a loop device over a file in shared memory.
type loop struct {
	path string
	dev  uint64
	size int64
}

func newLoop(t testing.TB, size int64, options ...string) loop {
	t.Helper()
	need.Root(t)
	need.Tool(t, "losetup")
	f, err := os.CreateTemp("/dev/shm", "migimg-track-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	out := run(t, "losetup", append([]string{"--find", "--show"}, append(options, f.Name())...)...)
	l := loop{path: strings.TrimSpace(out), size: size}
	t.Cleanup(func() { exec.Command("losetup", "-d", l.path).Run() })
	l.dev = rdev(t, l.path)
	return l
}

func rdev(t testing.TB, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Rdev
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	c := exec.Command(name, args...)
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

func start(t testing.TB, l loop, o Options) *Tracker {
	t.Helper()
	tr, err := Start(l.dev, l.size, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

func openDirect(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func aligned(n int) []byte {
	b := make([]byte, n+4096)
	return b[int(-uintptr(unsafe.Pointer(&b[0]))&4095):][:n]
}

// truth is the grains that must be set, and no others.
type truth map[int64]bool

func (w truth) add(grain, off, n int64) {
	for g := off / grain; g <= (off+n-1)/grain; g++ {
		w[g] = true
	}
}

func (w truth) check(t *testing.T, what string, grain, size int64, contains func(off, n int64) bool) {
	t.Helper()
	missed, wrong := 0, 0
	for g := int64(0); g*grain < size; g++ {
		switch got := contains(g*grain, 1); {
		case w[g] && !got:
			if missed++; missed < 5 {
				t.Errorf("%s: grain %d was written and is not set", what, g)
			}
		case !w[g] && got:
			if wrong++; wrong < 5 {
				t.Errorf("%s: grain %d is set and was not written", what, g)
			}
		}
	}
	if missed+wrong > 0 {
		t.Errorf("%s: %d missed, %d wrong, of %d", what, missed, wrong, len(w))
	}
}

func TestDirectWrites(t *testing.T) {
	l := newLoop(t, 512<<20)
	tr := start(t, l, Options{})
	f := openDirect(t, l.path)
	rng := rand.New(rand.NewPCG(1, 2))
	buf := aligned(40 << 20)
	want := truth{}
	for i := range 2000 {
		n := int64(512) << rng.IntN(14) // up to 4 MiB
		if i%500 == 0 {
			n = 36 << 20
		}
		off := rng.Int64N((l.size-n)/512+1) * 512
		if i%100 == 0 {
			off = l.size - n
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			t.Fatal(err)
		}
		if !tr.Written(off, n) || !tr.Written(off, 512) || !tr.Written(off+n-512, 512) {
			t.Fatalf("[%d, +%d) was just written", off, n)
		}
		want.add(tr.Grain(), off, n)
	}
	if _, err := f.ReadAt(buf[:4<<20], 0); err != nil {
		t.Fatal(err)
	}
	want.check(t, "Written", tr.Grain(), l.size, tr.Written)
	var sum int64
	for r := range tr.Ranges(0, l.size) {
		sum += r.Len
	}
	if sum != int64(len(want))*tr.Grain() {
		t.Errorf("%d bytes in ranges, %d grains were written", sum, len(want))
	}
	set, err := tr.Epoch()
	if err != nil {
		t.Fatal(err)
	}
	want.check(t, "Epoch", tr.Grain(), l.size, set.Contains)
	truth{}.check(t, "after Epoch", tr.Grain(), l.size, tr.Written)
	if err := tr.Lost(); err != nil {
		t.Error(err)
	}
}
