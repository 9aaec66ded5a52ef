package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

const size = 64 << 10

// image is a superblock of a filesystem of 3 blocks of 4 KiB in a volume of
// size; its checksum is made right after the edit.
func image(edit func(b []byte)) []byte {
	le := binary.LittleEndian
	b := make([]byte, size)
	for i := range b[:3*4096] {
		b[i] = byte(i)
	}
	clear(b[:superOffset+superSize])
	sb := b[superOffset:]
	copy(sb, magic)
	le.PutUint32(sb[8:], compatChecksum|2)
	sb[12] = 12
	le.PutUint16(sb[14:], 36)
	le.PutUint32(sb[36:], 3)
	copy(sb[48:], "0123456789abcdef")
	copy(sb[64:], "my label")
	if edit != nil {
		edit(sb)
	}
	sealed(b)
	return b
}

// sealed makes the checksum right.
func sealed(b []byte) {
	sb := b[superOffset:]
	n := 1 << min(sb[12], 15)
	if n > superOffset {
		n -= superOffset
	}
	clear(sb[4:8])
	binary.LittleEndian.PutUint32(sb[4:], ^crc32.Checksum(sb[:n], crc32.MakeTable(crc32.Castagnoli)))
}

func put32(at int, n uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], n) }
}

func TestScan(t *testing.T) {
	tail := []blockmap.Range{{Off: 12288, Len: size - 12288}}
	for _, c := range []struct {
		name  string
		edit  func([]byte)
		free  []blockmap.Range
		whole string
	}{
		{"plain", nil, tail, ""},
		{"all known features", put32(80, incompatKnown&^incompat48Bit), tail, ""},
		{"48 bits, low", func(b []byte) { put32(80, incompat48Bit)(b); b[14], b[112] = 0, 36 }, tail, ""},
		{"48 bits, high", func(b []byte) { put32(80, incompat48Bit)(b); b[14], b[112] = 1, 36 }, nil, "has 4294967299 blocks"},
		{"48 bits, the root's number of old", put32(80, incompat48Bit), tail, ""},
		{"blocks of 512 bytes", func(b []byte) { b[12] = 9; put32(36, 24)(b) }, tail, ""},
		{"blocks of 1 KiB", func(b []byte) { b[12] = 10; put32(36, 12)(b) }, tail, ""},
		{"blocks of 16 KiB", func(b []byte) { b[12] = 14; put32(36, 1)(b) }, []blockmap.Range{{Off: 16384, Len: size - 16384}}, ""},
		{"blocks of 256 bytes", func(b []byte) { b[12] = 8 }, nil, "2^8"},
		{"blocks of 2^255 bytes", func(b []byte) { b[12] = 255 }, nil, "2^255"},
		{"something behind", func(b []byte) { b[40000] = 1 }, nil, "something lies behind"},
		{"an unknown feature", put32(80, 0x8200), nil, "0x8200"},
		{"devices", func(b []byte) { put32(80, incompatDevices)(b); b[86] = 1 }, nil, "1 more devices"},
		{"directory blocks", func(b []byte) { b[90] = 1 }, nil, "directory blocks"},
		{"slots", func(b []byte) { b[13] = 255 }, nil, "255 more slots"},
		{"longer than the volume", put32(36, 17), nil, "cut short"},
		{"2^32 blocks", put32(36, 1<<32-1), nil, "cut short"},
		{"no blocks", put32(36, 0), nil, "it has 0 blocks"},
		{"metadata outside", put32(40, 4), nil, "inodes begin at block 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, free, err := scantest.Scan(t, Scanner{}, image(c.edit))
			if err != nil || !slices.Equal(free, c.free) {
				t.Errorf("free %v, must be %v; %v", free, c.free, err)
			}
			if (r.Whole == "") != (c.whole == "") || !strings.Contains(r.Whole, c.whole) ||
				r.UUID != "30313233-3435-3637-3839-616263646566" || r.Label != "my label" {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestChecksum(t *testing.T) {
	b := image(nil)
	b[4095] ^= 1
	if r, free, err := scantest.Scan(t, Scanner{}, b); !strings.Contains(r.Whole, "checksum") || free != nil || err != nil {
		t.Errorf("%+v, %v, %v", r, free, err)
	}
	b[superOffset+8] &^= compatChecksum
	if r, free, err := scantest.Scan(t, Scanner{}, b); r.Whole != "" || len(free) != 1 || err != nil {
		t.Errorf("%+v, %v, %v", r, free, err)
	}
}

func TestNotMine(t *testing.T) {
	for _, b := range [][]byte{image(nil)[:superOffset+superSize-1], make([]byte, 4096)} {
		if err := (Scanner{}).Probe(blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)); !errors.Is(err, blockmap.ErrNotMine) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestHostile(t *testing.T) { scantest.Hostile(t, Scanner{}, image(nil)) }

func FuzzScan(f *testing.F) {
	f.Add(image(nil)[superOffset:][:superSize], true)
	f.Add(image(put32(80, incompat48Bit))[superOffset:][:superSize], false)
	f.Fuzz(func(t *testing.T, super []byte, seal bool) {
		b := image(nil)
		copy(b[superOffset:][:superSize], super)
		if seal {
			sealed(b)
		}
		r, free, _ := scantest.Scan(t, Scanner{}, b)
		for _, x := range free {
			if x.Off < superOffset+superSize || r.Whole != "" || len(bytes.Trim(b[x.Off:x.End()], "\x00")) > 0 {
				t.Fatalf("%v is free; %+v", x, r)
			}
		}
	})
}
