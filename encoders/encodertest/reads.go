package encodertest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"migimg/encoders/layout"
)

// checkReads compares the Reader with the plain one over the whole file:
// sequentially, at random places, from several goroutines; and with a second
// plan of the same disk.
func checkReads(t *testing.T, l, again *layout.Layout, view io.ReaderAt, places int) {
	t.Helper()
	want := make([]byte, l.Size())
	if n, err := Plain(l, view).ReadAt(want, 0); n < len(want) {
		t.Fatalf("read plainly: %d bytes of %d, %v", n, len(want), err)
	}
	for name, l := range map[string]*layout.Layout{"the plan": l, "the second plan": again} {
		got, err := io.ReadAll(io.NewSectionReader(layout.NewReader(l, view), 0, 1<<62))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%s, read from the first byte to the last, differs from byte %d on", name, firstDifference(got, want))
		}
	}
	r := layout.NewReader(l, view)
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 7))
			for range places / 16 {
				if !readOnce(t, r, want, rnd) {
					return
				}
			}
		})
	}
	all.Wait()
	rnd := rand.New(rand.NewPCG(99, 7))
	for range places {
		if !readOnce(t, r, want, rnd) {
			return
		}
	}
}

// readOnce reads one random range, perhaps beyond the end of the file.
func readOnce(t *testing.T, r io.ReaderAt, want []byte, rnd *rand.Rand) bool {
	off := rnd.Int64N(int64(len(want)) + 1)
	n := rnd.Int64N(2 << rnd.IntN(19))
	got := make([]byte, n)
	m, err := r.ReadAt(got, off)
	if left := min(n, int64(len(want))-off); int64(m) != left || (left < n) != (err == io.EOF) || left == n && err != nil {
		t.Errorf("reading [%d, +%d) of %d bytes gave %d bytes and %v", off, n, len(want), m, err)
		return false
	}
	if !bytes.Equal(got[:m], want[off:off+int64(m)]) {
		t.Errorf("[%d, +%d) differs from byte %d on", off, n, off+int64(firstDifference(got[:m], want[off:])))
		return false
	}
	return true
}

// checkWindows is for files that are too large to be read whole.
func checkWindows(t *testing.T, c Case, l *layout.Layout, view io.ReaderAt) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(5, 7))
	r, p := layout.NewReader(l, view), Plain(l, view)
	size := l.Size()
	for _, s := range l.Segments() {
		if s.Kind == layout.Sum.String() { // it takes reading the whole disk
			size = s.Offset
		}
	}
	look := func(off, n int64) {
		n = min(n, size)
		off = max(0, min(off, size-n))
		checkSpans(t, c, l, off, n)
		got, want := make([]byte, n), make([]byte, n)
		if m, err := r.ReadAt(got, off); m < len(got) {
			t.Fatalf("reading [%d, +%d) gave %d bytes and %v", off, n, m, err)
		}
		if m, err := p.ReadAt(want, off); m < len(want) {
			t.Fatalf("plainly reading [%d, +%d) gave %d bytes and %v", off, n, m, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("[%d, +%d) differs from byte %d on", off, n, off+int64(firstDifference(got, want)))
		}
	}
	for _, s := range l.Segments() {
		look(s.Offset-sector, 2*sector)
		look(s.Offset+s.Length-cluster, 2*cluster)
	}
	for range 50 {
		look(rnd.Int64N(size), 1+rnd.Int64N(300*kib))
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
