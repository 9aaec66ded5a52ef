package ptable

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// sealed changes bytes of the header at off and makes its checksum right.
func (d *disk) sealed(off, field int64, b []byte) *disk {
	h := make([]byte, 92)
	_, _ = d.ReadAt(h, off)
	copy(h[field:], b)
	return d.put(off, seal(h))
}

func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func TestGPT(t *testing.T) {
	const size, last = 64 * mib, 64*mib/512 - 1
	fresh := func() *disk {
		return newDisk(size).gpt(gptSpec{parts: []part{linuxPart(1, 2048, 4095), {}, linuxPart(3, 8192, 8192)}})
	}
	const two = "1 2048+2048 " + linux + " aaaaaaaa-bbbb-cccc-dddd-000000000001\n3 8192+1 " + linux + " aaaaaaaa-bbbb-cccc-dddd-000000000003\n"
	with := func(parts ...part) *disk { return newDisk(size).gpt(gptSpec{parts: parts}) }
	for _, c := range []tableCase{
		{name: "two partitions", disk: fresh(), kind: KindGPT, want: two},
		{name: "none", disk: with(), kind: KindGPT},
		{name: "sectors of 4096", disk: newDisk(size).gpt(gptSpec{sectorSize: 4096, parts: []part{linuxPart(1, 256, 300)}}), kind: KindGPT, want: "1 256+45 " + linux + " aaaaaaaa-bbbb-cccc-dddd-000000000001\n"},
		{name: "name and attributes", disk: with(part{kind: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", uuid: diskGUID, first: 2048, last: 2048, attrs: 4, name: "Größe 😀"}), kind: KindGPT,
			want: "1 2048+1 c12a7328-f81f-11d2-ba4b-00a0c93ec93b " + diskGUID + " boot Größe 😀\n"},
		{name: "size 0 is skipped", disk: with(linuxPart(1, 2048, 2047), linuxPart(2, 2048, 2050)), kind: KindGPT, want: "2 2048+3 " + linux + " aaaaaaaa-bbbb-cccc-dddd-000000000002\n"},
		{name: "same UUID", disk: with(linuxPart(1, 2048, 2050), linuxPart(1, 4096, 4100)), kind: KindGPT, problem: "same UUID"},
		{name: "outside of the usable space", disk: with(linuxPart(1, 34, 40), linuxPart(2, last-32, last-32)), kind: KindGPT, broken: "the partition table (from byte 67091968) overlaps partition 2"},
		{name: "before the usable space", kind: KindGPT, problem: "lies outside of the space for partitions",
			disk: newDisk(size).gpt(gptSpec{firstUsable: 2048, parts: []part{linuxPart(1, 40, 50)}})},

		{name: "grown", disk: newDisk(size).gpt(gptSpec{last: last - 1000, parts: []part{linuxPart(1, 2048, 2050)}}), kind: KindGPT, problem: "the disk has grown"},
		{name: "grown, over another GPT", kind: KindGPT, problem: "left over from earlier",
			disk: newDisk(size).gpt(gptSpec{guid: linux, parts: []part{linuxPart(9, 100, 200)}}).gpt(gptSpec{last: last - 1000, parts: []part{linuxPart(1, 2048, 2050)}})},
		{name: "grown, and the same GPT at the end is newer", kind: KindGPT, broken: "names other partitions",
			disk: newDisk(size).gpt(gptSpec{parts: []part{linuxPart(9, 100, 200)}}).gpt(gptSpec{last: last - 1000, parts: []part{linuxPart(1, 2048, 2050)}})},
		{name: "grown, no backup, another GPT", kind: KindGPT, broken: "names other partitions",
			disk: newDisk(size).gpt(gptSpec{guid: linux, parts: []part{linuxPart(9, 100, 200)}}).gpt(gptSpec{last: last - 1000, parts: []part{linuxPart(1, 2048, 2050)}}).put((last-1000)*512, make([]byte, 512))},
		{name: "a partition over the backup", kind: KindGPT, broken: "overlaps",
			disk: newDisk(size).gpt(gptSpec{last: last - 1000, parts: []part{linuxPart(1, 2048, last-900)}, lastUsable: last - 100})},

		{name: "no primary", disk: fresh().put(512, make([]byte, 512)), kind: KindGPT, want: two, problem: "primary GPT header does not verify (no GPT signature)"},
		{name: "primary checksum", disk: fresh().put(512+40, []byte{99}), kind: KindGPT, want: two, problem: "wrong checksum of the header"},
		{name: "primary entries", disk: fresh().put(1024+56, []byte("X")), kind: KindGPT, want: two, problem: "wrong checksum of the entries"},
		{name: "no backup", disk: fresh().put(last*512, make([]byte, 512)), kind: KindGPT, want: two, problem: "backup GPT header in block 131071"},
		{name: "backup entries", disk: fresh().put((last-32)*512, []byte("X")), kind: KindGPT, want: two, problem: "backup GPT header"},
		{name: "neither", disk: fresh().put(512, make([]byte, 512)).put(last*512, make([]byte, 512)), kind: KindGPT, broken: "neither of the GPT headers is sound"},
		{name: "they differ", kind: KindGPT, broken: "both verify, but their partitions differ",
			disk: fresh().put(last*512, gptSpec{parts: []part{linuxPart(1, 2048, 4095)}, count: 128, entrySize: 128, guid: diskGUID, firstUsable: 34, lastUsable: last - 33}.entriesHeader(last, 1, last-32)).
				put((last-32)*512, gptSpec{parts: []part{linuxPart(1, 2048, 4095)}, count: 128, entrySize: 128}.entries())},
		{name: "they differ in the GUID", disk: fresh().sealed(last*512, 56, rawGUID(linux)), kind: KindGPT, broken: "both verify"},
		{name: "they differ in the usable space", disk: fresh().sealed(last*512, 40, u64(100)), kind: KindGPT, want: two, problem: "differ in other fields"},
		{name: "the primary names itself", disk: fresh().sealed(512, 32, u64(1)), kind: KindGPT, want: two, problem: "lies in block 1"},
		{name: "the backup lies beyond the disk", disk: fresh().sealed(512, 32, u64(1<<63+5)), kind: KindGPT, want: two, problem: "outside of the disk"},

		{name: "truncated", disk: truncated(fresh(), size-mib), kind: KindGPT, broken: "truncated"},
		{name: "entries of 256 bytes", disk: newDisk(size).gpt(gptSpec{entrySize: 256, parts: []part{linuxPart(1, 2048, 4095)}}), kind: KindGPT, broken: "Linux reads only"},
		{name: "entries of 96 bytes", disk: both(fresh(), last, 84, u32(96)), kind: KindGPT, broken: "entries of 96 bytes"},
		{name: "entries of 192 bytes", disk: both(fresh(), last, 84, u32(192)), kind: KindGPT, broken: "entries of 192 bytes"},
		{name: "4 billion entries", disk: both(fresh(), last, 80, u32(1<<32-1)), kind: KindGPT, broken: "4294967295 entries"},
		{name: "entries of 2 GiB", disk: both(fresh(), last, 84, u32(1<<31)), kind: KindGPT, broken: "entries of 2147483648 bytes"},
		{name: "no entries", disk: both(fresh(), last, 80, u32(0)), kind: KindGPT, broken: "0 entries"},
		{name: "entries beyond the disk", disk: both(fresh(), last, 72, u64(1<<62)), kind: KindGPT, broken: "leave the disk"},
		{name: "entries at block 0", disk: both(fresh(), last, 72, u64(0)), kind: KindGPT, broken: "leave the disk"},
		{name: "header of 600 bytes", disk: fresh().put(512+12, u32(600)).put(last*512+12, u32(600)), kind: KindGPT, broken: "header of 600 bytes"},
		{name: "header of 0 bytes", disk: fresh().put(512+12, u32(0)).put(last*512+12, u32(0)), kind: KindGPT, broken: "header of 0 bytes"},
		{name: "wrong own block", disk: both(fresh(), last, 24, u64(7)), kind: KindGPT, broken: "says that it lies in block 7"},
		{name: "usable space ends before it begins", disk: both(fresh(), last, 40, u64(last-10)), kind: KindGPT, broken: "before it begins"},

		{name: "overlap", disk: with(linuxPart(1, 2048, 4096), linuxPart(2, 4096, 5000)), kind: KindGPT, broken: "overlaps"},
		{name: "beyond the disk", disk: with(linuxPart(1, 2048, last+1)), kind: KindGPT, broken: "beyond the end"},
		{name: "begins beyond the disk", disk: with(linuxPart(1, 1<<63, 1<<64-1)), kind: KindGPT, broken: "outside of the disk"},
		{name: "largest size", disk: with(linuxPart(1, 2048, 1<<64-1)), kind: KindGPT, broken: "beyond the end"},
		{name: "ends before it begins", disk: with(linuxPart(1, 2048, 100)), kind: KindGPT, broken: "before it begins"},
		{name: "over the primary", disk: with(linuxPart(1, 1, 100)), kind: KindGPT, broken: "overlaps"},
		{name: "block 0", disk: with(linuxPart(1, 0, 0)), kind: KindGPT, broken: "overlaps"},

		{name: "no protective MBR", disk: newDisk(size).gpt(gptSpec{noMBR: true, parts: []part{linuxPart(1, 2048, 4095)}}), kind: KindGPT, broken: "no protective MBR"},
		{name: "empty MBR", disk: newDisk(size).gpt(gptSpec{noMBR: true, parts: []part{linuxPart(1, 2048, 4095)}}).mbr(), kind: KindGPT, broken: "no protective MBR"},
		{name: "an MBR over a GPT", disk: fresh().mbr(entry{0, 0x83, 2048, 4096}), kind: KindMBR, want: "1 2048+4096 0x83 1234abcd-01\n", problem: "Linux ignores it"},
		{name: "protective from block 0", disk: fresh().mbr(entry{0, 0xee, 0, last}), kind: KindGPT, want: two, broken: "does not begin at block 1"},
		{name: "protective too short", disk: fresh().mbr(entry{0, 0xee, 1, 1000}), kind: KindGPT, want: two, problem: "covers 1000 blocks"},
		{name: "protective of 2 TiB", disk: fresh().mbr(entry{0, 0xee, 1, 1<<32 - 1}), kind: KindGPT, want: two},
		{name: "protective in the third entry, active", disk: fresh().mbr(entry{}, entry{}, entry{0x80, 0xee, 1, last}), kind: KindGPT, want: two},
		{name: "hybrid", disk: fresh().mbr(entry{0, 0xee, 1, 2047}, entry{0x80, 0x83, 2048, 2048}), kind: KindHybrid, want: two, problem: "hybrid MBR"},
		{name: "hybrid that differs", disk: fresh().mbr(entry{0, 0xee, 1, 2047}, entry{0x80, 0x83, 2048, 3000}), kind: KindHybrid, want: two, broken: "entry 2 of the hybrid MBR"},
		{name: "hybrid beside the partitions", disk: fresh().mbr(entry{0, 0xee, 1, 2047}, entry{0, 0x83, 50000, 10}), kind: KindHybrid, want: two, problem: "hybrid MBR"},

		{name: "device of 512, table for 4096", sectorSize: 512, disk: newDisk(size).gpt(gptSpec{sectorSize: 4096, parts: []part{linuxPart(1, 256, 300)}}), kind: KindGPT, broken: "written for sectors of 4096"},
		{name: "device of 4096, table for 512", sectorSize: 4096, disk: fresh(), kind: KindGPT, want: two, broken: "written for sectors of 512"},
		{name: "device of 4096", sectorSize: 4096, disk: newDisk(size).gpt(gptSpec{sectorSize: 4096, parts: []part{linuxPart(1, 256, 300)}}), kind: KindGPT},
		{name: "only the backup, for 4096", disk: newDisk(size).gpt(gptSpec{sectorSize: 4096, parts: []part{linuxPart(1, 256, 300)}}).put(4096, make([]byte, 512)), kind: KindGPT, problem: "primary GPT header"},
	} {
		t.Run(c.name, c.check)
	}
}

// entriesHeader is a header for the spec's own entries.
func (g gptSpec) entriesHeader(own, other, entriesLBA int64) []byte {
	return g.header(own, other, entriesLBA, g.entries())
}

// both changes the same field of both headers.
func both(d *disk, last, field int64, b []byte) *disk {
	return d.sealed(512, field, b).sealed(last*512, field, b)
}

func truncated(d *disk, size int64) *disk {
	d.size = size
	return d
}

func TestGPTDetails(t *testing.T) {
	const last = 64*mib/512 - 1
	got := newDisk(64*mib).gpt(gptSpec{parts: []part{linuxPart(1, 2048, 4095)}}).read(t, 512)
	want := Headers{PrimaryOK: true, BackupOK: true, FirstUsableLBA: 34, LastUsableLBA: last - 33, AlternateLBA: last, LastLBA: last, EntriesLBA: 2, Entries: 128, EntrySize: 128}
	if *got.GPT != want || got.ID != diskGUID || got.SectorSize != 512 {
		t.Errorf("%+v, ID %s", got.GPT, got.ID)
	}
	if p := got.Partitions[0]; p.TypeName != "Linux filesystem" {
		t.Errorf("%+v", p)
	}
	hybrid := newDisk(64*mib).gpt(gptSpec{parts: []part{linuxPart(1, 2048, 4095)}}).mbr(entry{0, 0xee, 1, 2047}, entry{0x80, 0x83, 2048, 2048}).read(t, 512)
	if e := hybrid.MBREntries; len(e) != 1 || e[0].Number != 2 || e[0].Start != mib || e[0].Type != "0x83" || !e[0].Bootable {
		t.Errorf("%+v", e)
	}
}

// TestGPTTwoSizes: a table for either sector size, whose partitions differ.
func TestGPTTwoSizes(t *testing.T) {
	d := newDisk(64 * mib).gpt(gptSpec{sectorSize: 4096, parts: []part{linuxPart(1, 256, 300)}})
	// The other one has 8 entries, so that it ends before byte 4096.
	d.gpt(gptSpec{count: 8, last: 64*mib/512 - 3000, parts: []part{linuxPart(1, 2048, 4095)}})
	if got := d.read(t, 0); !strings.Contains(got.Broken, "two GPTs") {
		t.Errorf("unknown sector size: %q", got.Broken)
	}
	for _, s := range []int64{512, 4096} {
		got := d.read(t, s)
		if got.SectorSize != s || got.Broken != "" || !strings.Contains(fmt.Sprint(got.Problems), "two GPTs") {
			t.Errorf("sectors of %d: %+v", s, got)
		}
	}
}

// TestGPTReadErrors: an unreadable header does not verify, and with both the
// error is the disk's.
func TestGPTReadErrors(t *testing.T) {
	const end = 64*mib - 512
	fresh := func(bad ...int64) *disk {
		d := newDisk(64 * mib).gpt(gptSpec{parts: []part{linuxPart(1, 2048, 4095)}})
		d.bad = map[int64]bool{}
		for _, off := range bad {
			d.bad[off] = true
		}
		return d
	}
	for _, c := range []struct {
		bad     int64
		problem string
	}{{512, "primary GPT header"}, {1024, "primary GPT header"}, {end, "backup GPT header"}, {end - 512, "backup GPT header"}} {
		got := fresh(c.bad).read(t, 512)
		if len(got.Partitions) != 1 || got.Broken != "" || !strings.Contains(fmt.Sprint(got.Problems), c.problem) {
			t.Errorf("bad sector at %d: %+v", c.bad, got)
		}
	}
	if _, err := Read(fresh(512, end).volume(512)); err == nil {
		t.Error("no error with both headers unreadable")
	}
}
