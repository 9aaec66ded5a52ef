package scratch

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
)

// Random reads and writes, against a slice; the reader stays as it is.
func TestOverlay(t *testing.T) {
	const size = 3<<20 + 1234 // a partial block at the end
	base := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(base)
	before := bytes.Clone(base)
	want := bytes.Clone(base)
	dir := t.TempDir()
	o := &overlay{base: bytes.NewReader(base), size: size, dir: dir, spent: &budget{left: 1 << 30}}
	defer o.close()
	r := rand.New(rng)
	for range 2000 {
		n := r.Int64N(20000) + 1
		off := r.Int64N(size - n + 1)
		if r.IntN(3) == 0 {
			p := make([]byte, n)
			_, _ = rng.Read(p)
			if err := o.write(p, off); err != nil {
				t.Fatal(err)
			}
			copy(want[off:], p)
			continue
		}
		got := make([]byte, n)
		if err := o.read(got, off); err != nil || !bytes.Equal(got, want[off:off+n]) {
			t.Fatalf("%d bytes at %d: %v", n, off, err)
		}
	}
	if !bytes.Equal(base, before) {
		t.Error("the reader was written")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Error("the scratch file has a name:", left)
	}
}

// What is written beyond the budget fails and is remembered.
func TestOverlayFull(t *testing.T) {
	o := &overlay{base: bytes.NewReader(make([]byte, 1<<20)), size: 1 << 20, dir: t.TempDir(), spent: &budget{left: 3 * blockSize}}
	defer o.close()
	if err := o.write(make([]byte, 3*blockSize), 0); err != nil {
		t.Fatal(err)
	}
	if err := o.write(make([]byte, blockSize), blockSize); err != nil {
		t.Error("a block that was written before:", err)
	}
	if err := o.write([]byte{1}, 900000); !errors.Is(err, syscall.ENOSPC) || o.err() == nil {
		t.Error(err, o.err())
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestOverlayUnreadable(t *testing.T) {
	o := &overlay{base: broken{}, size: 1 << 20, dir: t.TempDir(), spent: &budget{left: 1 << 20}}
	defer o.close()
	if err := o.read(make([]byte, 10), 0); !errors.Is(err, io.ErrClosedPipe) || !errors.Is(o.err(), io.ErrClosedPipe) {
		t.Error(err, o.err())
	}
	// A write of a part needs the rest of the block.
	if err := o.write([]byte{1}, 5); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := o.write(make([]byte, blockSize), blockSize); err != nil {
		t.Error("a whole block needs no reading:", err)
	}
}
