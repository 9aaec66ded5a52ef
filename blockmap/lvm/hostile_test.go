package lvm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// failing fails its n-th read, counted from 1.
type failing struct {
	io.ReaderAt
	n, reads int
}

var errFault = errors.New("injected read error")

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.reads++; f.reads == f.n {
		return 0, errFault
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestFaults: a read that fails is an error: nothing is freed after it.
func TestFaults(t *testing.T) {
	text := vgText(7, lv("a", visible, linear(3, "pv0", 0)))
	d := usual(text)
	d.mdas[0].at = d.mdas[0].size - 512 // so that it wraps
	d.mdas = append(d.mdas, mda{off: 15*mib + 512*kib, size: 512 * kib, text: text, at: 512})
	b := d.bytes()
	n := 1
	for ; ; n++ {
		f := &failing{ReaderAt: bytes.NewReader(b), n: n}
		var k recorder
		_, err := Scanner{}.Scan(context.Background(), blockmap.Bytes(f, int64(len(b)), 512), &k)
		if f.reads < n {
			break
		}
		if !errors.Is(err, errFault) || len(k.free)+len(k.names) > 0 {
			t.Errorf("read %d fails: %v, %v", n, err, k.free)
		}
	}
	if n != 7 { // the label, then header and text of two areas, one of which wraps
		t.Errorf("%d reads", n-1)
	}
}

func TestHostile(t *testing.T) {
	small := usual(vgText(7, lv("a", visible, linear(2, "pv0", 1)), lv("s", visible, striped(2, `"pv0", 4`, `"pv0", 6`))))
	scantest.Hostile(t, Scanner{}, small.bytes()[:64*kib])
}

// padded is a disk of 16 MiB with zeros behind its bytes.
type padded []byte

func (d padded) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), 16*mib-off)))
	clear(p[:n])
	if off < int64(len(d)) {
		copy(p[:n], d[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// FuzzScan changes the text and the label of a sound volume, and makes their
// checksums right again.
func FuzzScan(f *testing.F) {
	good := vgText(7, lv("a", visible, linear(2, "pv0", 1)), lv("s", visible, striped(2, `"pv0", 4`, `"pv0", 6`)))
	f.Add(good, []byte{}, int64(512))
	f.Add(strings.Replace(good, "14", "4294967295", 1), []byte{72, 1}, int64(60*kib-1024))
	f.Add(vgText(7, lv("m", visible, "2 type = \"mirror\"\nmirror_count = 1\nmirrors = [\"pv0\", 4]")), []byte{}, int64(1024))
	f.Add(vgText(7, mirrored(leg0(), leg1())...), []byte{}, int64(512))
	f.Add("a { b = [1, \"x\\\"\"] # c\n}", []byte{20, 200}, int64(0))
	f.Fuzz(func(t *testing.T, text string, edits []byte, at int64) {
		if len(text) >= 60*kib-512 {
			return
		}
		d := usual(text)
		d.size, d.mdas[0].size = 64*kib, 60*kib
		d.mdas[0].at = 512 + (at&0xfffff)%(d.mdas[0].size-1024)
		b := d.bytes()
		for ; len(edits) >= 2; edits = edits[2:] {
			b[512+int(edits[0])*2] = edits[1]
		}
		resum(b, 1020, 0)
		var k recorder
		v := blockmap.Bytes(padded(b), 16*mib, 512)
		r, err := Scanner{}.Scan(context.Background(), v, &k)
		at = 0
		for _, x := range k.free {
			if x.Off < max(at, 1024) || x.Len <= 0 || x.End() > v.Size() {
				t.Fatalf("%v is freed behind %d; %+v %v", x, at, r, err)
			}
			at = x.End()
		}
		for name, in := range k.inner {
			for x := range in.Ranges(0, in.Size()) {
				if x.Off < 1024 || x.End() > v.Size() {
					t.Fatalf("%s lies at %v", name, x)
				}
				for _, y := range k.free {
					if x.Off < y.End() && y.Off < x.End() {
						t.Fatalf("%s has %v of what is free", name, x)
					}
				}
			}
			_, _ = in.ReadAt(make([]byte, 4096), in.Size()-100)
		}
	})
}
