package vhdx

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

// signed puts the right checksums in.
func signed(b []byte) []byte {
	for i, at := range []int64{headersAt[0], headersAt[1], tablesAt[0], tablesAt[1]} {
		size := int64(headerSize)
		if i > 1 {
			size = tableSize
		}
		if s := b[at:][:size]; string(s[:4]) == "head" || string(s[:4]) == "regi" {
			le.PutUint32(s[4:], checksum(s))
		}
	}
	return b
}

// change is one way to damage an image. The disk is opened nevertheless unless
// refused.
type change struct {
	name    string
	change  func(b []byte)
	want    string // "" is nothing at all
	refused bool
}

func run(t *testing.T, o build.VHDXOptions, size int, changes []change) {
	t.Helper()
	disk, used := build.Disk(1, size, mib)
	good := build.VHDX(disk, used, o).Bytes
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(good)
			c.change(b)
			d, all := opened(t, b)
			if !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("%s; want %q", all, c.want)
			}
			if (d == nil) != c.refused {
				t.Errorf("disk %v: %s", d != nil, all)
			}
			if c.refused && !strings.Contains(all, "fail ") {
				t.Error("no disk, and nothing is said to be wrong")
			}
		})
	}
}

// header makes a change of the current header, the second one, or of both.
func header(f func(h []byte)) func([]byte) {
	return func(b []byte) { f(b[headersAt[1]:]); signed(b) }
}

func TestHeaders(t *testing.T) {
	one, two := headersAt[0], headersAt[1]
	run(t, build.VHDXOptions{}, 2*mib, []change{
		{"good", func([]byte) {}, "", false},
		{"identifier", func(b []byte) { b[0] = 'V' }, "fail vhdx: the file identifier", true},
		{"checksum of the first", func(b []byte) { b[one+9]++ }, "fail vhdx: header 1: checksum 0x", false},
		{"checksum of the second", func(b []byte) { b[two+4095]++ }, "fail vhdx: header 2: checksum 0x", false},
		{"signature", func(b []byte) { b[two]++ }, "fail vhdx: header 2: the signature \"head\" is missing", false},
		{"both", func(b []byte) { b[one]++; b[two+9]++ }, "fail vhdx: header 2: checksum", true},
		{"one number, identical", func(b []byte) { copy(b[one:two], b[two:two+headerSize]) }, "fail vhdx: both headers have the sequence number 8", false},
		{"one number, others", header(func(h []byte) { h[8] = 7; h[16]++ }), "fail vhdx: both headers have the sequence number 7", true},
		{"the first is current", func(b []byte) { b[one+15], b[one+66] = 1, 2; signed(b) }, "fail vhdx: header: version 2, must be 1", true},
		{"the other is older", func(b []byte) { b[one+66], b[one+48] = 2, 1; signed(b) }, "", false},
		{"version", header(func(h []byte) { h[66] = 0 }), "fail vhdx: header: version 0, must be 1", true},
		{"log in use", header(func(h []byte) { h[63] = 1 }), "fail vhdx: header: the log is in use", true},
		{"log version", header(func(h []byte) { h[64] = 1 }), "fail vhdx: header: log version 1", false},
		{"length of the log", header(func(h []byte) { h[68] = 1 }), "fail vhdx: header: a log of 1048577 bytes", false},
		{"no log", header(func(h []byte) { clear(h[68:72]) }), "warn vhdx: header: the file has no room for a log", false},
		{"place of the log", header(func(h []byte) { h[72] = 1 }), "fail vhdx: header: the log is said to be at 0x100001", false},
		{"log in the header section", header(func(h []byte) { clear(h[72:80]) }), "fail vhdx: header: the log is said to be at 0x0", false},
		{"log after the end", header(func(h []byte) { h[79] = 0x80 }), "fail vhdx: header: the log, 1048576 bytes at 0x8000000000100000", false},
		{"log in a region", header(func(h []byte) { le.PutUint64(h[72:], build.VHDXMetadata) }), "fail vhdx: the metadata, bytes 2097152 to 3145728, overlaps the log", false},
		{"log in a block", header(func(h []byte) { le.PutUint64(h[72:], 4*mib) }), "fail vhdx: block table: block 1, bytes 4194304 to 5242880, overlaps the log", false},
		{"GUID", header(func(h []byte) { clear(h[32:48]) }), "warn vhdx: header: the GUID of the file's or of the data's last write is zero", false},
		{"reserved", header(func(h []byte) { h[4000] = 1 }), "warn vhdx: header: reserved bytes", false},
	})
}

// tables makes a change of both region tables.
func tables(f func(r []byte)) func([]byte) {
	return func(b []byte) { f(b[tablesAt[0]:]); f(b[tablesAt[1]:]); signed(b) }
}

// entryOf is entry i of a region table.
func entryOf(r []byte, i int) []byte { return r[16+32*i:][:32] }

func TestRegions(t *testing.T) {
	const bat, metadata = 0, 1 // as the builder has them
	third := func(required byte, off uint64) func(r []byte) {
		return func(r []byte) {
			r[8] = 3
			e := entryOf(r, 2)
			e[0], e[28] = 'x', required
			le.PutUint64(e[16:], off)
			le.PutUint32(e[24:], mib)
		}
	}
	run(t, build.VHDXOptions{}, 2*mib, []change{
		{"checksum of the first", func(b []byte) { b[tablesAt[0]+20]++ }, "fail vhdx: region table 1: checksum", false},
		{"checksum of the second", func(b []byte) { b[tablesAt[1]+tableSize-1]++ }, "fail vhdx: region table 2: checksum", false},
		{"both", func(b []byte) { b[tablesAt[0]]++; b[tablesAt[1]]++ }, "fail vhdx: region table 2: the signature", true},
		{"they differ", func(b []byte) { b[tablesAt[1]+100]++; signed(b) }, "fail vhdx: the two region tables differ", false},
		{"reserved", tables(func(r []byte) { r[12] = 1 }), "fail vhdx: region table: reserved bytes", false},
		{"count", tables(func(r []byte) { r[9] = 8 }), "fail vhdx: region table: 2050 entries, at most 2047", true},
		{"no block table", tables(func(r []byte) { entryOf(r, bat)[0]++; entryOf(r, bat)[28] = 0 }), "fail vhdx: region table: there is no block table", true},
		{"no metadata", tables(func(r []byte) { r[8] = 1 }), "fail vhdx: region table: there is no metadata", true},
		{"twice", tables(func(r []byte) { r[8] = 3; copy(entryOf(r, 2), entryOf(r, bat)) }), "is there twice", false},
		{"unknown", tables(third(0, 4*mib)), "fail vhdx: block table: block 1, bytes 4194304 to 5242880, overlaps a region", false},
		{"unknown, required", tables(third(1, 4*mib)), "is not known, and it is required", true},
		{"overlap", tables(third(0, build.VHDXTable)), "fail vhdx: a region, bytes 3145728 to 4194304, overlaps the block table", false},
		{"in the header section", tables(func(r []byte) { clear(entryOf(r, bat)[16:24]) }), "fail vhdx: region table: a region is said to be at 0x0", true},
		{"not at a MiB", tables(func(r []byte) { entryOf(r, bat)[17] = 1 }), "fail vhdx: region table: a region is said to be at 0x300100", true},
		{"no length", tables(func(r []byte) { clear(entryOf(r, metadata)[24:28]) }), "fail vhdx: region table: a region of 0 bytes", true},
		{"odd length", tables(func(r []byte) { entryOf(r, metadata)[24] = 1 }), "fail vhdx: region table: a region of 1048577 bytes", true},
		{"after the end", tables(func(r []byte) { entryOf(r, metadata)[23] = 0x80 }), "does not end before the file does, at 5242880", true},
		{"too long", tables(func(r []byte) { entryOf(r, bat)[27] = 0xff }), "fail vhdx: region table: a region, 4279238656 bytes at 0x300000", true},
		{"flag", tables(func(r []byte) { entryOf(r, bat)[28] = 3 }), "fail vhdx: region table: the flag of the block table is 0x3", false},
		{"not required", tables(func(r []byte) { entryOf(r, bat)[28] = 0 }), "warn vhdx: region table: the known regions are not marked as required", false},
	})
}

// failing cannot be read where one of the bytes is touched.
type failing struct {
	*bytes.Reader
	bad int64
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.bad && f.bad < off+int64(len(p)) {
		return 0, errors.New("input/output error")
	}
	return f.Reader.ReadAt(p, off)
}

// What cannot be read is unknown, and no defect.
func TestReadErrors(t *testing.T) {
	disk, used := build.Disk(1, 2*mib, mib)
	b := build.VHDX(disk, used, build.VHDXOptions{}).Bytes
	for _, c := range []struct {
		name string
		bad  int64
		disk bool
	}{
		{"identifier", 0, false},
		{"a header", headersAt[1], true},
		{"a region table", tablesAt[0], true},
		{"metadata table", build.VHDXMetadata, false},
		{"virtual disk size", build.VHDXMetadata + tableSize + 8, false},
		{"virtual disk ID", build.VHDXMetadata + tableSize + 16, true},
		{"block table", build.VHDXTable, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ps := &decoder.Problems{}
			d, _, err := Open(context.Background(), decoder.File{R: failing{bytes.NewReader(b), c.bad}, Size: int64(len(b))}, ps)
			if err != nil || (d != nil) != c.disk || ps.Count(decoder.Unknown) != 1 || ps.Count(decoder.Fail) != 0 {
				t.Errorf("disk %v, %v: %v", d != nil, err, ps.List())
			}
		})
	}
}

// A cancelled check, a file that is too long for one, and reads at the edges.
func TestOpen(t *testing.T) {
	disk, used := build.Disk(1, 2*mib, mib)
	b := build.VHDX(disk, used, build.VHDXOptions{}).Bytes
	f := decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if d, _, err := Open(ctx, f, &decoder.Problems{}); d != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ps := &decoder.Problems{}
	f.Size = maxFile + 1
	if d, _, err := Open(context.Background(), f, ps); d != nil || err != nil || ps.Count(decoder.Unknown) != 1 {
		t.Errorf("%v, %v", err, ps.List())
	}
	d, s, err := Open(context.Background(), decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, ps)
	if err != nil || s != "dynamic, 1048576 byte blocks, 1 of 2 in the file, sectors of 512 bytes" {
		t.Fatalf("%q, %v", s, err)
	}
	p := make([]byte, 10)
	if n, err := d.ReadAt(p, 2*mib-4); n != 4 || err != io.EOF || !bytes.Equal(p[:4], disk[2*mib-4:]) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := d.ReadAt(p, 2*mib); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if n, err := d.ReadAt(p, mib-5); n != 10 || err != nil || !bytes.Equal(p, disk[mib-5:mib+5]) {
		t.Errorf("across blocks: %d, %v", n, err)
	}
}
