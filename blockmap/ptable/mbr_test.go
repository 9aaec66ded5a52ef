package ptable

import (
	"fmt"
	"strings"
	"testing"

	"migimg/blockmap"
)

const mib = 1 << 20

// lines prints a table's partitions, one a line.
func lines(t *Table) string {
	var s strings.Builder
	for _, p := range t.Partitions {
		fmt.Fprintf(&s, "%d %d+%d %s %s", p.Number, p.Start/t.SectorSize, p.Size/t.SectorSize, p.Type, p.UUID)
		for _, f := range []struct {
			is   bool
			name string
		}{{p.Bootable, " boot"}, {p.Extended, " extended"}, {p.Logical, " logical"}, {p.Name != "", " " + p.Name}} {
			if f.is {
				s.WriteString(f.name)
			}
		}
		s.WriteString("\n")
	}
	return s.String()
}

// tableCase is a disk and what Read must say of it.
type tableCase struct {
	name       string
	disk       *disk
	sectorSize int64
	kind       Kind
	want       string // the partitions; not compared if empty
	broken     string
	problem    string
}

func (c tableCase) check(t *testing.T) {
	got := c.disk.read(t, c.sectorSize)
	if got.Kind != c.kind {
		t.Errorf("kind %s, want %s", got.Kind, c.kind)
	}
	if (c.broken == "") != (got.Broken == "") || !strings.Contains(got.Broken, c.broken) {
		t.Errorf("broken %q, want %q", got.Broken, c.broken)
	}
	if c.problem == "" && c.broken == "" && len(got.Problems) > 0 {
		t.Errorf("problems %q", got.Problems)
	}
	if !strings.Contains(strings.Join(got.Problems, "\n"), c.problem) {
		t.Errorf("problems %q, want %q", got.Problems, c.problem)
	}
	want := strings.ReplaceAll(strings.TrimLeft(c.want, "\n"), "\t", "")
	if have := lines(got); c.want != "" && have != want {
		t.Errorf("partitions:\n%swant:\n%s", have, want)
	}
}

func TestMBR(t *testing.T) {
	two := []entry{{0x80, 0x83, 2048, 2048}, {0, 0x82, 8192, 1000}}
	ext := entry{0, 0x0f, 10000, 50000}
	code := []byte(strings.Repeat("\xfa\x33\xc0GRUB \x00Geom\x00", 30))
	for _, c := range []tableCase{
		{name: "blank", disk: newDisk(64 * mib), kind: KindNone},
		{name: "tiny", disk: newDisk(100), kind: KindNone},
		{name: "one sector", disk: newDisk(512).mbr(), kind: KindMBR},
		{name: "no partitions", disk: newDisk(64 * mib).mbr(), kind: KindMBR},
		{name: "no 55 AA", disk: newDisk(64*mib).mbr(two...).put(510, []byte{0, 0}), kind: KindNone},
		{name: "two primaries", disk: newDisk(64 * mib).mbr(two...), kind: KindMBR, want: `
			1 2048+2048 0x83 1234abcd-01 boot
			2 8192+1000 0x82 1234abcd-02
			`},
		{name: "boot code", disk: newDisk(64*mib).mbr(two...).put(0, code), kind: KindMBR, want: `
			1 2048+2048 0x83 1234abcd-01 boot
			2 8192+1000 0x82 1234abcd-02
			`},
		{name: "out of order, from sector 63, to the end", disk: newDisk(64*mib).mbr(entry{}, entry{0, 0x83, 9000, 122072}, entry{}, entry{0, 0x07, 63, 8937}), kind: KindMBR, want: `
			2 9000+122072 0x83 1234abcd-02
			4 63+8937 0x07 1234abcd-04
			`},
		{name: "no disk signature", disk: newDisk(64*mib).record(0, two[0]), kind: KindMBR, want: "1 2048+2048 0x83  boot\n"},
		{name: "type 0 with a size", disk: newDisk(64 * mib).mbr(entry{0, 0, 2048, 2048}), kind: KindMBR, problem: "type 0"},
		{name: "logicals", kind: KindMBR,
			disk: newDisk(64*mib).mbr(two[0], entry{}, ext).
				record(10000*512, entry{0, 0x83, 63, 1000}, entry{0, 5, 5000, 3000}).
				record(15000*512, entry{0, 0x8e, 2048, 900}, entry{0, 5, 20000, 3000}).
				record(30000*512, entry{0, 0x82, 1, 29999}),
			want: `
			1 2048+2048 0x83 1234abcd-01 boot
			3 10000+50000 0x0f 1234abcd-03 extended
			5 10063+1000 0x83 1234abcd-05 logical
			6 17048+900 0x8e 1234abcd-06 logical
			7 30001+29999 0x82 1234abcd-07 logical
			`},
		{name: "empty extended", disk: newDisk(64 * mib).mbr(ext), kind: KindMBR, want: "1 10000+50000 0x0f 1234abcd-01 extended\n"},
		{name: "link before data, empty record, junk in the last entries", kind: KindMBR,
			disk: newDisk(64*mib).mbr(ext).
				record(10000*512, entry{0, 5, 5000, 3000}).
				record(15000*512, entry{0, 5, 9000, 3000}, entry{0, 0x83, 10, 100}, entry{0x77, 0x33, 1 << 31, 1 << 31}, entry{0, 0x44, 5, 1 << 20}).
				record(19000*512, entry{}, entry{}, entry{0, 0x83, 100, 200}),
			want: `
			1 10000+50000 0x0f 1234abcd-01 extended
			5 15010+100 0x83 1234abcd-05 logical
			6 19100+200 0x83 1234abcd-06 logical
			`},
		{name: "chain ends without a mark", kind: KindMBR, problem: "without the mark 55 AA",
			disk: newDisk(64*mib).mbr(ext).record(10000*512, entry{0, 0x83, 63, 1000}, entry{0, 5, 5000, 3000}),
			want: "1 10000+50000 0x0f 1234abcd-01 extended\n5 10063+1000 0x83 1234abcd-05 logical\n"},

		{name: "begins beyond the disk", disk: newDisk(64*mib).mbr(two[0], entry{0, 0x83, 1 << 20, 100}), kind: KindMBR, broken: "begins at byte 536870912, outside of the disk"},
		{name: "ends beyond the disk", disk: newDisk(64 * mib).mbr(entry{0, 0x83, 2048, 1 << 20}), kind: KindMBR, broken: "beyond the end of the disk"},
		{name: "ends one sector beyond the disk", disk: newDisk(64 * mib).mbr(entry{0, 0x83, 2048, 131072 - 2047}), kind: KindMBR, broken: "beyond the end of the disk"},
		{name: "largest numbers", disk: newDisk(64 * mib).mbr(entry{0, 0x83, 1<<32 - 1, 1<<32 - 1}), kind: KindMBR, broken: "outside"},
		{name: "overlap", disk: newDisk(64*mib).mbr(two[0], entry{0, 0x83, 4095, 100}), kind: KindMBR, broken: "partition 2 (from byte 2096640) overlaps partition 1"},
		{name: "one in another", disk: newDisk(64*mib).mbr(two[0], entry{0, 0x83, 3000, 10}), kind: KindMBR, broken: "overlaps"},
		{name: "twice the same", disk: newDisk(64*mib).mbr(two[0], two[0]), kind: KindMBR, broken: "overlaps"},
		{name: "from sector 0", disk: newDisk(64 * mib).mbr(entry{0, 0x83, 0, 1000}), kind: KindMBR, broken: "overlaps the partition table"},
		{name: "primary in the extended", disk: newDisk(64*mib).mbr(ext, entry{0, 0x83, 20000, 100}), kind: KindMBR, broken: "overlaps partition 1"},
		{name: "chain with a loop", kind: KindMBR, broken: "leads back to byte 5120000",
			disk: newDisk(64*mib).mbr(ext).record(10000*512, entry{0, 0x83, 63, 1000}, entry{0, 5, 5000, 3000}).record(15000*512, entry{0, 0x83, 63, 100}, entry{0, 5, 0, 50000})},
		{name: "chain without data", kind: KindMBR, broken: "in a row", disk: chain(newDisk(64*mib).mbr(ext), 10000, 200)},
		{name: "chain leaves the extended", kind: KindMBR, broken: "outside of the extended partition 1",
			disk: newDisk(64*mib).mbr(ext).record(10000*512, entry{0, 0x83, 63, 1000}, entry{0, 5, 60000, 3000})},
		{name: "extended beyond the disk", disk: newDisk(64 * mib).mbr(entry{0, 5, 1 << 20, 100}), kind: KindMBR, broken: "outside"},
		{name: "logical leaves the extended", kind: KindMBR, broken: "beyond the end of the extended partition 1",
			disk: newDisk(64*mib).mbr(ext).record(10000*512, entry{0, 0x83, 63, 50000})},
		{name: "logicals overlap", kind: KindMBR, broken: "overlaps partition 5",
			disk: newDisk(64*mib).mbr(ext).record(10000*512, entry{0, 0x83, 63, 1000}, entry{0, 0x83, 1000, 100})},
		{name: "logical covers the next record", kind: KindMBR, broken: "overlaps partition 5",
			disk: newDisk(64*mib).mbr(ext).record(10000*512, entry{0, 0x83, 63, 6000}, entry{0, 5, 5000, 3000}).record(15000*512, entry{0, 0x83, 2000, 100})},

		{name: "AIX", disk: newDisk(64*mib).mbr(two...).put(0, []byte{0xc9, 0xc2, 0xd4, 0xc1}), kind: KindNone},
		{name: "odd flags", disk: newDisk(64*mib).mbr(two[0], entry{0x20, 0x83, 9000, 10}), kind: KindNone},
		{name: "FAT, no entries", disk: newDisk(64*mib).mbr().put(0, fatBoot), kind: KindNone},
		{name: "FAT, mtools' entry", disk: newDisk(64*mib).mbr(entry{0x80, 1, 0, 131072}).put(0, fatBoot), kind: KindNone},
		{name: "FAT, text where entries would be", disk: newDisk(64*mib).mbr().put(0, fatBoot).put(offEntries, []byte("Remove disks or other media.\xff\r\nDisk error\xff\r\nPress any key")), kind: KindNone},
		{name: "FAT and a table", disk: newDisk(64*mib).mbr(two...).put(0, fatBoot), kind: KindMBR, broken: "vfat and a partition table at once"},
		{name: "FAT and type EE among text", disk: newDisk(64*mib).mbr(entry{0x61, 0xee, 9, 9}).put(0, fatBoot), kind: KindNone},
		{name: "NTFS", disk: newDisk(64*mib).mbr().put(3, []byte("NTFS    ")), kind: KindNone},
		{name: "NTFS and a table", disk: newDisk(64*mib).mbr(two...).put(3, []byte("NTFS    ")), kind: KindMBR, broken: "ntfs and a partition table"},
	} {
		t.Run(c.name, c.check)
	}
}

// fatBoot is the start of a FAT16 boot sector.
var fatBoot = []byte("\xeb\x3c\x90mkfs.fat\x00\x02\x04\x04\x00\x02\x00\x02\x00\x80\xf8\x20\x00\x20\x00\x02\x00")

// chain writes n boot records without data from a sector on, two sectors apart.
func chain(d *disk, sector int64, n int) *disk {
	for i := range int64(n) {
		d.record((sector+2*i)*512, entry{}, entry{0, 5, 2 * (i + 1), 2})
	}
	return d
}

// TestMBRNumbers: the kernel's numbers end at 255.
func TestMBRNumbers(t *testing.T) {
	d := newDisk(64 * mib).mbr(entry{0, 5, 10000, 50000})
	for i := range int64(300) {
		d.record((10000+10*i)*512, entry{0, 0x83, 2, 5}, entry{0, 5, 10 * (i + 1), 10})
	}
	got := d.read(t, 512)
	if last := got.Partitions[len(got.Partitions)-1]; last.Number != maxNumber || got.Broken != "" || len(got.Problems) != 1 {
		t.Errorf("last partition %d, broken %q, problems %q", last.Number, got.Broken, got.Problems)
	}
}

// TestMBRSectorSize: what the unit of an MBR is.
func TestMBRSectorSize(t *testing.T) {
	table := []entry{{0, 0x83, 2048, 2048}, {0, 5, 8192, 2048}} // 1 MiB and 4 MiB, or 8 MiB and 32 MiB
	xfs, ebr := []byte("XFSB"), []byte{0x55, 0xaa}
	const small, large = mib, 8 * mib
	for _, c := range []struct {
		name    string
		device  int64
		size    int64
		put     map[int64][]byte
		want    int64
		broken  string
		problem string
	}{
		{"nothing known", 0, 64 * mib, nil, 512, "", ""},
		{"at 512", 0, 64 * mib, map[int64][]byte{small: xfs}, 512, "", ""},
		{"at 4096", 0, 64 * mib, map[int64][]byte{large: xfs}, 4096, "", "sectors of 4096"},
		{"logicals at 4096", 0, 64 * mib, map[int64][]byte{32*mib + 510: ebr}, 4096, "", "sectors of 4096"},
		{"at both", 0, 64 * mib, map[int64][]byte{small: xfs, large: xfs}, 512, "in both cases", ""},
		{"at 4096, but the disk is too small", 0, 20 * mib, map[int64][]byte{large: xfs}, 512, "", ""},
		{"device of 4096", 4096, 64 * mib, nil, 4096, "", ""},
		{"device of 4096, at 4096", 4096, 64 * mib, map[int64][]byte{large: xfs}, 4096, "", ""},
		{"device of 4096, at both", 4096, 64 * mib, map[int64][]byte{small: xfs, large: xfs}, 4096, "", ""},
		{"device of 4096, at 512", 4096, 64 * mib, map[int64][]byte{small: xfs}, 4096, "written for sectors of 512", ""},
		{"device of 512, at 4096", 512, 64 * mib, map[int64][]byte{large: xfs}, 512, "written for sectors of 4096", ""},
		{"device of 512, at 512", 512, 64 * mib, map[int64][]byte{small: xfs}, 512, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisk(c.size).mbr(table...)
			for off, b := range c.put {
				d.put(off, b)
			}
			got := d.read(t, c.device)
			if got.SectorSize != c.want || (got.Broken == "") != (c.broken == "") || !strings.Contains(got.Broken, c.broken) || !strings.Contains(fmt.Sprint(got.Problems), c.problem) {
				t.Errorf("sectors of %d, broken %q, problems %q", got.SectorSize, got.Broken, got.Problems)
			}
			if got.DeviceSectorSize != c.device || got.Partitions[0].Start != 2048*got.SectorSize {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestMBRReadErrors: the disk's errors are Read's, with the place.
func TestMBRReadErrors(t *testing.T) {
	for _, off := range []int64{0, 10000 * 512, 15000 * 512} {
		d := newDisk(64*mib).mbr(entry{0, 5, 10000, 50000}).record(10000*512, entry{0, 0x83, 63, 100}, entry{0, 5, 5000, 1000})
		d.bad = map[int64]bool{off: true}
		if _, err := Read(d.volume(512)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at %d", off)) {
			t.Errorf("bad sector at %d: %v", off, err)
		}
	}
	d := newDisk(64 * mib).mbr(entry{0, 0x83, 2048, 100})
	d.bad = map[int64]bool{512: true}
	if got := d.read(t, 512); len(got.Partitions) != 1 || !strings.Contains(fmt.Sprint(got.Problems), "is not known") {
		t.Errorf("bad sector where a GPT would be: %+v", got)
	}
	if _, err := Read(blockmap.Bytes(strings.NewReader("short"), 1<<20, 512)); err == nil {
		t.Error("no error for a device shorter than it says")
	}
}
