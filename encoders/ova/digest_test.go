package ova_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
	"migimg/encoders/ova"
)

// counting is a view that knows how much of it was read, and fails when it is told to.
type counting struct {
	io.ReaderAt
	n   atomic.Int64
	bad atomic.Bool
}

var errBad = errors.New("bad sector")

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	if c.bad.Load() {
		return 0, errBad
	}
	c.n.Add(int64(len(p)))
	return c.ReaderAt.ReadAt(p, off)
}

// dense is an archive of 48 MiB and what it must be.
func dense(t *testing.T) (l *layout.Layout, view *counting, want []byte) {
	t.Helper()
	c := encodertest.Case{Name: "48M", Size: 48 << 20, Cluster: 64 << 10, Carried: encodertest.Small()[4].Carried}
	c.Carried[0].Len = c.Size
	outs, err := ova.Encoder{}.Plan(c.Disk(t), c.Options)
	if err != nil {
		t.Fatal(err)
	}
	l, view = outs[0].Layout, &counting{ReaderAt: c.View(t)}
	want = make([]byte, l.Size())
	if n, err := encodertest.Plain(l, view).ReadAt(want, 0); n < len(want) {
		t.Fatal(n, err)
	}
	view.n.Store(0)
	return l, view, want
}

const (
	diskSize = 48 << 20
	chunk    = 1 << 20
)

// copied reads a file in the chunks that order says, some at a time, as a reader does
// that reads ahead; those that are left out are not read.
func copied(t *testing.T, r io.ReaderAt, want []byte, ahead int, order []int) {
	t.Helper()
	done := make([]chan struct{}, len(order))
	for k, i := range order {
		if k >= ahead {
			<-done[k-ahead]
		}
		done[k] = make(chan struct{})
		go func() {
			defer close(done[k])
			p := make([]byte, min(chunk, len(want)-i*chunk))
			if n, err := r.ReadAt(p, int64(i)*chunk); n < len(p) || !bytes.Equal(p, want[i*chunk:i*chunk+n]) {
				t.Errorf("chunk %d: %d bytes of %d, or wrong ones: %v", i, n, len(p), err)
			}
		}()
	}
	for _, d := range done {
		<-d
	}
}

// TestSumReads says how much of the disk is read more than once, by who copies the
// archive in what order.
func TestSumReads(t *testing.T) {
	l, view, want := dense(t)
	chunks := (len(want) + chunk - 1) / chunk
	ascending := make([]int, chunks)
	for i := range ascending {
		ascending[i] = i
	}
	// Each group of four backwards, as far out of order as the file tree reads ahead;
	// the last ones, where the sum is, in order.
	shuffled := slices.Clone(ascending)
	for i := 0; i+4 < chunks-4; i += 4 {
		shuffled[i], shuffled[i+1], shuffled[i+2], shuffled[i+3] = i+3, i+2, i+1, i
	}
	twice := append([]int{3, 0, 1, 40, 2, 1, 0}, ascending...)
	backwards := make([]int, chunks)
	for i := range backwards {
		backwards[i] = chunks - 1 - i
	}
	hole := append(slices.Clone(ascending[:20]), ascending[21:]...) // chunk 20 is not read

	for _, c := range []struct {
		name  string
		ahead int
		order []int
		most  int64 // of the disk that is read beside the copy
	}{
		{"front to back", 1, ascending, 0},
		{"a little out of order", 1, shuffled, 0},
		{"read here and there before", 1, twice, 7 * chunk},
		{"four at a time", 4, ascending, 8 * chunk},
		{"the end first", 1, backwards, diskSize},
		{"not all of it", 1, hole, diskSize - 19*chunk},
	} {
		t.Run(c.name, func(t *testing.T) {
			view.n.Store(0)
			copied(t, layout.NewReader(l, view), want, c.ahead, c.order)
			edges := int64(2*len(c.order)) * 64 << 10 // grains that are in two chunks, of the copy or of the sum
			if more := view.n.Load() - diskSize; more > c.most+edges {
				t.Errorf("the copy reads %d bytes more than the disk has, should be %d and %d", more, c.most, edges)
			}
		})
	}
}

// TestSumAnyOrder reads at random places from several goroutines, the sum among them:
// it is the same always.
func TestSumAnyOrder(t *testing.T) {
	l, view, want := dense(t)
	for seed := range uint64(6) {
		r := layout.NewReader(l, view)
		var all sync.WaitGroup
		for g := range uint64(4) {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, g))
				got := make([]byte, 3*chunk)
				for range 8 {
					off := rnd.IntN(len(want))
					if rnd.IntN(3) == 0 {
						off = rnd.IntN(12 * chunk) // in the window, overlapping
					}
					p := got[:min(1+rnd.IntN(len(got)), len(want)-off)]
					if n, err := r.ReadAt(p, int64(off)); n < len(p) || !bytes.Equal(p, want[off:off+n]) {
						t.Errorf("seed %d: [%d, +%d): %d bytes, or wrong ones: %v", seed, off, len(p), n, err)
					}
				}
			})
		}
		all.Wait()
		end := make([]byte, 4096)
		if _, err := r.ReadAt(end, l.Size()-4096); err != nil || !bytes.Equal(end, want[len(want)-4096:]) {
			t.Errorf("seed %d: the end is wrong: %v", seed, err)
		}
	}
}

// TestSumErrors: a disk that cannot be read gives no sum, and gives it when it can be
// read again.
func TestSumErrors(t *testing.T) {
	l, view, want := dense(t)
	r := layout.NewReader(l, view)
	copied(t, r, want, 1, []int{0, 1, 2, 4})
	end := make([]byte, 2048)
	view.bad.Store(true)
	n, err := r.ReadAt(end, l.Size()-2048)
	if !errors.Is(err, errBad) || n >= len(end)-1024-64 || !bytes.Equal(end[:n], want[len(want)-2048:][:n]) {
		t.Errorf("%d bytes and %v", n, err)
	}
	view.bad.Store(false)
	if _, err := r.ReadAt(end, l.Size()-2048); err != nil || !bytes.Equal(end, want[len(want)-2048:]) {
		t.Errorf("the end is wrong: %v", err)
	}
}
