package vhd

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

func TestDynamic(t *testing.T) {
	disk, used := build.Disk(1, 64<<10, 4096)
	be := binary.BigEndian
	both := func(b []byte, f func(foot []byte)) { f(b[:512]); f(b[len(b)-512:]) }
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		want   string // "" is none
	}{
		{"good", func(b []byte) []byte { return b }, ""},
		{"footers differ", func(b []byte) []byte { b[24]++; return b }, "fail vhd: the footer and its copy"},
		{"qemu's creator and a smaller geometry", func(b []byte) []byte {
			both(b, func(f []byte) { copy(f[28:], "qemu"); be.PutUint16(f[56:], 1) })
			return b
		}, "fail vhd: footer: creator \"qemu\""},
		{"unknown creator", func(b []byte) []byte {
			both(b, func(f []byte) { copy(f[28:], "abcd"); be.PutUint16(f[56:], 1) })
			return b
		}, "warn vhd: footer: creator \"abcd\""},
		{"another size", func(b []byte) []byte {
			both(b, func(f []byte) { be.PutUint64(f[48:], 64<<10+512) })
			return b
		}, "fail vhd: dynamic header: 16 table entries; the disk has 17 blocks"},
		{"one entry too many", func(b []byte) []byte {
			both(b, func(f []byte) { be.PutUint64(f[48:], 60<<10); be.PutUint64(f[40:], 60<<10) })
			return b
		}, "fail vhd: dynamic header: 16 table entries; the disk has 15 blocks"},
		{"differencing", func(b []byte) []byte { both(b, func(f []byte) { f[63] = 4 }); return b }, "fail vhd: footer: type 4"},
		{"too large", func(b []byte) []byte {
			both(b, func(f []byte) { be.PutUint64(f[48:], 2041<<30) })
			return b
		}, "2040 GiB"},
		{"features", func(b []byte) []byte { both(b, func(f []byte) { f[11] = 0 }); return b }, "fail vhd: footer: features"},
		{"parent", func(b []byte) []byte { b[512+64] = 'x'; return b }, "names a parent"},
		{"block size", func(b []byte) []byte { be.PutUint32(b[512+32:], 4097); return b }, "blocks of 4097 bytes"},
		{"two blocks in one place", func(b []byte) []byte { copy(b[1536+4*4:], b[1536+4*1:1536+4*2]); return b }, "fail vhd: two blocks overlap"},
		{"block in the metadata", func(b []byte) []byte { be.PutUint32(b[1536+4:], 1); return b }, "lies in the metadata"},
		{"block after the end", func(b []byte) []byte { be.PutUint32(b[1536+4:], 1<<20); return b }, "but the file ends at"},
		{"block forgotten", func(b []byte) []byte { be.PutUint32(b[1536+4*4:], unused); return b }, "warn vhd: 4608 bytes in gaps"},
		{"short", func(b []byte) []byte { return b[:len(b)-4608] }, "are missing"},
		{"cut footer", func(b []byte) []byte { return b[:len(b)-1] }, "does not end with a footer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := build.VHD(disk, used, 4096).Bytes
			b := c.change(im)
			if c.name != "footers differ" && len(b) == len(im) {
				b = signed(b)
			} else if c.name == "footers differ" {
				be.PutUint32(b[64:], checksum(b[:512], 64))
			}
			if _, all := opened(t, b); !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Error(all)
			}
		})
	}
}

// Sectors whose bit is 0 are zeros, whatever the block holds.
func TestBitmap(t *testing.T) {
	disk, used := build.Disk(2, 64<<10, 4096)
	b := build.VHD(disk, used, 4096).Bytes
	d, _ := opened(t, b)
	first := int64(used[0]) * 4096
	b[d.Locate(first)-512] = 0xff &^ 0x20 // sector 2 of the block
	got, want := make([]byte, 4096), bytes.Clone(disk[first:first+4096])
	clear(want[1024:1536])
	if _, err := d.ReadAt(got, first); err != nil || !bytes.Equal(got, want) {
		t.Errorf("whole block: %v", err)
	}
	for _, c := range [][2]int64{{1000, 1}, {1023, 2}, {1100, 300}, {1535, 2}, {1536, 512}, {512, 2000}} {
		p := make([]byte, c[1])
		if _, err := d.ReadAt(p, first+c[0]); err != nil || !bytes.Equal(p, want[c[0]:c[0]+c[1]]) {
			t.Errorf("%d bytes at %d: %v", c[1], c[0], err)
		}
	}
}

func TestFixed(t *testing.T) {
	disk, _ := build.Disk(3, 64<<10, 4096)
	good := build.VHDFixed(disk).Bytes
	if !IsFixed(decoder.File{R: bytes.NewReader(good), Size: int64(len(good))}) {
		t.Error("not recognised")
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"good", good, ""},
		{"short", good[512:], "need 66048"},
		{"long", append(make([]byte, 512), good...), "need 66048"},
		{"cut", good[:len(good)-512], "does not end with a footer"},
		{"empty", nil, "less than a footer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, all := opened(t, c.b); !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Error(all)
			}
		})
	}
}
