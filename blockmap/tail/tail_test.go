package tail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
)

// sparse is size bytes of zeros but for those in marks; a byte -1 cannot be read.
type sparse struct {
	size  int64
	marks map[int64]int
}

var errBad = errors.New("bad sector")

func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for at, b := range s.marks {
		if at < off || at >= off+int64(len(p)) {
			continue
		}
		if b < 0 {
			return int(at - off), errBad
		}
		p[at-off] = byte(b)
	}
	if off+int64(len(p)) > s.size {
		return int(max(0, s.size-off)), io.EOF
	}
	return len(p), nil
}

type list struct{ free []blockmap.Range }

func (l *list) Free(off, n int64) error {
	l.free = append(l.free, blockmap.Range{Off: off, Len: n})
	return nil
}
func (*list) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (l *list) Nested(string, blockmap.Volume) error { return errors.New("not here") }

func TestFree(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name      string
		size, end int64
		marks     map[int64]int
		free      []blockmap.Range
		whole     string
		err       error
	}{
		{"empty", 40 * mib, 5000, nil, []blockmap.Range{{Off: 8192, Len: 40*mib - 8192}}, "", nil},
		{"odd bytes behind", 40*mib + 1000, 8192, nil, []blockmap.Range{{Off: 8192, Len: 40*mib - 8192}}, "", nil},
		{"a mark in the padding", 40 * mib, 5000, map[int64]int{4999: 1, 8191: 1}, []blockmap.Range{{Off: 8192, Len: 40*mib - 8192}}, "", nil},
		{"nothing behind", mib, mib, nil, nil, "", nil},
		{"less than a unit behind", mib, mib - 4095, nil, nil, "", nil},
		{"one unit", mib, mib - 4096, nil, []blockmap.Range{{Off: mib - 4096, Len: 4096}}, "", nil},
		{"the first byte", 40 * mib, 5000, map[int64]int{8192: 1}, nil, "ends at byte 5000, but something lies behind it, at byte 8192", nil},
		{"the last byte", 40 * mib, 5000, map[int64]int{40*mib - 1: 255}, nil, "at byte 41943039", nil},
		{"a byte in the middle", 40 * mib, 5000, map[int64]int{20*mib + 77: 0x80}, nil, "at byte 20971597", nil},
		{"behind 10 MiB, as some builds of OpenWrt", 200 * mib, 90 * mib, map[int64]int{100*mib + 1024: 0x10}, nil, "at byte 104858624", nil},
		{"a bad sector", 40 * mib, 5000, map[int64]int{20 * mib: -1}, nil, "", errBad},
		{"too much", 40 << 30, 5000, nil, nil, "too long", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l list
			whole, err := Free(context.Background(), blockmap.Bytes(sparse{c.size, c.marks}, c.size, 512), &l, c.end)
			if !errors.Is(err, c.err) || !slices.Equal(l.free, c.free) || !strings.Contains(whole, c.whole) || (whole == "") != (c.whole == "") {
				t.Errorf("free %v, whole %q, %v", l.free, whole, err)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var l list
	if _, err := Free(ctx, blockmap.Bytes(sparse{1 << 30, nil}, 1<<30, 512), &l, 0); !errors.Is(err, context.Canceled) || l.free != nil {
		t.Errorf("free %v, %v", l.free, err)
	}
}

func TestShortVolume(t *testing.T) {
	var l list
	v := blockmap.Bytes(bytes.NewReader(make([]byte, 10000)), 1<<20, 512)
	if _, err := Free(context.Background(), v, &l, 0); !errors.Is(err, io.ErrUnexpectedEOF) || l.free != nil {
		t.Errorf("free %v, %v", l.free, err)
	}
}

func BenchmarkFree(b *testing.B) {
	const size = 1 << 30
	b.SetBytes(size)
	for b.Loop() {
		var l list
		if _, err := Free(context.Background(), blockmap.Bytes(sparse{size, nil}, size, 512), &l, 0); err != nil {
			b.Fatal(err)
		}
	}
}
