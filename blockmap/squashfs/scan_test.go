package squashfs

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
	used = 9000
	size = 64 << 10
)

// image is a superblock whose tables lie as in a squashfs of one file, of used
// bytes in a volume of size.
func image(edit func(b []byte)) []byte {
	le := binary.LittleEndian
	b := make([]byte, size)
	for i := range b[:used] {
		b[i] = byte(i)
	}
	clear(b[:superSize])
	copy(b, magic)
	le.PutUint32(b[4:], 2)
	le.PutUint32(b[12:], 128<<10)
	le.PutUint32(b[16:], 1)
	le.PutUint16(b[20:], 1)
	le.PutUint16(b[22:], 17)
	le.PutUint16(b[26:], 1)
	le.PutUint16(b[28:], 4)
	le.PutUint64(b[40:], used)
	le.PutUint64(b[48:], used-8)   // ids
	le.PutUint64(b[56:], absent)   // xattrs
	le.PutUint64(b[64:], used-300) // inodes
	le.PutUint64(b[72:], used-200) // directories
	le.PutUint64(b[80:], used-100) // fragments
	le.PutUint64(b[88:], used-50)  // for NFS
	if edit != nil {
		edit(b)
	}
	return b
}

func xattrs(n uint32) func([]byte) {
	return func(b []byte) {
		le := binary.LittleEndian
		le.PutUint64(b[48:], used-32)
		le.PutUint64(b[56:], used-24)
		le.PutUint64(b[used-24:], used-100)
		le.PutUint32(b[used-16:], n)
	}
}

func put16(at int, n uint16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], n) }
}
func put64(at int, n uint64) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint64(b[at:], n) }
}

func TestScan(t *testing.T) {
	tail := []blockmap.Range{{Off: 12288, Len: size - 12288}}
	for _, c := range []struct {
		name  string
		edit  func([]byte)
		kind  string
		free  []blockmap.Range
		whole string
	}{
		{"plain", nil, "squashfs", tail, ""},
		{"xattrs", xattrs(512), "squashfs", tail, ""},
		{"xattrs of another length", xattrs(513), "squashfs", nil, "xattr table of 513 entries"},
		{"no xattrs", xattrs(0), "squashfs", nil, "xattr table of 0"},
		{"not exportable", put64(88, absent), "squashfs", tail, ""},
		{"no fragments", func(b []byte) { b[16] = 0; put64(80, absent)(b) }, "squashfs", tail, ""},
		{"something behind", func(b []byte) { b[40000] = 1 }, "squashfs", nil, "something lies behind"},
		{"version 3", put16(28, 3), "squashfs3", nil, "version 3"},
		{"version 5", put16(28, 5), "squashfs", nil, "version 5"},
		{"version 4.1", put16(30, 1), "squashfs", nil, "version 4.1"},
		{"big endian", func(b []byte) { copy(b, magicBig) }, "squashfs3", nil, "big-endian"},
		{"compressor 7", put16(20, 7), "squashfs", nil, "method 7"},
		{"compressor 0", put16(20, 0), "squashfs", nil, "method 0"},
		{"block log", put16(22, 16), "squashfs", nil, "2^16"},
		{"block log 64", put16(22, 64), "squashfs", nil, "2^64"},
		{"longer than the volume", put64(40, size+1), "squashfs", nil, "cut short"},
		{"huge", put64(40, 1<<63+used), "squashfs", nil, "cut short"},
		{"shorter than its tables", put64(40, used-1), "squashfs", nil, "id table"},
		{"longer than its tables", put64(40, used+8), "squashfs", nil, "last table"},
		{"empty", put64(40, 0), "squashfs", nil, "inode table"},
		{"no ids", put16(26, 0), "squashfs", nil, "no ids"},
		{"too many ids", put16(26, 3000), "squashfs", nil, "id table"},
		{"inode table in the superblock", put64(64, 95), "squashfs", nil, "inode table"},
		{"tables out of order", put64(72, used-90), "squashfs", nil, "fragment table"},
		{"a table outside", put64(80, 1<<62), "squashfs", nil, "fragment table"},
		{"fragments without a table", put64(80, absent), "squashfs", nil, "fragment table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, free, err := scantest.Scan(t, Scanner{}, image(c.edit))
			if err != nil || !slices.Equal(free, c.free) {
				t.Errorf("free %v, must be %v; %v", free, c.free, err)
			}
			if r.Type != c.kind || (r.Whole == "") != (c.whole == "") || !strings.Contains(r.Whole, c.whole) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestNotMine(t *testing.T) {
	for _, b := range [][]byte{image(nil)[:95], make([]byte, 4096)} {
		if err := (Scanner{}).Probe(blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)); !errors.Is(err, blockmap.ErrNotMine) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestHostile(t *testing.T) { scantest.Hostile(t, Scanner{}, image(nil), image(xattrs(512))) }

func FuzzScan(f *testing.F) {
	f.Add(image(nil)[:superSize], []byte{})
	f.Add(image(xattrs(512))[:superSize], image(xattrs(512))[used-24:used])
	f.Fuzz(func(t *testing.T, super, end []byte) {
		b := image(func(b []byte) {
			copy(b[:superSize], super)
			copy(b[used-24:used], end)
		})
		r, free, _ := scantest.Scan(t, Scanner{}, b)
		for _, x := range free {
			if x.Off < superSize || r.Whole != "" || !allZero(b[x.Off:x.End()]) {
				t.Fatalf("%v is free; %+v", x, r)
			}
		}
	})
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
