package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"migimg/encoders/layout"
)

// sparse is a disk of 8 MiB with a hole in the middle.
func sparseLayout() (*layout.Layout, []byte) {
	disk := make([]byte, 8<<20)
	for i := range disk {
		if i < 3<<20 || i >= 5<<20+100 {
			disk[i] = byte(rand.Uint32()) | 1
		}
	}
	var b layout.Builder
	b.Append(layout.Segment{Name: "front", Kind: layout.Data, Len: 3 << 20})
	b.Append(layout.Segment{Name: "hole", Len: 2<<20 + 100})
	b.Append(layout.Segment{Name: "back", Kind: layout.Data, Len: 3<<20 - 100, Dev: 5<<20 + 100})
	return b.Layout(), disk
}

var errStop = errors.New("stop")

// stopping is a disk that ends to be read at to.
type stopping struct {
	*bytes.Reader
	to int64
}

func (s stopping) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > s.to {
		return 0, errStop
	}
	return s.Reader.ReadAt(p, off)
}

// TestWriter: a file that was interrupted anywhere is the same in the end, and nothing
// is said to be kept that is not written.
func TestWriter(t *testing.T) {
	l, disk := sparseLayout()
	var out bytes.Buffer
	w := writer{layout: l, reader: layout.NewReader(l, bytes.NewReader(disk)), threads: 3, done: func(int64) {}}
	if err := w.stream(context.Background(), &out); err != nil || !bytes.Equal(out.Bytes(), disk) {
		t.Fatalf("the stream is another one, %v", err)
	}
	for _, stop := range []int64{1, 1 << 20, 2<<20 + 5, 5<<20 + 200, 7 << 20} {
		path := filepath.Join(t.TempDir(), "file")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(l.Size()); err != nil {
			t.Fatal(err)
		}
		kept := int64(0)
		w := writer{layout: l, reader: layout.NewReader(l, stopping{bytes.NewReader(disk), stop}), threads: 3, done: func(int64) {}, keep: 1 << 20, kept: func(off int64) {
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got[:off], disk[:off]) {
				t.Errorf("stopped at %d: kept to %d is not what was written, %v", stop, off, err)
			}
			kept = off
		}}
		if err := w.file(context.Background(), f, 0); !errors.Is(err, errStop) {
			t.Fatalf("stopped at %d: %v", stop, err)
		}
		w.reader = layout.NewReader(l, bytes.NewReader(disk))
		if err := w.file(context.Background(), f, kept); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, disk) {
			t.Errorf("stopped at %d, gone on from %d: another file, %v", stop, kept, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.stream(ctx, &out); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled stream: %v", err)
	}
}
