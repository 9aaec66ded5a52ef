package iso9660

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

const (
	sectors = 30  // of the filesystem
	all     = 600 // of the volume
)

func both16(b []byte, n uint16) {
	binary.LittleEndian.PutUint16(b, n)
	binary.BigEndian.PutUint16(b[2:], n)
}

func both32(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}

// descriptor is a primary or supplementary one.
func descriptor(kind byte, n uint32) []byte {
	p := make([]byte, sector)
	p[0], p[6] = kind, 1
	copy(p[1:], id)
	copy(p[40:72], "MY VOLUME                       ")
	both32(p[80:], n)
	both16(p[128:], sector)
	p[156] = 34
	both32(p[158:], 20)
	both32(p[166:], sector)
	copy(p[813:], "1999010203040506\x00")
	copy(p[830:], "2024050607080910\x04")
	return p
}

func joliet(n uint32, label string) []byte {
	p := descriptor(typeSupplementary, n)
	copy(p[88:], "%/E")
	clear(p[40:72])
	for i, c := range []byte(label) {
		p[40+2*i+1] = c
	}
	return p
}

func boot(catalog uint32) []byte {
	p := make([]byte, sector)
	copy(p[1:], id)
	copy(p[7:], elTorito)
	binary.LittleEndian.PutUint32(p[71:], catalog)
	return p
}

func terminator() []byte {
	p := make([]byte, sector)
	p[0] = typeTerminator
	copy(p[1:], id)
	return p
}

// image has the descriptors from sector 16 on, a boot catalog in sector 25 whose
// image is in sector 26, and anything else up to sector 30.
func image(edit func(b []byte), ds ...[]byte) []byte {
	b := make([]byte, all*sector)
	for i, d := range ds {
		copy(b[(first+i)*sector:], d)
	}
	c := b[25*sector:]
	copy(c, "\x01")
	c[30], c[31] = 0x55, 0xaa
	binary.LittleEndian.PutUint16(c[28:], uint16(0x10000-1-0xaa55))
	c[32] = 0x88
	c[32+8] = 26
	b[29*sector] = 1
	if edit != nil {
		edit(b)
	}
	return b
}

func anchor(at int64) func([]byte) {
	return func(b []byte) {
		p := b[at*sector:]
		p[0], p[2] = 2, 3
		binary.LittleEndian.PutUint32(p[12:], uint32(at))
		for i, c := range p[:16] {
			if i != 4 {
				p[4] += c
			}
		}
	}
}

func put(at int, s string) func([]byte) { return func(b []byte) { copy(b[at:], s) } }

func TestScan(t *testing.T) {
	tail := []blockmap.Range{{Off: sectors * sector, Len: (all - sectors) * sector}}
	primary, end := descriptor(typePrimary, sectors), terminator()
	changed := func(edit func([]byte)) []byte {
		p := bytes.Clone(primary)
		edit(p)
		return p
	}
	for _, c := range []struct {
		name  string
		ds    [][]byte
		edit  func([]byte)
		free  []blockmap.Range
		whole string
	}{
		{"plain", [][]byte{primary, end}, nil, tail, ""},
		{"the longest counts", [][]byte{descriptor(typePrimary, 28), boot(25), joliet(sectors, "MY VOLUME"), end}, nil, tail, ""},
		{"odd sectors", [][]byte{descriptor(typePrimary, sectors-1), end}, func(b []byte) { b[29*sector] = 0 }, tail, ""},
		{"something behind", [][]byte{primary, end}, put(500*sector+7, "x"), nil, "something lies behind"},
		{"an MBR", [][]byte{primary, end}, func(b []byte) { put(510, "\x55\xaa")(b); b[446+12] = 1 }, nil, "MBR"},
		{"an MBR without partitions", [][]byte{primary, end}, put(510, "\x55\xaa"), tail, ""},
		{"a GPT", [][]byte{primary, end}, put(512, "EFI PART"), nil, "GPT"},
		{"an Apple partition map", [][]byte{primary, end}, put(2048, "PM"), nil, "Apple"},
		{"HFS+", [][]byte{primary, end}, put(1024, "H+"), nil, "Apple"},
		{"a UDF bridge", [][]byte{primary, end}, put(18*sector+1, "BEA01"), nil, "UDF"},
		{"NSR03 alone", [][]byte{primary, end}, put(19*sector+1, "NSR03"), nil, "UDF"},
		{"anchor at 256", [][]byte{primary, end}, anchor(256), nil, "UDF"},
		{"anchor at the end", [][]byte{primary, end}, anchor(all - 1), nil, "UDF"},
		{"anchor 256 before the filesystem's last", [][]byte{descriptor(typePrimary, 290), end}, anchor(290 - 257), nil, "UDF"},
		{"boot image outside", [][]byte{primary, boot(25), end}, func(b []byte) { b[25*sector+40] = 30 }, nil, "boot image begins at sector 30"},
		{"boot catalog outside", [][]byte{primary, boot(30), end}, nil, nil, "boot catalog is sector 30"},
		{"boot catalog damaged", [][]byte{primary, boot(25), end}, func(b []byte) { b[25*sector+1]++ }, nil, "boot catalog is damaged"},
		{"sizes differ", [][]byte{changed(func(p []byte) { p[87]++ }), end}, nil, nil, "has 30 blocks, and 31"},
		{"blocks of 512 bytes", [][]byte{changed(func(p []byte) { both16(p[128:], 512) }), end}, nil, nil, "512 bytes"},
		{"root outside", [][]byte{changed(func(p []byte) { both32(p[158:], sectors) }), end}, nil, nil, "root directory"},
		{"no root", [][]byte{changed(func(p []byte) { p[156] = 0 }), end}, nil, nil, "root directory"},
		{"longer than the volume", [][]byte{descriptor(typePrimary, all+1), end}, nil, nil, "cut short"},
		{"no terminator", [][]byte{primary}, nil, nil, "without a terminator"},
		{"no primary", [][]byte{joliet(sectors, ""), end}, nil, nil, "no primary"},
		{"a partition descriptor", [][]byte{primary, put3(), end}, nil, nil, "type 3"},
		{"too many", slices.Repeat([][]byte{primary}, 100), nil, nil, "no terminator in 84"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, free, err := scantest.Scan(t, Scanner{}, image(c.edit, c.ds...))
			if err != nil || !slices.Equal(free, c.free) {
				t.Errorf("free %v, must be %v; %v", free, c.free, err)
			}
			if (r.Whole == "") != (c.whole == "") || !strings.Contains(r.Whole, c.whole) {
				t.Errorf("%+v", r)
			}
			if c.whole == "" && (r.UUID != "2024-05-06-07-08-09-10" || r.Label != "MY VOLUME") {
				t.Errorf("%+v", r)
			}
		})
	}
}

func put3() []byte {
	p := descriptor(typePrimary, sectors)
	p[0] = 3
	return p
}

func TestIdentity(t *testing.T) {
	p := descriptor(typePrimary, sectors)
	copy(p[830:], "0000000000000000\x00")
	r, _, _ := scantest.Scan(t, Scanner{}, image(nil, p, joliet(sectors, "Another name"), terminator()))
	if r.UUID != "1999-01-02-03-04-05-06" || r.Label != "Another name" {
		t.Errorf("%+v", r)
	}
}

func TestNotMine(t *testing.T) {
	b := image(nil, descriptor(typePrimary, sectors), terminator())
	for _, b := range [][]byte{b[:17*sector-1], make([]byte, 1<<20)} {
		if err := (Scanner{}).Probe(blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)); !errors.Is(err, blockmap.ErrNotMine) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestHostile(t *testing.T) {
	scantest.Hostile(t, Scanner{}, image(nil, descriptor(typePrimary, sectors), boot(25), joliet(sectors, "x"), terminator()))
}

func FuzzScan(f *testing.F) {
	f.Add(slices.Concat(descriptor(typePrimary, sectors), boot(25), joliet(sectors, "MY"), terminator()), uint16(0), []byte{})
	f.Add(slices.Concat(descriptor(typePrimary, sectors), terminator()), uint16(25*sector), []byte{1})
	f.Fuzz(func(t *testing.T, ds []byte, at uint16, edit []byte) {
		b := image(func(b []byte) { copy(b[at:], edit) }, ds[:min(len(ds), 500*sector)])
		r, free, _ := scantest.Scan(t, Scanner{}, b)
		for _, x := range free {
			if x.Off < (first+2)*sector || r.Whole != "" || len(bytes.Trim(b[x.Off:x.End()], "\x00")) > 0 {
				t.Fatalf("%v is free; %+v", x, r)
			}
		}
	})
}
