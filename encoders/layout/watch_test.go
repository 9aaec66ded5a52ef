package layout_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"migimg/encoders/layout"
)

// follower notes the file as it is served; its sum is how much that is.
type follower struct {
	io.ReaderAt
	t     *testing.T
	want  []byte
	noted []bool
}

func (f *follower) Served(p []byte, off int64) {
	if len(p) == 0 || !bytes.Equal(p, f.want[off:off+int64(len(p))]) {
		f.t.Errorf("served are %d bytes at %d, or wrong ones", len(p), off)
	}
	for i := range p {
		f.noted[off+int64(i)] = true
	}
}

func (f *follower) Sum() ([]byte, error) {
	n := 0
	for _, ok := range f.noted {
		if ok {
			n++
		}
	}
	return []byte{byte(n >> 8), byte(n)}, nil
}

// followed is the sample with a sum behind it, and a byte after that; f is what
// follows its reader.
func followed(t *testing.T) (l *layout.Layout, f *follower) {
	inner, want := sample()
	f = &follower{t: t, want: append(want, 0, 0, 'z'), noted: make([]bool, len(want)+3)}
	var b layout.Builder
	b.AppendLayout(inner)
	b.Append(layout.Segment{Name: "sum", Kind: layout.Sum, Len: 2, Watch: func(view io.ReaderAt) layout.Watcher {
		f.ReaderAt = view
		return f
	}})
	b.Append(layout.MetaBytes("end", []byte("z")))
	return b.Layout(), f
}

// TestFollower: it is told of all that is read, and of nothing else; one read of all
// has told of what is before the sum when that is asked for.
func TestFollower(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		l, f := followed(t)
		r := layout.NewReader(l, disk{})
		sum := int(l.Size()) - 3
		read := make([]bool, l.Size())
		for range 3 {
			off := rnd.Int64N(l.Size())
			p := make([]byte, 1+rnd.Int64N(l.Size()-off))
			if n, err := r.ReadAt(p, off); n < len(p) || err != nil {
				t.Fatal(n, err)
			}
			for i := range p {
				at := int(off) + i
				read[at] = read[at] || at < sum || at == len(read)-1
			}
		}
		for i := range read {
			if read[i] != f.noted[i] {
				t.Fatalf("byte %d was read: %v; served: %v", i, read[i], f.noted[i])
			}
		}
	}
	l, _ := followed(t)
	all := make([]byte, l.Size())
	if n, err := layout.NewReader(l, disk{}).ReadAt(all, 0); n < len(all) || err != nil {
		t.Fatal(n, err)
	}
	if n := len(all) - 3; all[n] != byte(n>>8) || all[n+1] != byte(n) {
		t.Errorf("of %d bytes before it the sum knows %x", n, all[n:n+2])
	}
}

// TestFollowerErrors: what is good of a read that fails is served.
func TestFollowerErrors(t *testing.T) {
	l, f := followed(t)
	r := layout.NewReader(l, badDisk{1003, 1004})
	n, err := r.ReadAt(make([]byte, 40), 0)
	if !errors.Is(err, errBad) {
		t.Fatal(n, err)
	}
	for i := range f.noted {
		if f.noted[i] != (i < n) {
			t.Errorf("of %d good bytes number %d was served: %v", n, i, f.noted[i])
		}
	}
}
