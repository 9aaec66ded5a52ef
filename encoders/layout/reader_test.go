package layout_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sort"
	"sync"
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
)

// TestReader reads every range of the sample.
func TestReader(t *testing.T) {
	l, want := sample()
	r := layout.NewReader(l, disk{})
	for off := 0; off <= len(want)+1; off++ {
		for n := 0; off+n <= len(want)+2; n++ {
			got := bytes.Repeat([]byte{0xee}, n)
			m, err := r.ReadAt(got, int64(off))
			if left := max(0, min(n, len(want)-off)); m != left || m < n && err != io.EOF || m == n && n > 0 && err != nil && err != io.EOF {
				t.Fatalf("[%d, +%d): %d bytes and %v", off, n, m, err)
			}
			if !bytes.Equal(got[:m], want[min(off, len(want)):min(off, len(want))+m]) {
				t.Fatalf("[%d, +%d): %x, not %x", off, n, got, want[off:off+m])
			}
		}
	}
}

func TestReaderOutside(t *testing.T) {
	l, _ := sample()
	r := layout.NewReader(l, disk{})
	for _, off := range []int64{-1, -1 << 63, l.Size(), 1 << 62, math.MaxInt64} {
		if n, err := r.ReadAt(make([]byte, 8), off); n != 0 || err == nil {
			t.Errorf("at %d: %d bytes and %v", off, n, err)
		}
	}
}

// random is a layout of random segments, which a Reader and a plain reader must
// see alike.
func random(seed uint64) *layout.Layout {
	rnd := rand.New(rand.NewPCG(seed, 9))
	var b layout.Builder
	for i := range 1 + rnd.IntN(8) {
		name := fmt.Sprint("segment ", i)
		switch rnd.IntN(6) {
		case 5:
			b.Append(layout.Segment{Name: name, Rec: randomVaried(rnd)})
		case 0:
			b.Append(layout.Segment{Name: name, Len: rnd.Int64N(300)})
		case 1:
			b.Append(layout.Segment{Name: name, Kind: layout.Meta, Len: rnd.Int64N(300), Fill: counting(byte(i))})
		case 2:
			b.Append(layout.Segment{Name: name, Kind: layout.Data, Len: rnd.Int64N(300), Dev: rnd.Int64N(10000)})
		default:
			b.Append(layout.Segment{Name: name, Rec: randomRecords(rnd)})
		}
	}
	return b.Layout()
}

func randomRecords(rnd *rand.Rand) *layout.Records {
	unit := 1 + rnd.Int64N(40)
	places := make([]int64, 1+rnd.IntN(20))
	for k := 1; k < len(places); k++ {
		places[k] = places[k-1] + unit
		if rnd.IntN(3) == 0 {
			places[k] += unit * rnd.Int64N(4)
		}
	}
	device := func(k int64) int64 { return places[k] }
	rec := &layout.Records{Count: int64(len(places)), Unit: unit, Device: device}
	if rnd.IntN(2) == 0 {
		rec.Run = layout.Run(unit, rec.Count, device)
	}
	for off := int64(0); ; {
		switch rnd.IntN(6) {
		case 0:
			rec.Parts = append(rec.Parts, layout.Part{Name: "meta", Kind: layout.Meta, Len: 1 + rnd.Int64N(9), Fill: func(p []byte, k, off int64) {
				for i := range p {
					p[i] = byte(k) + byte(off) + byte(i)
				}
			}})
		case 1:
			rec.Parts = append(rec.Parts, layout.Part{Name: "zero", Len: 1 + rnd.Int64N(9)})
		case 2:
			rec.Parts = append(rec.Parts, layout.Part{Name: "sum", Kind: layout.Packed, Len: 2, Pack: pack})
		default:
			n := min(unit-off, 1+rnd.Int64N(unit))
			if n <= 0 {
				return rec
			}
			rec.Parts = append(rec.Parts, layout.Part{Name: "data", Kind: layout.Data, Len: n, Off: off})
			off += n
		}
	}
}

// randomVaried is records each of which has other parts.
func randomVaried(rnd *rand.Rand) *layout.Records {
	r := randomRecords(rnd)
	starts, parts := []int64{0}, [][]layout.Part{}
	for range r.Count {
		p := []layout.Part{
			{Name: "meta", Kind: layout.Meta, Len: 1 + rnd.Int64N(5), Fill: func(p []byte, k, off int64) {
				for i := range p {
					p[i] = byte(k) ^ byte(off+int64(i))
				}
			}},
			{Name: "packed", Kind: layout.Packed, Len: 2 + rnd.Int64N(40), Pack: func(dst, src []byte) error {
				clear(dst)
				copy(dst[2:], src)
				return pack(dst, src)
			}},
		}
		p = p[rnd.IntN(2):]
		if rnd.IntN(3) == 0 {
			p = append(p, layout.Part{Name: "data", Kind: layout.Data, Len: r.Unit}, layout.Part{Name: "zeros", Len: 3})
		}
		parts = append(parts, p)
		n := starts[len(starts)-1]
		for _, q := range p {
			n += q.Len
		}
		starts = append(starts, n)
	}
	r.Parts = nil
	r.Varied = &layout.Varied{
		Start: func(k int64) int64 { return starts[k] },
		Find: func(off int64) int64 {
			return int64(sort.Search(len(starts), func(i int) bool { return starts[i] > off })) - 1
		},
		Parts: func(k int64) []layout.Part { return parts[k] },
	}
	return r
}

// TestChanged: where packing fails, what lies before is good, and what lies behind
// can be read.
func TestChanged(t *testing.T) {
	changed := errors.New("changed")
	var b layout.Builder
	b.Append(layout.Segment{Name: "records", Rec: &layout.Records{Count: 3, Unit: 8,
		Device: func(k int64) int64 { return k * 8 },
		Parts: []layout.Part{{Name: "mark", Kind: layout.Meta, Len: 2, Fill: func(p []byte, _, _ int64) { clear(p) }},
			{Name: "packed", Kind: layout.Packed, Len: 2, Pack: func(dst, src []byte) error {
				want := make([]byte, 8)
				_, _ = disk{}.ReadAt(want, 8)
				if bytes.Equal(want, src) {
					return changed
				}
				return pack(dst, src)
			}}},
	}})
	r := layout.NewReader(b.Layout(), disk{})
	if n, err := r.ReadAt(make([]byte, 12), 0); n != 6 || err != changed {
		t.Errorf("%d bytes and %v", n, err)
	}
	if n, err := r.ReadAt(make([]byte, 4), 8); n != 4 || err != nil && err != io.EOF {
		t.Errorf("the last record: %d bytes and %v", n, err)
	}
}

// TestReaderAgainstPlain reads random layouts at random places, from four
// goroutines at a time.
func TestReaderAgainstPlain(t *testing.T) {
	for seed := range uint64(300) {
		l := random(seed)
		want := make([]byte, l.Size())
		if n, err := encodertest.Plain(l, disk{}).ReadAt(want, 0); n < len(want) {
			t.Fatalf("seed %d: %d bytes and %v", seed, n, err)
		}
		r := layout.NewReader(l, disk{})
		var all sync.WaitGroup
		for g := range uint64(4) {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, g))
				for range 50 {
					off := rnd.Int64N(l.Size() + 1)
					got := make([]byte, rnd.Int64N(l.Size()-off+1))
					if n, err := r.ReadAt(got, off); n != len(got) || err != nil && err != io.EOF || !bytes.Equal(got, want[off:off+int64(n)]) {
						t.Errorf("seed %d: [%d, +%d) gives %d bytes and %v, wrong from %d on", seed, off, len(got), n, err, difference(got, want[off:]))
						return
					}
				}
			})
		}
		all.Wait()
	}
}

func difference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

var errBad = errors.New("bad sector")

// badDisk cannot read the device bytes [from, to).
type badDisk struct{ from, to int64 }

func (d badDisk) ReadAt(p []byte, off int64) (int, error) {
	n, err := len(p), error(nil)
	if off < d.to && off+int64(n) > d.from {
		n, err = int(max(0, d.from-off)), errBad
	}
	_, _ = disk{}.ReadAt(p[:n], off)
	return n, err
}

// TestReaderErrors reads random layouts over a disk with a hole in it: a read
// gives the error if, and only if, a byte of it hangs on the bad bytes, and all
// bytes before that one are right.
func TestReaderErrors(t *testing.T) {
	seen := 0
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 21))
		l := random(seed)
		want := make([]byte, l.Size())
		if n, err := encodertest.Plain(l, disk{}).ReadAt(want, 0); n < len(want) {
			t.Fatalf("seed %d: %d bytes and %v", seed, n, err)
		}
		bad := badDisk{from: rnd.Int64N(800)}
		bad.to = bad.from + 1 + rnd.Int64N(30)
		r := layout.NewReader(l, bad)
		for range 100 {
			off := rnd.Int64N(l.Size() + 1)
			got := make([]byte, rnd.Int64N(l.Size()-off+1))
			good := goodBytes(l, bad, off, int64(len(got)))
			n, err := r.ReadAt(got, off)
			if int64(n) != good || (good < int64(len(got))) != errors.Is(err, errBad) {
				t.Fatalf("seed %d, bad [%d, %d): [%d, +%d) gives %d bytes and %v, should be %d", seed, bad.from, bad.to, off, len(got), n, err, good)
			}
			if !bytes.Equal(got[:n], want[off:off+int64(n)]) {
				t.Fatalf("seed %d, bad [%d, %d): [%d, +%d) is wrong from %d on", seed, bad.from, bad.to, off, len(got), difference(got[:n], want[off:]))
			}
			if err == errBad {
				seen++
			}
		}
	}
	if seen == 0 {
		t.Error("no read failed")
	}
}

// TestFramingAlone: the framing of packed records is read without the device.
func TestFramingAlone(t *testing.T) {
	var b layout.Builder
	b.Append(layout.Segment{Name: "grains", Rec: &layout.Records{Count: 3, Unit: 512,
		Device: func(k int64) int64 { return k * 512 },
		Parts: []layout.Part{
			{Name: "marker", Kind: layout.Meta, Len: 4, Fill: func(p []byte, k, off int64) {
				for i := range p {
					p[i] = byte(10*k + off + int64(i))
				}
			}},
			{Name: "data", Kind: layout.Data, Len: 512},
			{Name: "sum", Kind: layout.Packed, Len: 4, Pack: func(dst, _ []byte) error { clear(dst); return nil }},
		}}})
	r := layout.NewReader(b.Layout(), badDisk{0, 1 << 20})
	got := make([]byte, 4)
	if n, err := r.ReadAt(got, 520); n != 4 || err != nil || !bytes.Equal(got, []byte{10, 11, 12, 13}) {
		t.Errorf("%d bytes, %v: %d", n, err, got)
	}
	if _, err := r.ReadAt(got, 521); err != errBad {
		t.Errorf("a byte of the data: %v", err)
	}
}

// goodBytes is how many bytes from off on do not hang on the bad ones.
func goodBytes(l *layout.Layout, bad badDisk, off, n int64) int64 {
	for s := range l.Spans(off, n) {
		dev, m := s.Source()
		if m == 0 || dev >= bad.to || dev+m <= bad.from {
			continue
		}
		if s.Kind == layout.Data {
			return s.Off - off + max(0, bad.from-dev)
		}
		return s.Off - off
	}
	return n
}
