package swap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// area is a swap area of n pages.
func area(order binary.ByteOrder, page, n int64) []byte {
	b := make([]byte, page*n)
	order.PutUint32(b[1024:], 1)
	order.PutUint32(b[1028:], uint32(n-1))
	copy(b[1036:], "0123456789abcdef")
	copy(b[1052:], "my swap")
	copy(b[page-10:], "SWAPSPACE2")
	return b
}

func at(b []byte, off int64, s string) []byte {
	copy(b[off:], s)
	return b
}

func TestScan(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	const uuid = "30313233-3435-3637-3839-616263646566"
	for _, c := range []struct {
		name  string
		img   []byte
		free  []blockmap.Range
		whole string
		page  int64
	}{
		{"4 KiB", area(le, 4096, 40), []blockmap.Range{{Off: 4096, Len: 39 * 4096}}, "", 4096},
		{"8 KiB", area(le, 8192, 40), []blockmap.Range{{Off: 8192, Len: 39 * 8192}}, "", 8192},
		{"16 KiB", area(le, 16384, 40), []blockmap.Range{{Off: 16384, Len: 39 * 16384}}, "", 16384},
		{"32 KiB", area(le, 32768, 40), []blockmap.Range{{Off: 32768, Len: 39 * 32768}}, "", 32768},
		{"64 KiB", area(le, 65536, 40), []blockmap.Range{{Off: 65536, Len: 39 * 65536}}, "", 65536},
		{"big endian", area(be, 8192, 40), []blockmap.Range{{Off: 8192, Len: 39 * 8192}}, "", 8192},
		{"shorter than the volume", append(area(le, 4096, 40), make([]byte, 10000)...), []blockmap.Range{{Off: 4096, Len: 39 * 4096}}, "", 4096},
		{"a signature of old at 64 KiB", at(area(le, 4096, 40), 65526, "SWAPSPACE2"), []blockmap.Range{{Off: 65536, Len: 24 * 4096}}, "", 4096},
		{"longer than the volume", area(le, 4096, 40)[:39*4096], nil, "the volume only", 4096},
		{"2^32 pages", at(area(le, 4096, 40), 1028, "\xff\xff\xff\xff"), nil, "the volume only", 4096},
		{"no pages", at(area(le, 4096, 40), 1028, "\x00\x00\x00\x00"), nil, "last page", 4096},
		{"version 2", at(area(le, 4096, 40), 1024, "\x02"), nil, "version 2", 4096},
		{"version 0", at(area(le, 4096, 40), 4086, "SWAP-SPACE"), nil, "version 0", 0},
		{"swsusp", at(area(le, 4096, 40), 4086, "S1SUSPEND\x00"), nil, "hibernation image", 0},
		{"swsusp of old", at(area(le, 4096, 40), 4086, "S2SUSPEND\x00"), nil, "hibernation image", 0},
		{"uswsusp", at(area(le, 4096, 40), 4086, "ULSUSPEND\x00"), nil, "hibernation image", 0},
		{"uswsusp with 16 KiB pages", at(area(le, 16384, 40), 16374, "LINHIB0001"), nil, "hibernation image", 0},
		{"TuxOnIce", at(area(le, 4096, 40), 0, tuxOnIce), nil, "hibernation image", 4096},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, free, err := scantest.Scan(t, Scanner{}, c.img)
			if err != nil || !slices.Equal(free, c.free) {
				t.Errorf("free %v, must be %v; %v", free, c.free, err)
			}
			if (r.Whole == "") != (c.whole == "") || !strings.Contains(r.Whole, c.whole) || r.BlockSize != c.page {
				t.Errorf("%+v", r)
			}
			if c.whole == "" && (r.UUID != uuid || r.Label != "my swap" || r.Type != "swap") {
				t.Errorf("%+v", r)
			}
			v := blockmap.Bytes(bytes.NewReader(c.img), int64(len(c.img)), 512)
			m, info, err := blockmap.Scan(context.Background(), v, []blockmap.Scanner{Scanner{}}, blockmap.ScanOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(info.Whole, c.whole) {
				t.Errorf("in a scan of the device: %q", info.Whole)
			}
			if strings.Contains(c.whole, "hibernation") && info.Type != "swsuspend" {
				t.Errorf("in a scan of the device: type %q", info.Type)
			}
			want := v.Size()
			for _, f := range c.free {
				want -= f.Len
			}
			if m.Bytes() != want {
				t.Errorf("%d bytes are carried, must be %d", m.Bytes(), want)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	b := area(binary.LittleEndian, 4096, 40)
	b[1068+4*33] = 1 // garbage behind the label: so the label is, too
	if r, _, _ := scantest.Scan(t, Scanner{}, b); r.UUID != "" || r.Label != "" || r.Whole != "" {
		t.Errorf("%+v", r)
	}
}

func TestNotMine(t *testing.T) {
	for _, b := range [][]byte{area(binary.LittleEndian, 4096, 9), make([]byte, 1<<20)} {
		v := blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)
		if err := (Scanner{}).Probe(v); !errors.Is(err, blockmap.ErrNotMine) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestHostile(t *testing.T) {
	scantest.Hostile(t, Scanner{}, area(binary.LittleEndian, 4096, 40), area(binary.BigEndian, 16384, 20))
}

func FuzzScan(f *testing.F) {
	for page := int64(minPage); page <= maxPage; page *= 2 {
		f.Add(area(binary.LittleEndian, page, 10)[:page], uint8(10))
		f.Add(area(binary.BigEndian, page, 10)[:page], uint8(10))
	}
	f.Add(at(area(binary.LittleEndian, 4096, 10), 4086, "S1SUSPEND"), uint8(3))
	f.Fuzz(func(t *testing.T, head []byte, more uint8) {
		b := append(bytes.Clone(head), make([]byte, int(more)*512)...)
		r, free, err := scantest.Scan(t, Scanner{}, b)
		for _, x := range free {
			if x.Off < minPage || err != nil || r.Whole != "" {
				t.Fatalf("%v is free; %+v %v", x, r, err)
			}
		}
	})
}
