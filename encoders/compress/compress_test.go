package compress_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"

	"migimg/encoders/compress"
)

const unit = 64 << 10

// content is n units of text, noise, zeros and mixtures of them.
func content(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n*unit)
	words := []string{"server ", "disk ", "image ", "cloud ", "\n", "0123456789", "the ", "moves "}
	for k := range n {
		u := b[k*unit : (k+1)*unit]
		switch kind := rnd.IntN(5); {
		case kind == 0: // zeros
		case kind == 1:
			for i := range u {
				u[i] = byte(rnd.Uint32())
			}
		default:
			for at := 0; at < unit; {
				at += copy(u[at:], words[rnd.IntN(len(words))])
				if kind == 2 && rnd.IntN(4) == 0 && at < unit {
					u[at] = byte(rnd.Uint32())
					at++
				}
			}
		}
	}
	return b
}

func units(n int64) compress.Units {
	return compress.Units{Count: n, Device: func(k int64) int64 { return k * unit }, Run: func(_, most int64) int64 { return most }}
}

var methods = []struct {
	name   string
	p      compress.Packing
	unpack func(packed []byte) ([]byte, error)
}{
	{"zlib", compress.Deflate(unit), func(p []byte) ([]byte, error) {
		return io.ReadAll(flate.NewReader(bytes.NewReader(p)))
	}},
	{"zstd", compress.Method{Name: compress.Zstd}.Frames(unit), unzstd},
	{"zstd:19", compress.Method{Name: compress.Zstd, Level: 19}.Frames(unit), unzstd},
}

func unzstd(p []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(p, nil)
}

// TestMeasure: what is packed again, in any order and by any packer, has the
// measured length and unpacks to the disk.
func TestMeasure(t *testing.T) {
	const n = 64
	disk := content(n)
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			l, err := compress.Measure(context.Background(), bytes.NewReader(disk), units(n), m.p, 3, nil, func(_, _ int64) {})
			if err != nil {
				t.Fatal(err)
			}
			kept, first := 0, make([][]byte, n)
			for round := range 3 {
				for _, k := range rand.Perm(n) {
					src := disk[k*unit : (k+1)*unit]
					if l.Len(int64(k)) == 0 {
						kept++
						continue
					}
					got := make([]byte, l.Len(int64(k)))
					if err := l.Pack(int64(k), got, src); err != nil {
						t.Fatal(err)
					}
					if round == 0 {
						first[k] = got
						if back, err := m.unpack(got); err != nil || !bytes.Equal(back, src) {
							t.Fatalf("unit %d unpacks to %d bytes, %v", k, len(back), err)
						}
					} else if !bytes.Equal(got, first[k]) {
						t.Fatalf("unit %d is packed in two ways", k)
					}
				}
			}
			if kept == 0 || kept == 3*n {
				t.Errorf("%d of %d units are not worth packing", kept/3, n)
			}
			src := bytes.Clone(disk[:unit])
			src[100]++
			if err := l.Pack(0, make([]byte, l.Len(0)), src); !errors.Is(err, compress.ErrChanged) {
				t.Errorf("a changed unit: %v", err)
			}
		})
	}
}

// TestWindow: no match of a cluster reaches back more than 4 KiB, which is all that
// QEMU has room for.
func TestWindow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 6<<10)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	src := bytes.Repeat(noise, 11)[:unit]
	out := compress.Deflate(unit).New()(nil, src)
	if len(out) < unit {
		t.Errorf("noise that repeats after 6 KiB is packed to %d bytes", len(out))
	}
}

func TestMeasureErrors(t *testing.T) {
	p := methods[0].p
	bad := errors.New("bad sector")
	_, err := compress.Measure(context.Background(), failing{bad}, units(8), p, 2, nil, func(_, _ int64) {})
	if !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = compress.Measure(ctx, bytes.NewReader(content(8)), units(8), p, 2, nil, func(_, _ int64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestParse(t *testing.T) {
	for s, want := range map[string]compress.Method{
		"zlib": {Name: "zlib"}, "zstd": {Name: "zstd"}, "zstd:1": {Name: "zstd", Level: 1}, "zstd:22": {Name: "zstd", Level: 22},
	} {
		if m, err := compress.Parse(s); err != nil || m != want || m.String() != s {
			t.Errorf("%s: %+v, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "gzip", "zstd:", "zstd:0", "zstd:23", "zstd:x", "zlib:6"} {
		if m, err := compress.Parse(s); err == nil {
			t.Errorf("%q is taken for %+v", s, m)
		}
	}
}

func TestIndex(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int64{1, 63, 64, 65, 1000} {
		sizes := make([]int64, n)
		for i := range sizes {
			sizes[i] = rnd.Int64N(4) * rnd.Int64N(9)
		}
		x := compress.NewIndex(n, func(k int64) int64 { return sizes[k] })
		at := int64(0)
		for k, size := range sizes {
			if got := x.Start(int64(k)); got != at {
				t.Fatalf("%d of %d begins at %d, not %d", k, n, got, at)
			}
			for off := at; off < at+size; off++ {
				if got := x.Find(off); got != int64(k) {
					t.Fatalf("byte %d is in %d, not %d", off, got, k)
				}
			}
			at += size
		}
		if x.Total() != at || x.Start(n) != at {
			t.Errorf("%d bytes, not %d", x.Total(), at)
		}
	}
	if x := compress.NewIndex(0, nil); x.Total() != 0 || x.Start(0) != 0 {
		t.Error("nothing has bytes")
	}
}
