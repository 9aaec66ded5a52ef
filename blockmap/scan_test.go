package blockmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
)

// scripted is a Scanner that does what a test says.
type scripted struct {
	name  string
	probe func(v Volume) error
	scan  func(ctx context.Context, v Volume, s Sink) (Report, error)
}

func (s scripted) Name() string { return s.name }
func (s scripted) Probe(v Volume) error {
	if s.probe == nil {
		return nil
	}
	return s.probe(v)
}
func (s scripted) Scan(ctx context.Context, v Volume, k Sink) (Report, error) {
	return s.scan(ctx, v, k)
}

// sized probes a volume by its size: nested volumes of a test differ in it.
func sized(n int64) func(Volume) error {
	return func(v Volume) error {
		if v.Size() == n {
			return nil
		}
		return ErrNotMine
	}
}

// frees is a scan that frees the ranges.
func frees(rs ...Range) func(context.Context, Volume, Sink) (Report, error) {
	return func(_ context.Context, _ Volume, s Sink) (Report, error) {
		for _, r := range rs {
			if err := s.Free(r.Off, r.Len); err != nil {
				return Report{}, err
			}
		}
		return Report{}, nil
	}
}

const testSize = 4 << 20

func blank() Volume { return Bytes(bytes.NewReader(make([]byte, testSize)), testSize, 512) }

func mustScan(t *testing.T, v Volume, scanners ...Scanner) (*Map, *VolumeInfo) {
	t.Helper()
	m, info, err := Scan(context.Background(), v, scanners, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, info
}

func TestScanFrees(t *testing.T) {
	m, info := mustScan(t, blank(), scripted{name: "a", scan: frees(Range{1 << 20, 1 << 20}, Range{3<<20 + 4096, 8192})})
	if got, want := slices.Collect(m.Ranges(0, testSize)), []Range{{0, 1 << 20}, {2 << 20, 1<<20 + 4096}, {3<<20 + 12288, 1<<20 - 12288}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if info.Type != "a" || info.Whole != "" || info.Start != 0 || info.Size != testSize || info.Carried != m.Bytes() {
		t.Errorf("%+v", info)
	}
}

// TestScanWhole has every reason to carry a volume whole.
func TestScanWhole(t *testing.T) {
	free := frees(Range{0, testSize})
	half := scripted{name: "half", scan: func(_ context.Context, _ Volume, s Sink) (Report, error) {
		return Report{Type: "half1"}, errors.Join(s.Free(100, testSize-100), errors.New("a broken bitmap"))
	}}
	whole := scripted{name: "w", scan: func(_ context.Context, _ Volume, s Sink) (Report, error) {
		return Report{Whole: "an unknown feature"}, s.Free(0, testSize)
	}}
	crash := scripted{name: "crash", scan: func(_ context.Context, _ Volume, s Sink) (Report, error) {
		_ = s.Free(0, testSize)
		panic("index out of range")
	}}
	luks := make([]byte, testSize)
	copy(luks, "LUKS\xba\xbe")
	io := errors.New("input/output error")
	for _, c := range []struct {
		name     string
		v        Volume
		scanners []Scanner
		kind     string
		want     string
	}{
		{"nobody's", blank(), nil, "", "unknown contents"},
		{"not theirs", blank(), []Scanner{scripted{"a", sized(1), free}}, "", "unknown contents"},
		{"two formats", blank(), []Scanner{scripted{"a", nil, free}, scripted{"b", nil, free}}, "a", "more than one format: [a b]"},
		{"a mark beside", Bytes(bytes.NewReader(luks), testSize, 0), []Scanner{scripted{"a", nil, free}}, "a", "[a crypto_LUKS]"},
		{"a mark without a scanner", Bytes(bytes.NewReader(luks), testSize, 0), nil, "crypto_LUKS", "no scanner for crypto_LUKS"},
		{"a probe's error", blank(), []Scanner{scripted{"a", nil, free}, scripted{"b", func(Volume) error { return io }, free}}, "a", "input/output error"},
		{"a scanner's error", blank(), []Scanner{half}, "half1", "a broken bitmap"},
		{"a scanner's crash", blank(), []Scanner{crash}, "crash", "crashed"},
		{"a report", blank(), []Scanner{whole}, "w", "an unknown feature"},
		{"a short device", Bytes(bytes.NewReader(nil), testSize, 0), []Scanner{scripted{"a", nil, free}}, "a", "reading"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, info := mustScan(t, c.v, c.scanners...)
			if m.Bytes() != testSize || m.masks.count != 0 || info.Carried != testSize {
				t.Errorf("%d bytes carried, %d masks", m.Bytes(), m.masks.count)
			}
			if info.Type != c.kind || !strings.Contains(info.Whole, c.want) {
				t.Errorf("type %q, whole %q", info.Type, info.Whole)
			}
		})
	}
}

// nest is a scanner that frees its first 64 KiB and nests sections.
func nest(name string, probe func(Volume) error, end error, parts ...Range) Scanner {
	return scripted{name, probe, func(_ context.Context, v Volume, s Sink) (Report, error) {
		if err := s.Free(0, 65536); err != nil {
			return Report{}, err
		}
		for i, p := range parts {
			part, err := Section(v, p.Off, p.Len)
			if err != nil {
				return Report{}, err
			}
			if err := s.Nested(fmt.Sprint(i+1), part); err != nil {
				return Report{}, err
			}
		}
		return Report{}, end
	}}
}

func TestScanNested(t *testing.T) {
	fs := scripted{"fs", sized(1 << 20), frees(Range{4096, 1<<20 - 4096})}
	broken := scripted{"broken", sized(512 << 10), func(_ context.Context, _ Volume, s Sink) (Report, error) {
		return Report{}, errors.Join(s.Free(0, 512<<10), errors.New("torn"))
	}}
	table := nest("table", sized(testSize), nil, Range{1 << 20, 1 << 20}, Range{2 << 20, 512 << 10})
	m, info := mustScan(t, blank(), table, fs, broken)
	if got, want := slices.Collect(m.Ranges(0, testSize)), []Range{{65536, 1<<20 + 4096 - 65536}, {2 << 20, 2 << 20}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var names []string
	for v := range info.All() {
		names = append(names, fmt.Sprintf("%s:%s:%d:%d:%s", v.Name, v.Type, v.Start, v.Carried, v.Whole))
	}
	want := []string{fmt.Sprintf(":table:0:%d:", m.Bytes()), "1:fs:1048576:4096:", "2:broken:2097152:524288:torn"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}

	// The outer scanner fails afterwards: all is taken back, the inner one's too.
	table = nest("table", sized(testSize), errors.New("overlap"), Range{1 << 20, 1 << 20})
	m, info = mustScan(t, blank(), table, fs)
	if m.Bytes() != testSize || len(info.Children) != 0 || info.Whole != "overlap" {
		t.Errorf("%d bytes, %+v", m.Bytes(), info)
	}
}

func TestScanFreeOutside(t *testing.T) {
	for _, r := range []Range{{-1, 10}, {0, -1}, {0, testSize + 1}, {testSize + 1, 0}, {1 << 62, 1 << 62}, {4096, 1<<63 - 1}} {
		m, info := mustScan(t, blank(), scripted{name: "a", scan: frees(Range{0, 1 << 20}, r)})
		if m.Bytes() != testSize || !strings.Contains(info.Whole, "leaves a volume") {
			t.Errorf("freeing %v: %d bytes carried, %q", r, m.Bytes(), info.Whole)
		}
	}
}

// TestScanHostileNesting: a volume that holds itself ends, and is carried.
func TestScanHostileNesting(t *testing.T) {
	self := scripted{"self", nil, func(_ context.Context, v Volume, s Sink) (Report, error) {
		return Report{}, s.Nested("x", v)
	}}
	m, info := mustScan(t, blank(), self)
	depth, last := 0, info
	for v := range info.All() {
		depth, last = depth+1, v
	}
	if depth != maxDepth+2 || !strings.Contains(last.Whole, "nested deeper") || m.Bytes() != testSize {
		t.Errorf("%d deep, %q, %d bytes", depth, last.Whole, m.Bytes())
	}

	wide := scripted{"wide", nil, func(_ context.Context, v Volume, s Sink) (Report, error) {
		for i := range 20 {
			if err := s.Nested(fmt.Sprint(i), v); err != nil {
				return Report{}, err
			}
		}
		return Report{}, nil
	}}
	_, info = mustScan(t, blank(), wide)
	n := 0
	for range info.All() {
		n++
	}
	if n > 30*maxVolumes {
		t.Errorf("%d volumes", n)
	}
}

func TestScanCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	sc := scripted{"a", nil, func(_ context.Context, v Volume, s Sink) (Report, error) {
		cancel()
		return Report{}, s.Free(0, testSize)
	}}
	if _, _, err := Scan(ctx, blank(), []Scanner{sc}, ScanOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// scattered is a volume whose halves are swapped on the device.
type scattered struct{ Volume }

func (s scattered) Ranges(off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		half := s.Size() / 2
		if a, b := off, min(off+n, half); a < b && !yield(Range{a + half, b - a}) {
			return
		}
		if a, b := max(off, half), off+n; a < b {
			yield(Range{a - half, b - a})
		}
	}
}

func TestScanScattered(t *testing.T) {
	m, info := mustScan(t, scattered{blank()}, scripted{name: "a", scan: frees(Range{testSize/2 - 8192, 16384})})
	if got, want := slices.Collect(m.Ranges(0, testSize)), []Range{{8192, testSize - 16384}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if info.Start != -1 || info.Carried != m.Bytes() {
		t.Errorf("%+v", info)
	}
}

// container is a scripted Scanner whose inner volumes hold what is behind from.
type container struct {
	scripted
	from int64
}

func (c container) Holds(_ Volume, off int64) bool { return off >= c.from }

// TestScanMarkOfInner: a RAID member's mark at the disk's end is the last
// partition's, if that is where it lies.
func TestScanMarkOfInner(t *testing.T) {
	b := make([]byte, testSize)
	copy(b[testSize-8192:], "\xfc\x4e\x2b\xa9\x01\x00\x00\x00") // md 1.0
	v := Bytes(bytes.NewReader(b), testSize, 512)
	table := scripted{"table", nil, frees(Range{1 << 20, 1 << 20})}
	for _, c := range []struct {
		from int64
		want string
	}{{2 << 20, ""}, {testSize, "[table linux_raid_member]"}} {
		_, info := mustScan(t, v, container{table, c.from})
		if (info.Whole == "") != (c.want == "") || !strings.Contains(info.Whole, c.want) {
			t.Errorf("inner volumes from %d: %q", c.from, info.Whole)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	const size = 1 << 40
	v := Bytes(zeroReader{}, size, 512)
	sc := scripted{name: "a", scan: func(_ context.Context, _ Volume, s Sink) (Report, error) {
		for off := int64(0); off < size; off += 1 << 20 {
			if err := s.Free(off+4096, 700<<10); err != nil {
				return Report{}, err
			}
		}
		return Report{}, nil
	}}
	for b.Loop() {
		if _, _, err := Scan(context.Background(), v, []Scanner{sc}, ScanOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// stiller frees all that it is given, of volumes that nothing can write to.
type stiller struct{ still bool }

func (s stiller) Name() string       { return "s" }
func (s stiller) Probe(Volume) error { return nil }
func (s stiller) WhenStill() Scanner { return stiller{true} }
func (s stiller) Scan(_ context.Context, v Volume, k Sink) (Report, error) {
	if !s.still {
		return Report{Whole: "moving"}, nil
	}
	return Report{}, k.Free(0, v.Size())
}

func TestScanStill(t *testing.T) {
	for _, c := range []struct {
		still func(string) bool
		want  int64
	}{
		{nil, testSize},
		{func(string) bool { return false }, testSize},
		{func(name string) bool { return name == "" }, 0},
	} {
		m, _, err := Scan(context.Background(), blank(), []Scanner{stiller{}}, ScanOptions{Still: c.still})
		if err != nil || m.Bytes() != c.want {
			t.Errorf("%d bytes are carried, %v; want %d", m.Bytes(), err, c.want)
		}
	}
}
