package blockmap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

var errBad = errors.New("bad sector")

// faulty is a device with bad ranges: a read that touches one returns what lies
// before it, and errBad.
type faulty struct {
	data []byte
	bad  []Range
}

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	end, err := off+int64(len(p)), error(nil)
	if end > int64(len(f.data)) {
		end, err = int64(len(f.data)), io.EOF
	}
	for _, b := range f.bad {
		if b.Off < end && b.End() > off {
			end, err = max(off, b.Off), errBad
		}
	}
	if off > end {
		return 0, err
	}
	return copy(p, f.data[off:end]), err
}

func noise(n int64, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 8))
	for i := range b {
		b[i] = byte(1 + r.IntN(255))
	}
	return b
}

// dirty is a buffer that a reader has used before.
func dirty(n int64) []byte { return bytes.Repeat([]byte{0xa5}, int(n)) }

func TestViewAgainstModel(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			size := 1 + r.Int64N(1<<20)
			m, err := newMap(size, 4096<<r.IntN(5))
			if err != nil {
				t.Fatal(err)
			}
			model := newModel(size)
			for range r.IntN(40) {
				off := r.Int64N(size) &^ 511
				n := r.Int64N(size-off+1) / (1 + r.Int64N(50))
				m.free(off, n)
				model.free(off, n)
			}
			m.bits.index()
			dev := &faulty{data: noise(size, seed)}
			want := make([]byte, size)
			for _, x := range model.ranges(0, size) {
				copy(want[x.Off:x.End()], dev.data[x.Off:x.End()])
			}
			v := NewView(dev, m)
			for i := range 60 {
				off := r.Int64N(size)
				p := dirty(r.Int64N(size - off + 1))
				if i == 0 {
					off, p = 0, dirty(size)
				}
				if n, err := v.ReadAt(p, off); n != len(p) || err != nil {
					t.Fatalf("read [%d, +%d): %d, %v", off, len(p), n, err)
				}
				if !bytes.Equal(p, want[off:off+int64(len(p))]) {
					t.Fatalf("read [%d, +%d): wrong bytes", off, len(p))
				}
			}
			if size < 4096 {
				return
			}
			// Bad sectors: an error only where one of them is carried, with all the
			// bytes before it.
			for range r.IntN(4) + 1 {
				dev.bad = append(dev.bad, Range{r.Int64N(size) &^ 511, 512})
			}
			for range 60 {
				off := r.Int64N(size)
				p := dirty(r.Int64N(size - off + 1))
				end := off + int64(len(p))
				good := end // the first byte that cannot be read
				for _, b := range dev.bad {
					for _, x := range model.ranges(b.Off, b.Len) {
						if a := max(x.Off, off); a < min(x.End(), end) {
							good = min(good, a)
						}
					}
				}
				n, err := v.ReadAt(p, off)
				if int64(n) != good-off || (err != nil) != (good < end) {
					t.Fatalf("bad %v: read [%d, %d): %d bytes, %v; want %d", dev.bad, off, end, n, err, good-off)
				}
				if err != nil && !errors.Is(err, errBad) {
					t.Fatalf("error %v", err)
				}
				if !bytes.Equal(p[:n], want[off:off+int64(n)]) {
					t.Fatalf("bad %v: read [%d, %d): wrong bytes before the error", dev.bad, off, end)
				}
			}
		})
	}
}

func TestViewShortDevice(t *testing.T) {
	const size, short = 1 << 20, 700<<10 + 100
	m, err := FromRanges(size, 65536, slices.Values([]Range{{0, 4096}, {8192, 4096}, {640 << 10, 128 << 10}}))
	if err != nil {
		t.Fatal(err)
	}
	data := noise(short, 1)
	v := NewView(bytes.NewReader(data), m)
	p := make([]byte, size)
	n, err := v.ReadAt(p, 0)
	if n != short || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if !bytes.Equal(p[:4096], data[:4096]) || !bytes.Equal(p[640<<10:short], data[640<<10:]) || slices.Max(p[4096:8192]) != 0 {
		t.Error("wrong bytes before the end")
	}
	if n, err := v.ReadAt(p[:1000], 800<<10); n != 1000 || err != nil || slices.Max(p[:1000]) != 0 {
		t.Errorf("free space beyond the end: %d, %v", n, err)
	}
}

func TestViewEdges(t *testing.T) {
	m, err := NewMap(10000, 4096)
	if err != nil {
		t.Fatal(err)
	}
	data := noise(10000, 2)
	v := NewView(bytes.NewReader(data), m)
	p := noise(500, 3)
	if n, err := v.ReadAt(p, 9900); n != 500 || err != nil || !bytes.Equal(p[:100], data[9900:]) || slices.Max(p[100:]) != 0 {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if n, err := v.ReadAt(p, 1<<40); n != 500 || err != nil || slices.Max(p) != 0 {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
	if n, err := v.ReadAt(nil, 0); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	if _, err := v.ReadAt(p, -1); err == nil {
		t.Error("no error for a negative offset")
	}
}

func BenchmarkView(b *testing.B) {
	m := bigMap(b)
	v := NewView(zeroReader{}, m)
	p := make([]byte, 1<<20)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	off := int64(0)
	for b.Loop() {
		if _, err := v.ReadAt(p, off); err != nil {
			b.Fatal(err)
		}
		if off += int64(len(p)); off+int64(len(p)) > m.size {
			off = 0
		}
	}
}

type zeroReader struct{}

func (zeroReader) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }
