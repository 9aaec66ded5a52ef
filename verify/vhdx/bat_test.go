package vhdx

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"migimg/verify/internal/build"
)

// set writes entry i of the block table.
func set(i int, v uint64) func([]byte) {
	return func(b []byte) { le.PutUint64(b[build.VHDXTable+8*i:], v) }
}

// Blocks 1 and 4 of five are in the file, at 4 and 5 MiB.
func TestBlockTable(t *testing.T) {
	run(t, build.VHDXOptions{}, 5*mib, []change{
		{"good", func([]byte) {}, "", false},
		{"not present", set(0, 0), "warn vhdx: block table: 1 blocks, block 0 the first, are not present (0)", false},
		{"not present, with a place", set(0, 4*mib), "warn vhdx: block table: 1 blocks, block 0 the first, are not present (0)", false},
		{"undefined", set(2, 1), "warn vhdx: block table: 1 blocks, block 2 the first, are undefined (1)", false},
		{"unmapped", set(3, 3), "warn vhdx: block table: 1 blocks, block 3 the first, are unmapped (3)", false},
		{"two of them", func(b []byte) { set(2, 0)(b); set(3, 0)(b) }, "warn vhdx: block table: 2 blocks, block 2 the first", false},
		{"unmapped, in another's place", set(3, 5*mib|3), "fail vhdx: block table: block 4, bytes 5242880 to 6291456, overlaps another block", false},
		{"zero, with a place", set(0, 6*mib|2), "fail vhdx: block table: block 0 is zeros, but has the place 6 MiB", false},
		{"partly present", set(4, 5*mib|7), "fail vhdx: block table: block 4 is partly present", false},
		{"state 4", set(4, 5*mib|4), "fail vhdx: block table: block 4 has the reserved state 4", false},
		{"state 5", set(4, 5*mib|5), "fail vhdx: block table: block 4 has the reserved state 5", false},
		{"reserved", set(4, 5*mib|6|1<<19), "fail vhdx: block table: block 4: reserved bits", false},
		{"nowhere", set(4, 6), "fail vhdx: block table: block 4 is said to be at byte 0", false},
		{"header section", set(4, 1*mib|6), "overlaps the log", false},
		{"metadata", set(4, 2*mib|6), "overlaps the metadata", false},
		{"block table", set(4, 3*mib|6), "overlaps the block table", false},
		{"one place", set(4, 4*mib|6), "fail vhdx: block table: block 4, bytes 4194304 to 5242880, overlaps another block", false},
		{"after the end", set(4, 6*mib|6), "fail vhdx: block table: block 4 begins at 6 MiB, but the file ends at 6291456", false},
		{"far after the end", set(4, 1<<63|6), "fail vhdx: block table: block 4 begins at 8796093022208 MiB", false},
		{"two after the end", func(b []byte) { set(3, 7*mib|6)(b); set(4, 6*mib|6)(b) }, "fail vhdx: 2 blocks are not before the end", false},
		{"space after the last", func(b []byte) { set(4, 2)(b) }, "warn vhdx: 1048576 bytes of free space after the last block", false},
		{"space between", func(b []byte) { set(1, 2)(b) }, "", false},
	})
}

// What the block table does not tell cannot be read; the rest can.
func TestDamagedBlock(t *testing.T) {
	disk, used := build.Disk(1, 5*mib, mib)
	b := build.VHDX(disk, used, build.VHDXOptions{}).Bytes
	set(4, 5*mib|7)(b)
	d, _ := opened(t, b)
	p := make([]byte, mib)
	if _, err := d.ReadAt(p, 4*mib); err == nil || !strings.Contains(err.Error(), "vhdx: block 4: the block table does not say where it is") {
		t.Error(err)
	}
	if n, data := d.Allocated(4 * mib); n != mib || !data || d.Locate(4*mib) != -1 {
		t.Errorf("%d, %v, at %d", n, data, d.Locate(4*mib))
	}
	if _, err := d.ReadAt(p, mib); err != nil || !bytes.Equal(p, disk[mib:2*mib]) {
		t.Error(err)
	}
}

// After every 4096 entries of 1 MiB blocks there is one of a sector bitmap.
func TestChunks(t *testing.T) {
	o := build.VHDXOptions{Size: 9<<30 - 512}
	used := []int{0, 4095, 4096, 4097, 8191, 8192, 9215}
	im := build.VHDX(nil, used, o)
	for k, u := range used {
		copy(im.Bytes[im.Data+k*mib:], fmt.Sprint("block ", u, "."))
	}
	d, all := opened(t, im.Bytes)
	if all != "" || d.Size() != int64(o.Size) {
		t.Fatal(all)
	}
	next := int64(0)
	for _, u := range used {
		off, want := int64(u)*mib, fmt.Sprint("block ", u, ".")
		p := make([]byte, len(want))
		if _, err := d.ReadAt(p, off); err != nil || string(p) != want {
			t.Errorf("block %d: %q, %v", u, p, err)
		}
		if next < off {
			if n, data := d.Allocated(next); data || next+n != off || d.Locate(next) != -1 {
				t.Errorf("hole at %d: %d bytes, %v", next, n, data)
			}
		}
		next = off + mib
	}
	for _, c := range []struct {
		entry uint64
		want  string
	}{
		{4*mib | 6, "fail vhdx: block table: sector bitmap 1 has state 6"},
		{1 << 5, "fail vhdx: block table: sector bitmap 1: reserved bits"},
		{4 * mib, "warn vhdx: block table: sector bitmap 1 is not there, but has the place 4 MiB"},
	} {
		set(4097+4096, c.entry)(im.Bytes)
		if _, all := opened(t, im.Bytes); !strings.Contains(all, c.want) {
			t.Errorf("%s; want %s", all, c.want)
		}
	}
}

// The chunk's ratio goes by the logical sector size.
func TestParameters(t *testing.T) {
	for _, c := range []struct {
		p                      parameters
		blocks, chunk, entries int64
	}{
		{parameters{block: mib, size: 1, sector: 512}, 1, 4096, 1},
		{parameters{block: mib, size: 4 << 30, sector: 512}, 4096, 4096, 4096},
		{parameters{block: mib, size: 4<<30 + 1, sector: 512}, 4097, 4096, 4098},
		{parameters{block: 32 * mib, size: 64 << 40, sector: 512}, 2 << 20, 128, 2<<20 + 16383},
		{parameters{block: 256 * mib, size: 4 << 30, sector: 512}, 16, 16, 16},
		{parameters{block: 256 * mib, size: 33 << 30, sector: 4096}, 132, 128, 133},
	} {
		if c.p.blocks() != c.blocks || c.p.chunk() != c.chunk || c.p.entries() != c.entries {
			t.Errorf("%+v: %d, %d, %d", c.p, c.p.blocks(), c.p.chunk(), c.p.entries())
		}
	}
}

func TestEnd(t *testing.T) {
	disk, used := build.Disk(1, 2*mib+512, mib)
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
	add := func(n int) func([]byte) []byte { return func(b []byte) []byte { return append(b, make([]byte, n)...) } }
	for _, c := range []struct {
		name   string
		fixed  bool
		change func([]byte) []byte
		want   string
	}{
		{"a byte more", false, add(1), "fail vhdx: the file has 5242881 bytes, which is no number of MiB"},
		{"a byte less", false, cut(1), "fail vhdx: block table: block 1 ends at byte 5242880, but the file ends at 5242879"},
		{"a MiB more", false, add(mib), "warn vhdx: 1048576 bytes of free space"},
		{"fixed", true, cut(0), ""},
		{"fixed, a MiB more", true, add(mib), ""},
		{"fixed, a byte more", true, add(1), "fail vhdx: the file has 7340033 bytes, which is no number of MiB"},
		{"fixed, as qemu-img cuts it", true, cut(mib - 512), "warn vhdx: block table: the last block ends at byte 7340032, the file at 6291968, after the disk's end"},
		{"fixed, a sector less", true, cut(512), "warn vhdx: block table: the last block ends at byte 7340032, the file at 7339520"},
		{"fixed, in the disk's last sector", true, cut(mib - 1), "fail vhdx: block table: block 2 ends at byte 7340032, but the file ends at 6291457"},
		{"fixed, no blocks yet, as qemu-img cuts it", true, func(b []byte) []byte {
			for i := range 3 {
				set(i, 2)(b)
			}
			return b[:len(b)-mib+512]
		}, "warn vhdx: the file has 6291968 bytes, which is no number of MiB: qemu-img"},
		{"fixed, no room", true, func(b []byte) []byte { set(2, 2)(b); return b[:len(b)-mib] }, "warn vhdx: a fixed disk whose file has 6 MiB; with every block it would have 7"},
		{"in the last block", true, func(b []byte) []byte { b[len(b)-1] = 1; return b }, "warn vhdx: bytes after the disk's end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := build.VHDX(disk, used, build.VHDXOptions{Fixed: c.fixed})
			_, all := opened(t, c.change(im.Bytes))
			if !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("%s; want %q", all, c.want)
			}
		})
	}
}
