package lvm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"migimg/blockmap"
)

// TestVolume compares logical volumes with bytes put together by hand.
func TestVolume(t *testing.T) {
	d := usual(vgText(7,
		lv("lin", visible, linear(2, "pv0", 12), linear(1, "pv0", 0), linear(1, "pv0", 1)),
		lv("str", visible, striped(6, `"pv0", 9`, `"pv0", 2`, `"pv0", 5`), linear(1, "pv0", 8))))
	b := d.bytes()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := mib; i < 15*mib; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rnd.Uint64())
	}
	at := func(extent, off, n int64) []byte { return b[mib+extent*mib+off:][:n] }
	want := map[string][]byte{"vg--0-lin": bytes.Join([][]byte{at(12, 0, 2*mib), at(0, 0, mib), at(1, 0, mib)}, nil)}
	var str []byte
	for off := int64(0); off < 2*mib; off += 64 * kib {
		for _, e := range []int64{9, 2, 5} {
			str = append(str, at(e, off, 64*kib)...)
		}
	}
	want["vg--0-str"] = append(str, at(8, 0, mib)...)
	outer, err := blockmap.Section(blockmap.Bytes(bytes.NewReader(append(make([]byte, 5*512), b...)), int64(5*512+len(b)), 4096), 5*512, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var k recorder
	if r, err := (Scanner{}).Scan(context.Background(), outer, &k); err != nil || r.Whole != "" {
		t.Fatal(r, err)
	}
	if n := len(slices.Collect(k.inner["vg--0-lin"].Ranges(0, 4*mib))); n != 2 {
		t.Errorf("%d ranges", n)
	}
	for name, want := range want {
		v := k.inner[name]
		if v.Size() != int64(len(want)) || v.SectorSize() != 4096 {
			t.Fatalf("%s: %d bytes, must be %d", name, v.Size(), len(want))
		}
		for i := range 500 {
			off := rnd.Int64N(v.Size())
			n := rnd.Int64N(min(v.Size()-off, 300*kib)) + 1
			if i == 0 {
				off, n = 0, v.Size()
			}
			p := make([]byte, n)
			if got, err := v.ReadAt(p, off); int64(got) != n || err != nil && err != io.EOF || !bytes.Equal(p, want[off:off+n]) {
				t.Fatalf("%s: reading %d at %d: %d, %v", name, n, off, got, err)
			}
			p = p[:0]
			for r := range v.Ranges(off, n) {
				p = append(p, b[r.Off-5*512:r.End()-5*512]...)
			}
			if !bytes.Equal(p, want[off:off+n]) {
				t.Fatalf("%s: the ranges of %d at %d are wrong", name, n, off)
			}
		}
		p := make([]byte, 100)
		if n, err := v.ReadAt(p, v.Size()-40); n != 40 || err != io.EOF {
			t.Errorf("%s: at the end: %d, %v", name, n, err)
		}
		if n, err := v.ReadAt(p, v.Size()); n != 0 || err != io.EOF {
			t.Errorf("%s: behind the end: %d, %v", name, n, err)
		}
	}
}

func TestHolds(t *testing.T) {
	v := volumeOf(usual(vgText(7, lv("a", visible, linear(2, "pv0", 1)))).bytes())
	for off, want := range map[int64]bool{0: false, 512: false, 2*mib - 1: false, 2 * mib: true, 4*mib - 1: true, 4 * mib: false, 16*mib - 1: false} {
		if got := (Scanner{}).Holds(v, off); got != want {
			t.Errorf("byte %d: %v", off, got)
		}
	}
}

// TestManyVolumes holds reading a large group to a second or so.
func TestManyVolumes(t *testing.T) {
	var lvs []string
	for i := range 3000 {
		lvs = append(lvs, lv(fmt.Sprintf("volume%d", i), visible, linear(1, "pv1", i)))
	}
	d := usual(vgText(9, lvs...))
	d.size = 16 * mib
	if k, r := scan(t, d.bytes()); r.Whole != "" || len(k.free) != 1 {
		t.Errorf("%q, %v", r.Whole, k.free)
	}
}
