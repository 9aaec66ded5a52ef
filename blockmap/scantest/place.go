package scantest

import (
	"context"
	"io"
	"slices"
	"testing"

	"migimg/blockmap"
)

// boxMark begins a disk that boxScanner knows.
const boxMark = "MIGIMG BOX\n"

// box is a disk with r's bytes [0, n) from byte at on, and 0xa5 around it.
type box struct {
	r        io.ReaderAt
	at, n    int64
	sizeDisk int64
}

func (b *box) ReadAt(p []byte, off int64) (int, error) {
	if off >= b.sizeDisk {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), b.sizeDisk-off))
	for i := range p[:n] {
		p[i] = 0xa5
	}
	if off < int64(len(boxMark)) {
		copy(p, boxMark[off:])
	}
	if from, to := max(off, b.at), min(off+int64(n), b.at+b.n); from < to {
		if k, err := b.r.ReadAt(p[from-off:to-off], from-b.at); int64(k) < to-from {
			return int(from-off) + k, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// boxScanner finds the one volume in a box.
type boxScanner struct{ b *box }

func (boxScanner) Name() string { return "box" }

func (boxScanner) Probe(v blockmap.Volume) error {
	b := make([]byte, len(boxMark))
	if _, err := v.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	}
	if string(b) != boxMark {
		return blockmap.ErrNotMine
	}
	return nil
}

func (s boxScanner) Scan(_ context.Context, v blockmap.Volume, k blockmap.Sink) (blockmap.Report, error) {
	in, err := blockmap.Section(v, s.b.at, s.b.n)
	if err != nil {
		return blockmap.Report{}, err
	}
	return blockmap.Report{}, k.Nested("1", in)
}

// scanBoxed scans the first n bytes of the image, extended with zeros if it is
// longer, at byte at of a disk, and returns what of them is free.
func (x *trial) scanBoxed(t *testing.T, at, n int64) ([]blockmap.Range, *blockmap.VolumeInfo) {
	t.Helper()
	b := &box{r: &padded{x.file, x.size}, at: at, n: n, sizeDisk: at + n + 37*sector}
	m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(b, b.sizeDisk, 512),
		[]blockmap.Scanner{boxScanner{b}, x.Scanner}, blockmap.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Children) != 1 {
		t.Fatalf("the disk has no volume: %+v", info.Report)
	}
	free := freeRanges(m, b.sizeDisk)
	for i := range free {
		free[i].Off -= at
		if free[i].Off < 0 || free[i].End() > n {
			t.Fatalf("%v was freed outside of the volume of %d bytes", free[i], n)
		}
	}
	return free, info.Children[0]
}

// padded is r with zeros behind its size.
type padded struct {
	r    io.ReaderAt
	size int64
}

func (p *padded) ReadAt(b []byte, off int64) (int, error) {
	k := max(0, min(int64(len(b)), p.size-off))
	if k > 0 {
		if n, err := p.r.ReadAt(b[:k], off); int64(n) < k {
			return n, err
		}
	}
	clear(b[k:])
	return len(b), nil
}

// place tries the volume elsewhere and in other lengths.
func (x *trial) place(t *testing.T) {
	want := freeRanges(x.m, x.size)
	for _, c := range []struct {
		name  string
		at, n int64
	}{
		{"sector 63", 63 * sector, x.size},
		{"aligned", 1 << 20, x.size},
		{"odd bytes behind", 63 * sector, x.size + 1000},
	} {
		got, info := x.scanBoxed(t, c.at, c.n)
		if !slices.Equal(got, want) {
			t.Errorf("%s: another map: %d bytes more are free, %d less; whole %q", c.name, total(minus(got, want)), total(minus(want, got)), info.Whole)
		}
	}
	for _, cut := range []int64{1, sector, 4096, x.size / 3, x.size - 70000, x.size - 3000} {
		got, _ := x.scanBoxed(t, 63*sector, x.size-cut)
		if wrong := minus(got, want); len(wrong) > 0 {
			t.Errorf("cut by %d bytes: %d bytes more are free, first %v", cut, total(wrong), wrong[0])
		}
	}
}
