package vdi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
)

const mib = 1 << 20

var le = binary.LittleEndian

func opened(t *testing.T, b []byte) (decoder.Disk, string) {
	t.Helper()
	ps := &decoder.Problems{}
	d, _, err := Open(context.Background(), decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, ps)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range ps.List() {
		if p.FileOffset < 0 || p.FileOffset > int64(len(b)) {
			t.Errorf("%s: at file offset %d", p.What, p.FileOffset)
		}
		all = append(all, string(p.Severity)+" "+p.What)
	}
	return d, strings.Join(all, "\n")
}

// change is one way to damage an image. The disk is opened nevertheless unless
// refused.
type change struct {
	name    string
	change  func(b []byte) []byte
	want    string // "" is nothing at all
	refused bool
}

func run(t *testing.T, good []byte, changes []change) {
	t.Helper()
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			d, all := opened(t, c.change(bytes.Clone(good)))
			if !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("%s; want %q", all, c.want)
			}
			if (d == nil) != c.refused || c.refused && !strings.Contains(all, "fail ") && !strings.Contains(all, "unknown ") {
				t.Errorf("disk %v: %s", d != nil, all)
			}
		})
	}
}

func put(at int, v uint32) func([]byte) []byte {
	return func(b []byte) []byte { le.PutUint32(b[at:], v); return b }
}

func erase(at, n int) func([]byte) []byte {
	return func(b []byte) []byte { clear(b[at:][:n]); return b }
}

func cut(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }

func add(n int) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, make([]byte, n)...) }
}

func TestHeader(t *testing.T) {
	disk, used := build.Disk(1, 2*mib, mib)
	run(t, build.VDI(disk, used, mib, false).Bytes, []change{
		{"good", cut(0), "", false},
		{"no header", func([]byte) []byte { return make([]byte, 300) }, "fail vdi: header: image file: bytes 0 to 512 of 300", true},
		{"signature", put(0x40, 1), "fail vdi: header: the signature is missing", true},
		{"text", erase(0, 0x40), "", false},
		{"version", put(0x44, 2), "fail vdi: header: version 0.2, must be 1.1", true},
		{"VirtualBox's older header", put(0x48, 0x180), "", false},
		{"short header", put(0x48, 0x17f), "fail vdi: header: 0x17f bytes long; VirtualBox wants 0x180", false},
		{"odd header", put(0x48, 0x184), "warn vdi: header: 0x184 bytes long", false},
		{"long header", put(0x48, 0x194), "warn vdi: header: 0x194 bytes long", false},
		{"undo image", put(0x4c, 3), "fail vdi: header: type 3; only 1", true},
		{"differencing image", put(0x4c, 4), "fail vdi: header: type 4; only 1", true},
		{"flags", put(0x50, 2), "fail vdi: header: flags 0x2", false},
		{"flag", put(0x50, 1), "", false},
		{"map at no sector", put(0x154, 513), "fail vdi: header: the block map is said to be at 513", true},
		{"map in the header", put(0x154, 0), "fail vdi: header: the block map is said to be at 0", true},
		{"blocks after the end", put(0x158, 1<<31), "fail vdi: the file has 1049600 bytes; its blocks end at 2148532224", false},
		{"blocks at no sector", put(0x158, 1025), "fail vdi: header: the blocks are said to begin at 1025", true},
		{"blocks in the map", put(0x158, 512), "fail vdi: header: the blocks are said to begin at 512; they do at a sector, after the block map's end at 520", true},
		{"sectors", put(0x168, 4096), "fail vdi: header: sectors of 4096 bytes; QEMU wants 512", false},
		{"sectors of the second geometry", put(0x1d4, 0), "fail vdi: header: sectors of 0 bytes in the second geometry", false},
		{"no second geometry", func(b []byte) []byte { return put(0x1d4, 0)(put(0x48, 0x180)(b)) }, "", false},
		{"no bytes", erase(0x170, 8), "fail vdi: header: a disk of 0 bytes", true},
		{"too large", put(0x174, 0x40000000), "unknown vdi: header: a disk of 4611686018429485056 bytes has too many blocks", true},
		{"part of a sector", put(0x170, 2*mib-1), "warn vdi: header: a disk of 2097151 bytes, which is no number of sectors", false},
		{"block size", put(0x178, 3*mib), "fail vdi: header: blocks of 3145728 bytes", true},
		{"no block size", put(0x178, 0), "fail vdi: header: blocks of 0 bytes", true},
		{"huge block size", put(0x178, 512*mib), "fail vdi: header: blocks of 536870912 bytes", true},
		{"extra bytes", put(0x17c, 512), "fail vdi: header: 512 extra bytes before each block", true},
		{"fewer blocks", put(0x180, 1), "fail vdi: header: 1 blocks; the disk has 2", true},
		{"more blocks", put(0x180, 3), "fail vdi: header: 3 blocks; the disk has 2, and tools", true},
		{"more allocated than there are", put(0x184, 3), "fail vdi: header: 3 blocks are said to be in the file; the disk has 2", true},
		{"UUID", erase(0x188, 16), "fail vdi: header: the disk's UUID is zero", false},
		{"UUID of the change", erase(0x198, 16), "fail vdi: header: the UUID of the last change is zero", false},
		{"parent", put(0x1a8, 1), "fail vdi: header: names a parent", true},
		{"parent's change", put(0x1c4, 1), "fail vdi: header: names a parent", true},
	})
}

// Blocks 1 and 4 of five are in the file.
func TestBlockMap(t *testing.T) {
	disk, used := build.Disk(1, 5*mib, mib)
	entry := func(i int, v uint32) func([]byte) []byte { return put(512+4*i, v) }
	run(t, build.VDI(disk, used, mib, false).Bytes, []change{
		{"good", cut(0), "", false},
		{"zeros", entry(0, zero), "", false},
		{"not in the file", entry(1, 2), "fail vdi: block map: block 1 has the number 2, but there are 2 blocks", false},
		{"far", entry(1, 0xfffffffd), "fail vdi: block map: block 1 has the number 4294967293", false},
		{"one number", entry(4, 0), "fail vdi: block map: block 4 has the number 0, as another one has", false},
		{"one forgotten", entry(4, free), "fail vdi: header: 2 blocks are said to be in the file; the block map has 1", false},
		{"one more", entry(2, 1), "fail vdi: header: 2 blocks are said to be in the file; the block map has 3", false},
		{"the other order", func(b []byte) []byte { return entry(1, 1)(entry(4, 0)(b)) }, "", false},
		{"count", put(0x184, 1), "fail vdi: header: 1 blocks are said to be in the file; the block map has 2", false},
		{"map cut off", func(b []byte) []byte { return b[:520] }, "fail vdi: block map: it ends at byte 532, the file at 520", true},
		{"short", cut(1), "fail vdi: the file has 2098175 bytes; its blocks end at 2098176: 1 are missing", false},
		{"no blocks", func(b []byte) []byte { return b[:1024] }, "fail vdi: the file has 1024 bytes; its blocks end at 2098176: 2097152 are missing", false},
		{"longer", add(512), "fail vdi: 512 bytes after the last block", false},
	})
	run(t, build.VDI(disk, used, mib, true).Bytes, []change{
		{"fixed", cut(0), "", false},
		{"a hole", func(b []byte) []byte { return cut(mib)(entry(4, free)(put(0x184, 4)(b))) }, "warn vdi: block map: a fixed disk, but 1 of its 5 blocks are not in the file", false},
	})
	disk, used = build.Disk(1, 2*mib-1024, mib)
	run(t, build.VDI(disk, used, mib, false).Bytes, []change{
		{"good", cut(0), "", false},
		{"after the disk's end", func(b []byte) []byte { b[len(b)-1] = 1; return b }, "warn vdi: bytes after the disk's end", false},
	})
	disk, used = build.Disk(1, 64<<10, 4096)
	run(t, build.VDI(disk, used, 4096, false).Bytes, []change{
		{"small blocks", cut(0), "warn vdi: header: blocks of 4096 bytes; QEMU opens only", false},
	})
}

// What cannot be read is unknown, and no defect.
func TestReadErrors(t *testing.T) {
	disk, used := build.Disk(1, 2*mib, mib)
	b := build.VDI(disk, used, mib, false).Bytes
	for _, whole := range []int{0, 512, 1024} { // of the file can be read
		ps := &decoder.Problems{}
		d, _, err := Open(context.Background(), decoder.File{R: bytes.NewReader(b[:whole]), Size: int64(len(b))}, ps)
		if whole < 1024 && (d != nil || ps.Count(decoder.Unknown) != 1) || err != nil || ps.Count(decoder.Fail) != 0 {
			t.Errorf("%d bytes: disk %v, %v: %v", whole, d != nil, err, ps.List())
		}
		if d == nil {
			continue
		}
		_, err = d.ReadAt(make([]byte, 10), mib)
		if err == nil || decoder.SeverityOf(err) != decoder.Unknown || !strings.HasPrefix(err.Error(), "vdi: block 1: ") {
			t.Errorf("block 1: %v", err)
		}
	}
}

func TestReading(t *testing.T) {
	disk, used := build.Disk(2, 2*mib+512, mib)
	im := build.VDI(disk, used, mib, false)
	f := decoder.File{R: bytes.NewReader(im.Bytes), Size: int64(len(im.Bytes))}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if d, _, err := Open(ctx, f, &decoder.Problems{}); d != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	d, s, err := Open(context.Background(), f, &decoder.Problems{})
	if err != nil || s != "dynamic, 1048576 byte blocks, 1 of 3 in the file" || d.Size() != 2*mib+512 {
		t.Fatalf("%q, %v", s, err)
	}
	for _, off := range []int64{0, mib - 5, mib, 2*mib - 5, 2*mib + 500} {
		p := make([]byte, 20)
		n, err := d.ReadAt(p, off)
		want := disk[off:min(off+20, int64(len(disk)))]
		if !bytes.Equal(p[:n], want) || (err == io.EOF) != (len(want) < 20) {
			t.Errorf("at %d: %d bytes, %v", off, n, err)
		}
	}
	if n, err := d.ReadAt(make([]byte, 1), d.Size()); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	for _, c := range []struct {
		off, n, at int64
		data       bool
	}{{0, mib, -1, false}, {mib + 3, mib - 3, int64(im.Data) + 3, true}, {2*mib + 1, 511, -1, false}} {
		if n, data := d.Allocated(c.off); n != c.n || data != c.data || d.Locate(c.off) != c.at {
			t.Errorf("at %d: %d bytes, %v, in the file at %d", c.off, n, data, d.Locate(c.off))
		}
	}
}
