package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"

	"migimg/verify/internal/build"
)

func image(b []byte, format string) Image {
	return Image{Name: "disk.vmdk", Format: format, R: bytes.NewReader(b), Size: int64(len(b))}
}

func ranges(used []int, unit, size int) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for _, u := range used {
			off := u * unit
			if !yield(Range{int64(off), int64(min(unit, size-off))}) {
				return
			}
		}
	}
}

func source(disk []byte, carried iter.Seq[Range]) *Source {
	return &Source{R: bytes.NewReader(disk), Size: int64(len(disk)), Carried: carried}
}

func check(t testing.TB, im Image, src *Source) *Report {
	t.Helper()
	r, err := Check(context.Background(), im, Options{Source: src})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func table(rs ...*Report) string {
	var b strings.Builder
	_ = WriteTable(&b, rs...) // a Builder does not fail
	return b.String()
}

// clean says that nothing at all was found.
func clean(r *Report) bool {
	n := 0
	for _, a := range r.Aspects {
		n += len(a.Problems)
	}
	return r.OK() && n == 0
}

func TestGoodImages(t *testing.T) {
	for _, f := range formats {
		for _, size := range []int{f.size(), f.size() + max(512, f.sector), 4096} {
			t.Run(fmt.Sprintf("%s/%d", f.name, size), func(t *testing.T) {
				disk, used := build.Disk(1, size, f.unit)
				if f.name == "vmdk-stream" || f.name == "vmdk-sparse" || f.format == OVA {
					disk = append(disk, make([]byte, (f.unit-size%f.unit)%f.unit)...)
				}
				im := f.make(disk, used)
				r := check(t, image(im.Bytes, ""), source(disk, ranges(used, f.unit, len(disk))))
				if r.Format != f.format || r.VirtualSize != int64(len(disk)) || !clean(r) {
					t.Errorf("%s", table(r))
				}
				var want int64
				for c := range ranges(used, f.unit, len(disk)) {
					want += c.Len
				}
				if r.Compared != want || r.Compared+r.Zeros+r.Holes != int64(len(disk)) {
					t.Errorf("compared %d, want %d of %d: %s", r.Compared, want, len(disk), table(r))
				}
				r = check(t, image(im.Bytes, f.format), nil)
				if !r.OK() || r.Aspects[1].Status != Skip {
					t.Errorf("without source: %s", table(r))
				}
			})
		}
	}
}

func inSlack(im build.Image, off int) bool {
	for _, s := range im.Slack {
		if off >= s[0] && off < s[1] {
			return true
		}
	}
	return false
}

// probes are the bytes of an image to damage. Metadata is at the front: a quarter
// of its bytes, and where it takes MiBs, of those that are near one that is not 0.
func probes(im build.Image, r *rand.Rand) (out []int) {
	near := func(off int) bool {
		return !allZero(im.Bytes[max(0, off-8):min(im.Data, off+8)])
	}
	for off := range im.Bytes {
		keep := off <= 6<<10 || r.IntN(50) == 0
		if im.Data > 0 {
			keep = off < im.Data && near(off) || r.IntN(10000) == 0
		}
		if keep && r.IntN(4) == 0 {
			out = append(out, off)
		}
	}
	return out
}

// Bytes of every image get one bit flipped: verify finds it, or the byte is one
// that no reader needs.
func TestMutations(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			size := min(f.size(), max(64<<10, 3*f.unit))
			disk, used := build.Disk(2, size, f.unit)
			im := f.make(disk, used)
			src := source(disk, ranges(used, f.unit, size))
			if r := check(t, image(im.Bytes, f.format), src); !clean(r) {
				t.Fatal(table(r))
			}
			r := rand.New(rand.NewPCG(3, 3))
			missed, slack := 0, 0
			b := bytes.Clone(im.Bytes)
			for _, off := range probes(im, r) {
				b[off] = im.Bytes[off] ^ 1<<r.IntN(8)
				found := !clean(check(t, image(b, f.format), src))
				is := b[off]
				b[off] = im.Bytes[off]
				// A guest cluster without data is now said to be zeros, and it is.
				if found || f.format == QCOW2 && off%8 == 7 && is == 1 && bytes.Equal(b[off-7:off], make([]byte, 7)) ||
					f.format == VDI && off < im.Data && off%4 == 0 && is == 0xfe && bytes.Equal(b[off+1:off+4], []byte{0xff, 0xff, 0xff}) {
					continue
				}
				if slack++; !inSlack(im, off) {
					if missed++; missed < 5 {
						t.Errorf("byte %d: %#02x instead of %#02x was not found", off, is, im.Bytes[off])
					}
				}
			}
			t.Logf("%d bytes, %d flips in slack, %d missed", len(im.Bytes), slack, missed)
		})
	}
}

func TestTruncations(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			disk, used := build.Disk(4, f.size(), f.unit)
			im := f.make(disk, used)
			src := source(disk, ranges(used, f.unit, len(disk)))
			n := len(im.Bytes)
			cuts := []int{1, 511, 512, 513, 1024, 4096, f.unit, f.unit - 1, f.unit + 512, n - 1, n - 512, n - 511, n}
			r := rand.New(rand.NewPCG(5, 5))
			for len(cuts) < 50 {
				cuts = append(cuts, 1+r.IntN(n-1))
			}
			for _, cut := range cuts {
				for _, s := range []*Source{src, nil} {
					rep := check(t, image(im.Bytes[:n-cut], f.format), s)
					if rep.Verdict != Fail && (s != nil || f.format != Raw) {
						t.Errorf("%d bytes short, source %v: %s", cut, s != nil, table(rep))
					}
				}
			}
		})
	}
}

func TestAppendedAndSwapped(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			disk, used := build.Disk(6, f.size(), f.unit)
			im := f.make(disk, used)
			src := source(disk, ranges(used, f.unit, len(disk)))
			for _, n := range []int{1, 511, 512, 4096, 70000} {
				for _, c := range []byte{0, 'x'} {
					b := append(bytes.Clone(im.Bytes), bytes.Repeat([]byte{c}, n)...)
					if r := check(t, image(b, f.format), src); clean(r) || f.format != Raw && r.Verdict != Fail {
						t.Errorf("%d bytes of %q appended: %s", n, c, table(r))
					}
				}
			}
			n := len(im.Bytes)
			for _, at := range []int{n / 2, n / 3, max(0, n-3*f.unit-2048)} {
				b := bytes.Clone(im.Bytes)
				k := f.unit / 2
				x, y := b[at:at+k], b[at+k:at+2*k]
				if bytes.Equal(x, y) {
					continue
				}
				tmp := bytes.Clone(x)
				copy(x, y)
				copy(y, tmp)
				if r := check(t, image(b, f.format), src); r.Verdict != Fail {
					t.Errorf("%d bytes swapped at %d: %s", k, at, table(r))
				}
			}
		})
	}
}

func TestDifferences(t *testing.T) {
	disk, used := build.Disk(7, 8<<20, 65536)
	im := build.QCOW2(disk, used, 16)
	other := bytes.Clone(disk)
	at := []int{65536 + 5, 4*65536 + 65535, 10 * 65536, 120 * 65536}
	for _, off := range at {
		other[off] ^= 0xff
	}
	r := check(t, image(im.Bytes, ""), source(other, ranges(used, 65536, len(disk))))
	a := r.Aspects[1]
	if a.Status != Fail || len(a.Problems) != 3 { // the last one is not carried
		t.Fatal(table(r))
	}
	for i, p := range a.Problems {
		if p.Offset != int64(at[i]) || p.FileOffset < 0 || im.Bytes[p.FileOffset] != disk[at[i]] || p.Where == "" {
			t.Errorf("problem %d: %+v", i, p)
		}
	}
	// What the source does not carry must be zeros.
	src := source(disk, ranges(used[1:], 65536, len(disk)))
	src.Where = func(off int64) string { return fmt.Sprintf("here %d", off) }
	r = check(t, image(im.Bytes, ""), src)
	if p := r.Aspects[1].Problems; len(p) != 1 || p[0].Offset != 65536 || p[0].Where != "here 65536" {
		t.Error(table(r))
	}
	// What the source carries must be there, also where the image has a hole.
	other = bytes.Clone(disk)
	other[7] = 1
	r = check(t, image(im.Bytes, ""), source(other, func(yield func(Range) bool) { yield(Range{0, 512}) }))
	if p := r.Aspects[1].Problems; len(p) == 0 || p[0].Offset != 7 || p[0].FileOffset != -1 {
		t.Error(table(r))
	}
}

func TestManyDifferencesStop(t *testing.T) {
	disk, used := build.Disk(8, 64<<20, 65536)
	im := build.QCOW2(disk, used, 16)
	r, err := Check(context.Background(), image(im.Bytes, ""), Options{Source: source(make([]byte, len(disk)), ranges(used, 65536, len(disk))), MaxDiffs: 3})
	if err != nil {
		t.Fatal(err)
	}
	p := r.Aspects[1].Problems
	for i := range 3 {
		if p[i].Offset != int64(used[i])*65536 {
			t.Errorf("problem %d: %+v", i, p[i])
		}
	}
	if r.Compared > 16<<20 || !strings.Contains(r.Aspects[1].Summary, "stopped") {
		t.Error(table(r))
	}
}

func TestSizes(t *testing.T) {
	disk, used := build.Disk(9, 1<<20, 4096)
	im := build.QCOW2(disk, used, 12)
	for _, c := range []struct {
		name string
		size int
		want Status
		n    int // problems of the content
	}{
		{"shorter source", 1<<20 - 4096, Pass, 1},
		{"longer source", 1<<20 + 512, Fail, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := append(bytes.Clone(disk), make([]byte, 4096)...)[:c.size]
			r := check(t, image(im.Bytes, ""), source(d, ranges(used, 4096, c.size)))
			if r.Aspects[1].Status != c.want || len(r.Aspects[1].Problems) != c.n {
				t.Error(table(r))
			}
		})
	}
}

// failing fails where one of the ranges is touched.
type failing struct {
	io.ReaderAt
	bad []Range
}

var errSector = errors.New("input/output error")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	for _, b := range f.bad {
		if off < b.End() && off+int64(len(p)) > b.Off {
			n := max(0, b.Off-off)
			f.ReaderAt.ReadAt(p[:n], off)
			return int(n), errSector
		}
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestReadErrors(t *testing.T) {
	disk, used := build.Disk(10, 4<<20, 65536)
	im := build.QCOW2(disk, used, 16)
	carried := ranges(used, 65536, len(disk))
	good := int64(len(used) * 65536)

	src := source(disk, carried)
	src.R = failing{src.R, []Range{{4*65536 + 8192, 512}, {5 * 65536, 512}}} // the second is free
	r := check(t, image(im.Bytes, ""), src)
	if !r.Undecided() || r.OK() || r.Compared != good-4096 || len(r.Aspects[1].Problems) != 1 || r.Aspects[1].Problems[0].Offset != 4*65536+8192 {
		t.Error(table(r))
	}

	i := image(im.Bytes, "")
	i.R = failing{i.R, []Range{{int64(len(im.Bytes)) - 65536, 512}}}
	r = check(t, i, source(disk, carried))
	if !r.Undecided() || r.Compared != good-65536 || r.Aspects[1].Problems[0].Offset != int64(used[len(used)-1]*65536) {
		t.Error(table(r))
	}

	// The tables cannot be read: nothing is known.
	i.R = failing{bytes.NewReader(im.Bytes), []Range{{65536 * 3, 512}}}
	if r = check(t, i, source(disk, carried)); !r.Undecided() {
		t.Error(table(r))
	}
	// The file is shorter than its size says.
	i.R = bytes.NewReader(im.Bytes[:len(im.Bytes)-1])
	if r = check(t, i, source(disk, carried)); !r.Undecided() {
		t.Error(table(r))
	}
}

func TestBadRequests(t *testing.T) {
	disk, used := build.Disk(11, 1<<20, 4096)
	im := build.QCOW2(disk, used, 12)
	for _, c := range []struct {
		name string
		rs   []Range
	}{
		{"descending", []Range{{8192, 512}, {0, 512}}},
		{"overlap", []Range{{0, 512}, {511, 512}}},
		{"empty", []Range{{0, 0}}},
		{"outside", []Range{{1<<20 - 512, 1024}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			carried := func(yield func(Range) bool) {
				for _, r := range c.rs {
					if !yield(r) {
						return
					}
				}
			}
			if r, err := Check(context.Background(), image(im.Bytes, ""), Options{Source: source(disk, carried)}); err == nil {
				t.Error(table(r))
			}
		})
	}
	if _, err := Check(context.Background(), image(im.Bytes, "qed"), Options{}); err == nil {
		t.Error("format qed was taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Check(ctx, image(im.Bytes, ""), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestProgress(t *testing.T) {
	disk, used := build.Disk(12, 8<<20, 65536)
	im := build.QCOW2(disk, used, 16)
	var last int64
	_, err := Check(context.Background(), image(im.Bytes, ""), Options{
		Source: source(disk, ranges(used, 65536, len(disk))),
		Progress: func(done, total int64) {
			if done < last || total != int64(len(disk)) {
				t.Errorf("%d of %d after %d", done, total, last)
			}
			last = done
		},
	})
	if err != nil || last != int64(len(disk)) {
		t.Errorf("%v, ended at %d", err, last)
	}
}
