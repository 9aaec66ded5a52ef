package encodertest

import (
	"testing"

	"migimg/encoders/layout"
)

// largestUnit is the largest unit in which a format takes the disk, in bytes:
// the last one may reach beyond the disk's end, and what begins there with it.
const largestUnit = 32 << 20

// checkSpans asks whether the spans of [off, off+n) cover it, in order, and
// whether what they read lies on the disk (or in the last unit's rest).
func checkSpans(t *testing.T, c Case, l *layout.Layout, off, n int64) {
	t.Helper()
	at, dev := off, int64(-1)
	for s := range l.Spans(off, n) {
		if s.Off != at || s.Len <= 0 || s.Name == "" {
			t.Fatalf("span %q [%d, +%d) after %d", s.Name, s.Off, s.Len, at)
		}
		at += s.Len
		if src, n := s.Source(); n > 0 {
			if src < 0 || src/largestUnit*largestUnit >= c.Size {
				t.Fatalf("span %q at %d reads device offset %d of %d", s.Name, s.Off, src, c.Size)
			}
			if s.Kind == layout.Data {
				if src < dev {
					t.Fatalf("span %q at %d goes back on the device, from %d to %d", s.Name, s.Off, dev, src)
				}
				dev = src + n
			}
		}
	}
	if want := min(off+n, l.Size()); at != want {
		t.Fatalf("the spans of [%d, +%d) end at %d", off, n, at)
	}
}

// checkExtents walks the file's holes: there must be nothing in them but zeros,
// they must alternate with data, and the data must be what is allocated.
func checkExtents(t *testing.T, l *layout.Layout) {
	t.Helper()
	allocated, before := int64(0), -1
	for off := int64(0); off < l.Size(); {
		n, data := l.Extent(off)
		kind := 0
		if data {
			kind = 1
			allocated += n
		} else {
			for s := range l.Spans(off, n) {
				if s.Kind != layout.Zero {
					t.Fatalf("span %q at %d lies in a hole [%d, +%d)", s.Name, s.Off, off, n)
				}
			}
		}
		if n <= 0 || off+n > l.Size() || kind == before {
			t.Fatalf("the extent at %d has %d bytes, and is of the kind before it: %v", off, n, kind == before)
		}
		before = kind
		off += n
	}
	if allocated != l.Allocated() {
		t.Errorf("%d bytes are said to be allocated, %d are", l.Allocated(), allocated)
	}
}
