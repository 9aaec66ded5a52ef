package ptable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition"
	dgpt "github.com/diskfs/go-diskfs/partition/gpt"
	dmbr "github.com/diskfs/go-diskfs/partition/mbr"
)

// written lets go-diskfs, which others wrote, put a table on a blank disk.
func written(t testing.TB, size int64, table partition.Table) []byte {
	t.Helper()
	st, err := file.CreateFromPath(filepath.Join(t.TempDir(), "disk"), size)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	w, err := st.Writable()
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Write(w, size); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if n, err := w.ReadAt(b, 0); n != len(b) {
		t.Fatal(err)
	}
	return b
}

const size = 1 << 20

func gptDisk(t testing.TB, ss int) []byte {
	n := uint64(size / ss)
	return written(t, size, &dgpt.Table{
		ProtectiveMBR: true, LogicalSectorSize: ss, PhysicalSectorSize: ss,
		GUID: "5CA3360B-5DE6-4FCF-B4CE-419CEE433B51",
		Partitions: []*dgpt.Partition{
			{Index: 1, Start: 64, End: 99, Type: dgpt.EFISystemPartition, Name: "EFI System", GUID: "5CA3360B-5DE6-4FCF-B4CE-419CEE433B52"},
			{Index: 4, Start: 100, End: n - 40, Type: dgpt.LinuxFilesystem, Name: "rööt", GUID: "5CA3360B-5DE6-4FCF-B4CE-419CEE433B53", Attributes: 4},
		},
	})
}

func read(t testing.TB, b []byte) *Table {
	t.Helper()
	table, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestGPT(t *testing.T) {
	for _, ss := range []int{512, 4096} {
		b := gptDisk(t, ss)
		got := read(t, b)
		s := int64(ss)
		want := &Table{Kind: GPT, SectorSize: s, ID: "5CA3360B-5DE6-4FCF-B4CE-419CEE433B51", Partitions: []Partition{
			{Number: 1, Start: 64 * s, Size: 36 * s, Type: string(dgpt.EFISystemPartition), ID: "5CA3360B-5DE6-4FCF-B4CE-419CEE433B52", Name: "EFI System"},
			{Number: 4, Start: 100 * s, Size: (size/s - 139) * s, Type: string(dgpt.LinuxFilesystem), ID: "5CA3360B-5DE6-4FCF-B4CE-419CEE433B53", Name: "rööt", Flags: 4},
		}}
		if diff := want.Diff(got); diff != nil || len(got.Broken)+len(got.Odd) > 0 {
			t.Errorf("%d byte sectors: %v, broken %v, odd %v", ss, diff, got.Broken, got.Odd)
		}
		if w := got.At(64 * s); w != "partition 1" {
			t.Error(w)
		}
		if w := got.At(0); w != "outside of partitions" {
			t.Error(w)
		}
	}
}

func TestBrokenGPT(t *testing.T) {
	sum := func(b []byte, at int) { // of a header
		binary.LittleEndian.PutUint32(b[at+16:], 0)
		binary.LittleEndian.PutUint32(b[at+16:], crc32.ChecksumIEEE(b[at:at+92]))
	}
	backup := size - 512
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		want   string // in Broken, or in Odd
	}{
		{"header", func(b []byte) []byte { b[512+60]++; return b }, "the header in sector 1: CRC"},
		{"header gone", func(b []byte) []byte { clear(b[512:1024]); return b }, "the header in sector 1: the signature"},
		{"entries", func(b []byte) []byte { b[1024+56]++; return b }, "the header in sector 1: CRC of the entries"},
		{"backup", func(b []byte) []byte { b[backup+60]++; return b }, "the backup header in sector 2047: CRC"},
		{"backup entries", func(b []byte) []byte { b[backup-1]++; return b }, "the backup header in sector 2047: CRC of the entries"},
		{"both", func(b []byte) []byte { b[512+60]++; b[backup+60]++; return b }, "the backup header"},
		{"cut", func(b []byte) []byte { return b[:size/2] }, "the backup header in sector 1023"},
		{"longer", func(b []byte) []byte { return append(b, make([]byte, 4096)...) }, "the backup header is in sector 2047, the disk's last one is 2055"},
		{"mbr", func(b []byte) []byte { clear(b[:512]); return b }, "no protective entry"},
		{"all but the mbr", func(b []byte) []byte { clear(b[512:]); return b }, "announces a GPT"},
		{"other disk's backup", func(b []byte) []byte { b[backup+56]++; sum(b, backup); return b }, "the backup header says something else"},
		{"too many entries", func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[512+80:], 1<<31)
			sum(b, 512)
			return b
		}, "entries of 128 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, c.change(gptDisk(t, 512)))
			if all := strings.Join(append(got.Broken, got.Odd...), "\n"); got.Kind != GPT || !strings.Contains(all, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestMBR(t *testing.T) {
	b := written(t, size, &dmbr.Table{Partitions: []*dmbr.Partition{
		{Index: 1, Bootable: true, Type: dmbr.Linux, Start: 64, Size: 500},
		{Index: 2, Type: 0x05, Start: 600, Size: 1000},
	}})
	// Records of logical partitions at 600 and 900.
	ebr := func(at int, start, n, next, nextN uint32) {
		e := b[at*512:]
		le := binary.LittleEndian
		e[446+4], e[510], e[511] = 0x83, 0x55, 0xaa
		le.PutUint32(e[446+8:], start)
		le.PutUint32(e[446+12:], n)
		if next != 0 {
			e[462+4] = 0x05
			le.PutUint32(e[462+8:], next)
			le.PutUint32(e[462+12:], nextN)
		}
	}
	ebr(600, 8, 200, 300, 400)
	ebr(900, 8, 300, 0, 0)
	want := &Table{Kind: MBR, SectorSize: 512, ID: "00000000", Partitions: []Partition{
		{Number: 1, Start: 64 * 512, Size: 500 * 512, Type: "83", Flags: 0x80},
		{Number: 2, Start: 600 * 512, Size: 1000 * 512, Type: "05"},
		{Number: 5, Start: 608 * 512, Size: 200 * 512, Type: "83"},
		{Number: 6, Start: 908 * 512, Size: 300 * 512, Type: "83"},
	}}
	got := read(t, b)
	if diff := want.Diff(got); diff != nil || len(got.Broken) > 0 {
		t.Errorf("%v, broken %v", diff, got.Broken)
	}
	if w := got.At(610 * 512); w != "partition 5" {
		t.Error(w)
	}
	if w := got.At(601 * 512); w != "partition 2" {
		t.Error(w)
	}
	for _, c := range []struct {
		name   string
		change func()
		want   string
	}{
		{"loop", func() { ebr(900, 8, 300, 300, 400) }, "does not end"},
		{"chain into nothing", func() { ebr(900, 8, 300, 400, 400) }, "sector 1000 should hold"},
		{"beyond", func() { ebr(900, 8, 3000, 0, 0) }, "leaves the disk"},
		{"overlap", func() { ebr(900, 8, 300, 0, 0); ebr(600, 8, 500, 300, 400) }, "overlap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.change()
			if got := read(t, b); !strings.Contains(strings.Join(got.Broken, "\n"), c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestNone(t *testing.T) {
	boot := make([]byte, 4096)
	copy(boot, "\xeb\x52\x90NTFS")
	boot[446], boot[510], boot[511] = 0x6f, 0x55, 0xaa
	fat := make([]byte, 4096)
	copy(fat[82:], "FAT32")
	fat[510], fat[511] = 0x55, 0xaa
	for _, b := range [][]byte{nil, make([]byte, 100), make([]byte, 512), make([]byte, 1<<20), boot, fat} {
		if got := read(t, b); got.Kind != None || len(got.Partitions) > 0 {
			t.Errorf("%d bytes: %+v", len(b), got)
		}
	}
}

func TestReadError(t *testing.T) {
	b := gptDisk(t, 512)
	for _, at := range []int64{0, 512, 1024, size - 512} {
		r := bad{b, at}
		if _, err := Read(r, size); !errors.Is(err, ErrRead) || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

type bad struct {
	b  []byte
	at int64
}

func (r bad) ReadAt(p []byte, off int64) (int, error) {
	if off <= r.at && r.at < off+int64(len(p)) {
		return 0, io.ErrNoProgress
	}
	return copy(p, r.b[off:]), nil
}

func FuzzRead(f *testing.F) {
	small := func(b []byte) []byte { return append(b[:20<<10:20<<10], b[len(b)-20<<10:]...) }
	f.Add(small(gptDisk(f, 512)))
	f.Add(small(gptDisk(f, 4096)))
	f.Add(written(f, 64<<10, &dmbr.Table{Partitions: []*dmbr.Partition{{Index: 1, Type: 0x0f, Start: 1, Size: 100}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = signedGPT(b)
		got, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Partitions) > 4*maxSlots+4 {
			t.Fatal(len(got.Partitions))
		}
		got.At(int64(len(b)) / 2)
		if diff := got.Diff(got); diff != nil {
			t.Fatal(diff)
		}
	})
}

// signedGPT puts the right checksums into a GPT of 512 byte sectors, which a
// fuzzer cannot guess.
func signedGPT(b []byte) []byte {
	if len(b) < 2048 {
		return b
	}
	b = bytes.Clone(b)
	for _, at := range []int{512, len(b) - 512} {
		h, le := b[at:at+512], binary.LittleEndian
		n := uint64(le.Uint32(h[80:])) * uint64(le.Uint32(h[84:]))
		from := le.Uint64(h[72:]) * 512
		if end := from + n; end <= uint64(len(b)) && from <= end && n < 1<<20 {
			le.PutUint32(h[88:], crc32.ChecksumIEEE(b[from:end]))
		}
		if size := le.Uint32(h[12:]); size >= 92 && size <= 512 {
			clear(h[16:20])
			le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:size]))
		}
	}
	return b
}
