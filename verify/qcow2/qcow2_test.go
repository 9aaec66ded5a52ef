package qcow2

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
)

func opened(t *testing.T, b []byte) (decoder.Disk, string) {
	t.Helper()
	ps := &decoder.Problems{}
	d, _, err := Open(context.Background(), decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, ps)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range ps.List() {
		all = append(all, string(p.Severity)+" "+p.What)
	}
	return d, strings.Join(all, "\n")
}

// The image has 4 KiB clusters: 0 header, 1 refcount table, 2 refcount block,
// 3 L1, 4 L2, 5... the guest clusters 1, 4, 7 ...
func TestStructure(t *testing.T) {
	const cl = 4096
	be := binary.BigEndian
	or := func(b []byte, at int, bits uint64) { be.PutUint64(b[at:], be.Uint64(b[at:])|bits) }
	xor := func(b []byte, at int, bits uint64) { be.PutUint64(b[at:], be.Uint64(b[at:])^bits) }
	l2 := 4*cl + 8*1 // the entry of guest cluster 1
	for _, c := range []struct {
		name     string
		change   func(b []byte) []byte
		want     string // "" is none
		readable bool
	}{
		{"good", func(b []byte) []byte { return b }, "", true},
		{"L1 without COPIED", func(b []byte) []byte { xor(b, 3*cl, copied); return b }, "fail qcow2: L1 entry 0 is", true},
		{"L2 without COPIED", func(b []byte) []byte { xor(b, l2, copied); return b }, "fail qcow2: L2 entry 1 is", true},
		{"COPIED in the refcount table", func(b []byte) []byte { or(b, cl, copied); return b }, "fail qcow2: refcount block 0", true},
		{"refcount 0", func(b []byte) []byte { be.PutUint16(b[2*cl+2*6:], 0); return b }, "fail qcow2: cluster 6 is in use 1 times, its refcount is 0", true},
		{"refcount 2", func(b []byte) []byte { be.PutUint16(b[2*cl+2*6:], 2); return b }, "its refcount is 2", true},
		{"refcount after the end", func(b []byte) []byte { be.PutUint16(b[2*cl+2*1000:], 1); return b }, "refcount 1 of cluster 1000, but the file ends at", true},
		{"leak", func(b []byte) []byte { clear(b[l2 : l2+8]); return b }, "nothing refers to cluster 5", true},
		{"unaligned", func(b []byte) []byte { xor(b, l2, 512); return b }, "not at the start of a cluster", true},
		{"beyond the file", func(b []byte) []byte { xor(b, l2, 1<<30); return b }, "guest cluster 1 at byte", true},
		{"used twice", func(b []byte) []byte { copy(b[l2+8:l2+16], b[l2:l2+8]); return b }, "in use already", true},
		{"short by a cluster", func(b []byte) []byte { return b[:len(b)-cl] }, "but the file ends at", true},
		{"short by a byte", func(b []byte) []byte { return b[:len(b)-1] }, "its last cluster is 1 bytes short", true},
		{"a cluster appended", func(b []byte) []byte { return append(b, make([]byte, cl)...) }, "fail qcow2: 4096 bytes after the last cluster", true},
		{"L1 too small", func(b []byte) []byte { be.PutUint64(b[24:], 1<<30); return b }, "an L1 table of 1 entries", false},
		{"L1 larger", func(b []byte) []byte { be.PutUint32(b[36:], 2); return b }, "warn qcow2: header: an L1 table of 2", true},
		{"huge L1", func(b []byte) []byte { be.PutUint32(b[36:], 1<<31); return b }, "an L1 table of 2147483648", false},
		{"zero flag in version 2", func(b []byte) []byte { be.PutUint32(b[4:], 2); clear(b[72:112]); or(b, l2, 1); return b }, "L2 entry 1: reserved bits 0x1", true},
		{"version 4", func(b []byte) []byte { b[7] = 4; return b }, "version 4", false},
		{"backing file", func(b []byte) []byte { b[15] = 200; b[19] = 4; return b }, "names a backing file", false},
		{"encrypted", func(b []byte) []byte { b[35] = 1; return b }, "encrypted", false},
		{"snapshots", func(b []byte) []byte { b[63] = 1; return b }, "1 snapshots", false},
		{"dirty", func(b []byte) []byte { b[79] = 1; return b }, "incompatible features 0x1", false},
		{"extended L2", func(b []byte) []byte { b[79] = 16; return b }, "incompatible features 0x10", false},
		{"lazy refcounts", func(b []byte) []byte { b[87] = 1; return b }, "warn qcow2: header: lazy", true},
		{"autoclear", func(b []byte) []byte { b[95] = 1; return b }, "autoclear", true},
		{"refcount width", func(b []byte) []byte { b[99] = 7; return b }, "refcounts of 2^7 bits", false},
		{"endless extensions", func(b []byte) []byte { be.PutUint32(b[104:], 0x6803f857); be.PutUint32(b[108:], 5000); return b }, "header extension", false},
		{"unknown extension", func(b []byte) []byte { be.PutUint32(b[104:], 0x44415441); return b }, "fail qcow2: header extension 0x44415441", true},
		{"guest cluster after the end", func(b []byte) []byte { copy(b[l2+8*100:], b[l2:l2+8]); return b }, "beyond the disk's end", true},
		{"compressed without data", func(b []byte) []byte { be.PutUint64(b[l2+8:], compressed); return b }, "compressed cluster in bytes 0", true},
		{"compressed over data", func(b []byte) []byte { be.PutUint64(b[l2+8:], compressed|6*cl); return b }, "compressed data lies in a cluster that is in use", true},
		{"no size", func(b []byte) []byte { clear(b[24:32]); return b }, "a virtual size of 0", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk, used := build.Disk(1, 64<<10, cl)
			d, all := opened(t, c.change(build.QCOW2(disk, used, 12).Bytes))
			if !strings.Contains(all, c.want) || c.want == "" && all != "" || (d != nil) != c.readable {
				t.Errorf("readable %v: %s", d != nil, all)
			}
		})
	}
}

// Bytes after the disk's end in its last cluster would leave with the image.
func TestTail(t *testing.T) {
	disk, used := build.Disk(2, 5*4096-512, 4096)
	b := build.QCOW2(disk, used, 12).Bytes
	if _, all := opened(t, b); all != "" {
		t.Error(all)
	}
	b[len(b)-1] = 'x'
	if _, all := opened(t, b); !strings.Contains(all, "bytes after the disk's end") {
		t.Error(all)
	}
}

// Two L1 entries with one L2 table would make a small file a large disk.
func TestSharedTables(t *testing.T) {
	disk, used := build.Disk(3, 200<<10, 512)
	b := build.QCOW2(disk, used, 9).Bytes
	l1 := binary.BigEndian.Uint64(b[40:])
	copy(b[l1+8:l1+16], b[l1:l1+8])
	if d, all := opened(t, b); d != nil || !strings.Contains(all, "two L1 entries") {
		t.Error(all)
	}
}

// Refcounts of every width are read from the right bits.
func TestRefcount(t *testing.T) {
	b := []byte{0xa5, 0x0f, 1, 2, 3, 4, 5, 6, 0xff}
	for _, c := range []struct {
		order uint32
		i     int64
		want  uint64
	}{
		{0, 0, 1}, {0, 1, 0}, {0, 7, 1}, {0, 8, 1}, {1, 0, 1}, {1, 3, 2}, {2, 0, 5}, {2, 1, 0xa}, {3, 1, 0x0f},
		{4, 0, 0xa50f}, {4, 1, 0x0102}, {5, 0, 0xa50f0102}, {6, 0, 0xa50f010203040506},
	} {
		if got := refcount(b, c.i, c.order); got != c.want {
			t.Errorf("order %d, entry %d: %#x, want %#x", c.order, c.i, got, c.want)
		}
	}
}
