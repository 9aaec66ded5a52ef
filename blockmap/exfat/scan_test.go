package exfat

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// mustFree fails the test unless exactly the clusters are free.
func mustFree(t *testing.T, m *image, free []blockmap.Range) {
	t.Helper()
	var want []blockmap.Range
	for c := 2; c < m.clusters+2; c++ {
		if slices.Contains(m.used, c) {
			continue
		}
		r := blockmap.Range{Off: int64(m.at(c)), Len: int64(m.cluster)}
		if n := len(want); n > 0 && want[n-1].End() == r.Off {
			want[n-1].Len += r.Len
		} else {
			want = append(want, r)
		}
	}
	if !slices.Equal(free, want) {
		t.Errorf("free %v\nmust be %v", free, want)
	}
}

func TestScan(t *testing.T) {
	odd := small
	odd.clusters, odd.tail, odd.clusterShift = 4997, 0, 2
	for name, c := range map[string]struct {
		spec spec
		edit func(m *image)
		warn string
	}{
		"small":  {small, func(*image) {}, ""},
		"large":  {large, func(*image) {}, ""},
		"odd":    {odd, func(m *image) { m.use(4998) }, ""},
		"files":  {small, func(m *image) { m.use(50); m.use(51); m.use(4000) }, ""},
		"random": {odd, randomUse, ""},
		"bits behind the last cluster": {odd, func(m *image) {
			m.b[m.at(m.bitmap)+4996/8] |= 0xe0
		}, ""},
		"percent is not known":  {small, func(m *image) { m.b[112] = 0xff }, ""},
		"a root in pieces":      {small, func(m *image) { m.put(20, 900); m.put(900, -1); m.use(900) }, ""},
		"a GUID and padding":    {small, func(m *image) { m.entry(5)[0], m.entry(6)[0] = 0xa0, 0xa1 }, ""},
		"backup is damaged":     {small, func(m *image) { m.b[13*512] = 1 }, "backup boot region"},
		"errors of the disk":    {small, func(m *image) { m.b[106] = 4 }, "errors of the disk"},
		"clear to zero":         {small, func(m *image) { m.b[106] = 8 }, ""},
		"up-case in pieces":     {small, func(m *image) { copy(m.b[m.at(40):], m.b[m.at(11):m.at(12)]); m.put(10, 40); m.put(40, -1); m.use(40) }, ""},
		"a FAT entry that lies": {small, func(m *image) { m.put(300, 301) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := build(c.spec)
			c.edit(m)
			r, free, err := scantest.Scan(t, Scanner{Still: true}, m.b)
			if err != nil || r.Whole != "" {
				t.Fatalf("%+v %v", r, err)
			}
			if r.UUID != "1234-5678" || r.Label != "Größe €" || r.BlockSize != int64(m.cluster) || r.Type != "exfat" {
				t.Errorf("%+v", r)
			}
			if c.warn == "" && len(r.Warnings) > 0 || c.warn != "" && (len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], c.warn)) {
				t.Errorf("warnings %q", r.Warnings)
			}
			mustFree(t, m, free)
			r, free, err = scantest.Scan(t, Scanner{}, m.b)
			if err != nil || !strings.Contains(r.Whole, "other parts of the disk") || len(free) > 0 {
				t.Errorf("on a moving device: %d ranges are free; %+v %v", len(free), r, err)
			}
			v := blockmap.Bytes(bytes.NewReader(append(m.b, 1, 2, 3)), int64(len(m.b)+3), 512)
			if _, info, err := blockmap.Scan(context.Background(), v, []blockmap.Scanner{Scanner{Still: true}}, blockmap.ScanOptions{}); err != nil || info.Whole != "" {
				t.Errorf("as a disk: %+v %v", info, err)
			}
		})
	}
}

func randomUse(m *image) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for c := 60; c < m.clusters+2; c++ {
		if rnd.IntN(3) == 0 {
			m.use(c)
		}
	}
}

func TestWhole(t *testing.T) {
	le := binary.LittleEndian
	sealed := func(f func(b []byte)) func(m *image) {
		return func(m *image) { f(m.b); m.seal() }
	}
	for _, c := range []struct {
		name string
		edit func(m *image)
		why  string
	}{
		{"dirty", func(m *image) { m.b[106] = 2 }, "was not unmounted"},
		{"second FAT", func(m *image) { m.b[106] = 1 }, "second FAT"},
		{"flags", func(m *image) { m.b[107] = 1 }, "unknown flags"},
		{"TexFAT", sealed(func(b []byte) { b[110] = 2 }), "TexFAT"},
		{"no FATs", sealed(func(b []byte) { b[110] = 0 }), "number of FATs"},
		{"revision", sealed(func(b []byte) { b[105] = 2 }), "revision 2.00"},
		{"jump", sealed(func(b []byte) { b[1] = 0 }), "does not begin"},
		{"remains", sealed(func(b []byte) { b[13] = 8 }), "remains"},
		{"sectors of 256", sealed(func(b []byte) { b[108] = 8 }), "impossible sectors"},
		{"sectors of 8192", sealed(func(b []byte) { b[108] = 13 }), "impossible sectors"},
		{"clusters of 64 MiB", sealed(func(b []byte) { b[109] = 17 }), "impossible sectors"},
		{"longer than the volume", sealed(func(b []byte) { b[72]++ }), "the volume only"},
		{"2^63 sectors", sealed(func(b []byte) { b[79] = 0x80 }), "the volume only"},
		{"no clusters", sealed(func(b []byte) { le.PutUint32(b[92:], 0) }), "number of clusters"},
		{"2^32 clusters", sealed(func(b []byte) { le.PutUint32(b[92:], 1<<32-1) }), "number of clusters"},
		{"FAT in the boot regions", sealed(func(b []byte) { b[80] = 23 }), "within the boot regions"},
		{"FAT too small", sealed(func(b []byte) { b[84] = 39 }), "too small"},
		{"FAT in the clusters", sealed(func(b []byte) { b[84] = 47 }), "before the FAT's end"},
		{"clusters beyond", sealed(func(b []byte) { b[88] += 4 }), "do not fit"},
		{"root", sealed(func(b []byte) { b[96] = 1 }), "first cluster is 1"},
		{"percent", func(m *image) { m.b[112] = 101 }, "101 %"},
		{"checksum", func(m *image) { m.b[600] = 1 }, "checksum is wrong"},
		{"checksum's last copy", func(m *image) { m.b[12*512-1]++ }, "checksum is wrong"},
		{"other backup", func(m *image) {
			first := bytes.Clone(m.b[:12*512])
			m.b[100] = 7
			m.seal()
			copy(m.b, first)
		}, "another geometry"},
		{"no FAT", func(m *image) { m.put(1, 0) }, "does not begin as one"},
		{"root's chain is free", func(m *image) { m.put(20, 0) }, "chain of the root directory"},
		{"root's chain is bad", func(m *image) { m.put(20, 0xfffffff7) }, "chain of the root directory"},
		{"no bitmap", func(m *image) { m.entry(1)[0] &^= typeInUse }, "names no"},
		{"no up-case table", func(m *image) { m.entry(2)[0] &^= typeInUse }, "names no"},
		{"behind the end", func(m *image) { m.entry(0)[0] = 0 }, "names no"},
		{"second bitmap", func(m *image) { m.entry(3)[0] = typeBitmap }, "two allocation bitmaps"},
		{"only the second bitmap", func(m *image) { m.entry(1)[1] = 1 }, "is the second"},
		{"unknown entry", func(m *image) { m.entry(3)[0] = 0x84 }, "type 0x84"},
		{"small bitmap", func(m *image) { m.entry(1)[24]-- }, "is not that of"},
		{"large bitmap", func(m *image) { m.entry(1)[31] = 0x80 }, "is not that of"},
		{"short chain of the bitmap", func(m *image) { m.put(2, -1) }, "has 1 clusters in 1 pieces"},
		{"bitmap in pieces", func(m *image) { m.put(2, 40); m.put(40, -1) }, "has 2 clusters in 2 pieces"},
		{"long chain of the bitmap", func(m *image) { m.put(3, 4); m.put(4, 40) }, "more than 2 clusters"},
		{"a chain that bites its tail", func(m *image) { m.put(3, 2) }, "more than 2 clusters"},
		{"bitmap beyond", func(m *image) { m.entry(1)[22] = 1 }, "chain of the allocation bitmap"},
		{"up-case checksum", func(m *image) { m.b[m.at(11)]++ }, "up-case table's checksum"},
		{"up-case length", func(m *image) { m.entry(2)[26] = 3 }, "up-case table of"},
		{"up-case chain", func(m *image) { m.put(10, -1) }, "has 1 clusters, must have 2"},
		{"overlap", func(m *image) { m.put(20, 10) }, "overlap"},
		{"root is free", func(m *image) { m.drop(20) }, "cluster 20"},
		{"bitmap is free", func(m *image) { m.drop(3) }, "cluster 3"},
		{"up-case is free", func(m *image) { m.drop(11) }, "cluster 11"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := build(small)
			c.edit(m)
			r, free, err := scantest.Scan(t, Scanner{Still: true}, m.b)
			why := r.Whole
			if err != nil {
				why = err.Error()
			}
			if len(free) > 0 || why == "" || !strings.Contains(why, c.why) {
				t.Errorf("%d ranges are free; %+v %v", len(free), r, err)
			}
		})
	}
}

func TestNotMine(t *testing.T) {
	for _, f := range []func(b []byte){
		func(b []byte) { b[3] = 'e' },
		func(b []byte) { b[510] = 0 },
	} {
		m := build(small)
		f(m.b)
		if err := (Scanner{}).Probe(blockmap.Bytes(bytes.NewReader(m.b), int64(len(m.b)), 512)); !errors.Is(err, blockmap.ErrNotMine) {
			t.Error(err)
		}
	}
}

func TestHostile(t *testing.T) {
	scantest.Hostile(t, Scanner{Still: true}, build(small).b[:200*512], build(small).b, build(large).b)
}

func FuzzScan(f *testing.F) {
	tiny := large
	tiny.sectorShift = 9
	images := []*image{build(small), build(tiny)}
	for i := range images {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{96, 0, 0, 3, 92, 0, 0, 9, 84, 0, 0, 1})
		f.Add(uint8(i), []byte{108, 0, 0, 10, 109, 0, 0, 25, 110, 0, 0, 2})
		f.Add(uint8(i), []byte{80, 0, 1, 30, 8, 0, 1, 3, 84, 0, 2, 4, 32, 0, 2, 0x81})
		f.Add(uint8(i), []byte{0, 0, 3, 0, 2, 0, 3, 0xff})
	}
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		m := images[int(which)%len(images)]
		old := map[int]byte{} // a copy would take longer than the scan
		defer func() {
			for at, c := range old {
				m.b[at] = c
			}
			m.seal()
		}()
		// Of each 4 bytes, 2 are the place in boot sector, FAT, root directory or
		// bitmap, and 1 is the value. Checksums are made right again.
		for ; len(edits) >= 4; edits = edits[4:] {
			at := int(binary.LittleEndian.Uint16(edits))
			switch edits[2] % 4 {
			case 0:
				at %= 113
			case 1:
				at = m.fatAt*m.sector + at%((m.clusters+2)*4)
			case 2:
				at = m.at(m.root) + at%m.cluster
			default:
				at = m.at(m.bitmap) + at%((m.clusters+7)/8)
			}
			if _, ok := old[at]; !ok {
				old[at] = m.b[at]
			}
			m.b[at] = edits[3]
		}
		m.seal()
		r, free, err := scantest.Scan(t, Scanner{Still: true}, m.b)
		at := int64(24 * 512)
		for _, x := range free {
			if err != nil || r.Whole != "" || x.Off < at {
				t.Fatalf("%v is free behind %d; %+v %v", x, at, r, err)
			}
			at = x.End() + 1 // maximal: no two touch
		}
	})
}
