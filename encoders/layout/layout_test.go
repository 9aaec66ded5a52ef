package layout_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/encoders/layout"
)

// counting is a filler whose byte at offset o is base+o.
func counting(base byte) layout.Filler {
	return func(p []byte, off int64) {
		for i := range p {
			p[i] = base + byte(off) + byte(i)
		}
	}
}

// disk is the device of these tests: byte i of it is a hash of i. Like a view,
// it has zeros where the sample's extents have holes.
type disk struct{}

func (disk) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = deviceByte(off + int64(i))
	}
	return len(p), nil
}

func deviceByte(i int64) byte {
	if i >= 2004 && i < 2008 || i >= 2010 && i < 2012 {
		return 0
	}
	return byte(i*7) ^ byte(i>>8) | 1
}

// sample is a layout with every kind of segment, and the bytes of the file,
// written down by hand.
func sample() (*layout.Layout, []byte) {
	var b layout.Builder
	var want []byte
	device := func(off, n int64) {
		for i := off; i < off+n; i++ {
			want = append(want, deviceByte(i))
		}
	}
	b.Append(layout.MetaBytes("header", []byte("head")))
	want = append(want, "head"...)

	b.Pad("header padding", 8)
	want = append(want, 0, 0, 0, 0)

	b.Append(layout.Segment{Name: "table", Kind: layout.Meta, Len: 5, Fill: counting('a')})
	want = append(want, "abcde"...)

	b.Append(layout.Segment{Name: "nothing", Kind: layout.Data, Len: 0})

	b.Append(layout.Segment{Name: "tail", Kind: layout.Data, Len: 7, Dev: 1000})
	device(1000, 7)

	b.Append(layout.Segment{Name: "sparse", Kind: layout.Data, Len: 12, Dev: 2000, Alloc: 6, Extent: func(off int64) (int64, bool) {
		switch {
		case off < 4:
			return 4 - off, true
		case off < 8:
			return 8 - off, false
		case off < 10:
			return 1, true // less than there is, as an extent may say
		}
		return 100, false // more than there is
	}})
	device(2000, 12)

	places := []int64{0, 6, 30}
	b.Append(layout.Segment{Name: "records", Rec: &layout.Records{
		Count:  3,
		Unit:   6,
		Device: func(k int64) int64 { return places[k] },
		Parts: []layout.Part{
			{Name: "mark", Kind: layout.Meta, Len: 2, Fill: func(p []byte, k, off int64) { copy(p, fmt.Sprintf("#%d", k)[off:]) }},
			{Name: "front", Kind: layout.Data, Len: 2},
			{Name: "gap", Kind: layout.Zero, Len: 1},
			{Name: "back", Kind: layout.Data, Len: 4, Off: 2},
			{Name: "sum", Kind: layout.Packed, Len: 2, Pack: pack},
		},
	}})
	for k, at := range places {
		want = append(want, fmt.Sprintf("#%d", k)...)
		device(at, 2)
		want = append(want, 0)
		device(at+2, 4)
		src := make([]byte, 6)
		_, _ = disk{}.ReadAt(src, at)
		sum := make([]byte, 2)
		_ = pack(sum, src) // never fails
		want = append(want, sum...)
	}
	b.Append(layout.MetaBytes("end", []byte("!")))
	return b.Layout(), append(want, '!')
}

func pack(dst, src []byte) error {
	dst[0], dst[1] = 0, byte(len(src))
	for _, x := range src {
		dst[0] += x
	}
	return nil
}

// TestSpans asks for every range of the sample, also beyond its ends.
func TestSpans(t *testing.T) {
	l, want := sample()
	if l.Size() != int64(len(want)) {
		t.Fatalf("the file has %d bytes, not %d", l.Size(), len(want))
	}
	for off := int64(0); off <= l.Size()+1; off++ {
		for n := int64(0); off+n <= l.Size()+2; n++ {
			at := off
			for s := range l.Spans(off, n) {
				if s.Off != at || s.Len <= 0 {
					t.Fatalf("[%d, +%d): span %q [%d, +%d) after %d", off, n, s.Name, s.Off, s.Len, at)
				}
				got := make([]byte, s.Len)
				dev, m := s.Source()
				src := make([]byte, m)
				_, _ = disk{}.ReadAt(src, dev)
				if s.Kind == layout.Data {
					copy(got, src)
				} else if err := s.Compute(got, src); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want[at:at+s.Len]) {
					t.Fatalf("[%d, +%d): span %q [%d, +%d) is %x, not %x", off, n, s.Name, s.Off, s.Len, got, want[at:at+s.Len])
				}
				at += s.Len
			}
			if end := min(off+n, l.Size()); at != end && off < l.Size() {
				t.Fatalf("the spans of [%d, +%d) end at %d", off, n, at)
			}
		}
	}
	for _, r := range [][2]int64{{-1, 5}, {0, -1}, {1 << 62, 1 << 62}, {0, 0}} {
		for s := range l.Spans(r[0], r[1]) {
			t.Errorf("[%d, +%d) has a span %q", r[0], r[1], s.Name)
		}
	}
	total := int64(0)
	for s := range l.Spans(3, 1<<63-1) {
		total += s.Len
	}
	if total != l.Size()-3 {
		t.Errorf("all from 3 on are %d bytes", total)
	}
	for range l.Spans(0, l.Size()) {
		break // must stop, in every kind of segment
	}
	for range l.Spans(40, 20) {
		break
	}
}

func TestSegments(t *testing.T) {
	l, _ := sample()
	var got []string
	for _, s := range l.Segments() {
		got = append(got, fmt.Sprintf("%d+%d %s %s %dx%d", s.Offset, s.Length, s.Kind, s.Name, s.Records, s.RecordLength))
	}
	want := []string{
		"0+4 meta header 0x0", "4+4 zero header padding 0x0", "8+5 meta table 0x0",
		"13+7 data tail 0x0", "20+12 data sparse 0x0", "32+33 packed records 3x11", "65+1 meta end 0x0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if n := l.Allocated(); n != 4+5+7+6+3*11+1 {
		t.Errorf("%d bytes are allocated", n)
	}
}

// TestExtents asks for the sample's holes from every byte on.
func TestExtents(t *testing.T) {
	l, _ := sample()
	holes := [][2]int64{{4, 8}, {24, 28}, {30, 32}}
	for off := range l.Size() {
		data, end := true, l.Size()
		for _, h := range holes {
			if off >= h[0] && off < h[1] {
				data, end = false, h[1]
				break
			}
			if off < h[0] {
				end = h[0]
				break
			}
		}
		if n, d := l.Extent(off); n != end-off || d != data {
			t.Errorf("from %d on %d bytes are alike (data: %v), not %d (%v)", off, n, d, end-off, data)
		}
	}
}

func TestBuilderPanics(t *testing.T) {
	for _, c := range []struct {
		name string
		s    layout.Segment
	}{
		{"negative length", layout.Segment{Name: "x", Len: -1}},
		{"metadata without a filler", layout.Segment{Name: "x", Kind: layout.Meta, Len: 1}},
		{"packed without records", layout.Segment{Name: "x", Kind: layout.Packed, Len: 1}},
		{"another length than the records", layout.Segment{Name: "x", Len: 3, Rec: &layout.Records{Count: 1, Parts: []layout.Part{{Kind: layout.Zero, Len: 2}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was taken")
				}
			}()
			var b layout.Builder
			b.Append(c.s)
		})
	}
}

func TestEmptyLayout(t *testing.T) {
	var b layout.Builder
	b.Pad("padding", 512)
	b.Append(layout.Segment{Name: "records", Rec: &layout.Records{Parts: []layout.Part{{Kind: layout.Zero, Len: 2}}}})
	if b.Offset() != 0 {
		t.Errorf("nothing has %d bytes", b.Offset())
	}
	l := b.Layout()
	if l.Size() != 0 || l.Allocated() != 0 || len(l.Segments()) != 0 {
		t.Errorf("%d bytes, %d allocated, segments %v", l.Size(), l.Allocated(), l.Segments())
	}
	for range l.Spans(0, 1) {
		t.Error("there is a span")
	}
}

// TestTable reads every range of tables of entries of several widths.
func TestTable(t *testing.T) {
	for _, width := range []int64{1, 2, 3, 4, 8} {
		const entries = 7
		whole := make([]byte, entries*width)
		put := func(p []byte, i int64) {
			if int64(len(p)) != width || bytes.Count(p, []byte{0}) != len(p) {
				t.Fatalf("entry %d is put to %x", i, p)
			}
			if i%3 == 2 {
				return // an entry that is not used
			}
			for j := range p {
				p[j] = byte(16*i) + byte(j) + 1
			}
		}
		for i := range int64(entries) {
			put(whole[i*width:(i+1)*width], i)
		}
		fill := layout.Table(width, put)
		for off := range len(whole) {
			for n := 0; off+n <= len(whole); n++ {
				got := bytes.Repeat([]byte{0xee}, n)
				fill(got, int64(off))
				if !bytes.Equal(got, whole[off:off+n]) {
					t.Fatalf("width %d, [%d, +%d): %x, not %x", width, off, n, got, whole[off:off+n])
				}
			}
		}
	}
}

// TestRun compares with the plain definition, on random devices.
func TestRun(t *testing.T) {
	const unit, count = 10, 60
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		places := make([]int64, count)
		for k := 1; k < count; k++ {
			places[k] = places[k-1] + unit
			if rnd.IntN(8) == 0 {
				places[k] += unit * (1 + rnd.Int64N(5))
			}
		}
		run := layout.Run(unit, count, func(k int64) int64 { return places[k] })
		for k := range int64(count) {
			for most := int64(1); most <= count+3; most++ {
				want := int64(1)
				for want < most && k+want < count && places[k+want] == places[k+want-1]+unit {
					want++
				}
				if got := run(k, most); got != want {
					t.Fatalf("seed %d: from %d at most %d: %d, not %d", seed, k, most, got, want)
				}
			}
		}
	}
}
