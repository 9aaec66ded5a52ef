package scantest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// liveDir is where the writers of the live part work.
const liveDir = "live"

// writer does what servers do to a filesystem, as fast as it can.
type writer struct {
	dir  string
	rnd  *rand.Rand
	hold bool // keep a file open that has no name any more
	n    int
}

func newWriter(root string, i int, hold bool) *writer {
	return &writer{dir: filepath.Join(root, liveDir, fmt.Sprint(i)), rnd: rand.New(rand.NewPCG(3, uint64(i))), hold: hold}
}

// run works until ctx is done. What fails, as for want of space, is left.
func (w *writer) run(ctx context.Context) {
	_ = os.MkdirAll(w.dir, 0o755)
	if w.hold {
		f, err := os.Create(filepath.Join(w.dir, "unlinked"))
		if err == nil {
			_, _ = f.Write(bytes.Repeat([]byte("x"), 300_000))
			_ = os.Remove(f.Name())
			defer func() { _ = f.Close() }()
		}
	}
	for ctx.Err() == nil {
		w.step()
	}
}

// name is of one of the files there are, or of one to come.
func (w *writer) name() string {
	return filepath.Join(w.dir, fmt.Sprintf("d%d/f%d", w.rnd.IntN(6), w.rnd.IntN(60)))
}

func (w *writer) bytes(n int) []byte {
	b := make([]byte, 1+w.rnd.IntN(n))
	for i := range b {
		b[i] = byte(w.rnd.Uint32())
	}
	return b
}

func (w *writer) step() {
	name := w.name()
	w.n++
	switch w.rnd.IntN(12) {
	case 0, 1:
		_ = os.MkdirAll(filepath.Dir(name), 0o755)
		_ = os.WriteFile(name, w.bytes(40_000), 0o640)
	case 2:
		w.open(name, os.O_APPEND|os.O_CREATE, func(f *os.File) { _, _ = f.Write(w.bytes(20_000)) })
	case 3, 4: // in place, also far behind the end
		w.open(name, 0, func(f *os.File) { _, _ = f.WriteAt(w.bytes(9_000), int64(w.rnd.IntN(200_000))) })
	case 5:
		_ = os.Rename(name, w.name())
	case 6:
		_ = os.Truncate(name, int64(w.rnd.IntN(60_000)))
	case 7:
		_ = os.Symlink(strings.Repeat("to/", 1+w.rnd.IntN(200)), name+"-link")
		_ = os.Link(name, w.name())
	case 8:
		_ = unix.Lsetxattr(name, "user.migimg", w.bytes(1_500), 0)
	case 9:
		w.open(name, 0, func(f *os.File) {
			_ = unix.Fallocate(int(f.Fd()), uint32(w.rnd.IntN(2)), int64(w.rnd.IntN(50_000)), 70_000) // 1: beyond the end
			_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(w.rnd.IntN(50_000)), 9_000)
		})
	case 10:
		if w.n%5 == 0 {
			_ = os.RemoveAll(filepath.Dir(name))
			return
		}
		_ = os.Remove(name)
	case 11:
		w.open(name, 0, func(f *os.File) { _ = f.Sync() })
	}
}

func (w *writer) open(name string, flags int, f func(*os.File)) {
	file, err := os.OpenFile(name, os.O_RDWR|flags, 0o640)
	if err != nil {
		return
	}
	f(file)
	_ = file.Close()
}
