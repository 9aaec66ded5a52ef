package ptable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"migimg/blockmap"
)

// marked is a scanner for volumes that begin with a word; it frees all behind
// their first 64 KiB.
type marked struct{}

func (marked) Name() string { return "marked" }

func (marked) Probe(v blockmap.Volume) error {
	b := make([]byte, 6)
	if n, err := v.ReadAt(b, 0); n < len(b) {
		return err
	}
	if string(b) != "marked" {
		return blockmap.ErrNotMine
	}
	return nil
}

func (marked) Scan(_ context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	return blockmap.Report{}, s.Free(64<<10, v.Size()-64<<10)
}

func scan(t *testing.T, d *disk) (*blockmap.Map, *blockmap.VolumeInfo) {
	t.Helper()
	m, info, err := blockmap.Scan(context.Background(), d.volume(512), []blockmap.Scanner{Scanner{}, marked{}}, blockmap.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, info
}

// tree prints a tree of volumes.
func tree(info *blockmap.VolumeInfo) string {
	var s []string
	for v := range info.All() {
		s = append(s, fmt.Sprintf("%s:%s:%d:%v", v.Name, v.Type, v.Start, v.Whole == ""))
	}
	return strings.Join(s, " ")
}

func TestScan(t *testing.T) {
	word := []byte("marked")
	logicals := newDisk(64*mib).mbr(entry{0, 0x83, 2048, 8192}, entry{0, 5, 20480, 80000}).
		record(20480*512, entry{0, 0x83, 2048, 8192}, entry{0, 5, 20000, 10000}).
		record(40480*512, entry{0, 0x82, 1, 4000}).
		put(mib, word).put((20480+2048)*512, word)
	m, info := scan(t, logicals)
	if got, want := tree(info), ":mbr:0:true 1:marked:1048576:true 5:marked:11534336:true 6::20726272:false"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := m.Size()-m.Bytes(), int64(2*(4*mib-64<<10)); got != want {
		t.Errorf("%d bytes freed, want %d", got, want)
	}
	for _, off := range []int64{0, 512, 20480 * 512, 40480 * 512} {
		if m.BytesIn(off, 512) != 512 {
			t.Errorf("the table's sector at %d is not carried", off)
		}
	}

	_, info = scan(t, newDisk(64*mib).gpt(gptSpec{parts: []part{linuxPart(1, 2048, 4095), {}, linuxPart(3, 8192, 9000)}}).put(4*mib, word))
	if got, want := tree(info), ":gpt:0:true 1::1048576:false 3:marked:4194304:true"; got != want || info.UUID != diskGUID {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestScanWhole: what frees nothing, and why.
func TestScanWhole(t *testing.T) {
	word := []byte("marked")
	good := func() *disk { return newDisk(64*mib).mbr(entry{0, 0x83, 2048, 8192}).put(mib, word) }
	for _, c := range []struct {
		name string
		disk *disk
		want string
	}{
		{"overlap", good().mbr(entry{0, 0x83, 2048, 8192}, entry{0, 0x83, 4096, 8192}), "overlaps"},
		{"truncated", truncated(good(), 4*mib), "truncated"},
		{"FAT as well", good().put(0, fatBoot), "vfat and a partition table"},
		{"LVM as well", good().put(512, []byte("LABELONE")).put(512+24, []byte("LVM2 001")), "[ptable LVM2_member]"},
		{"md 1.0 over the whole disk", good().put(64*mib-8192, []byte("\xfc\x4e\x2b\xa9")), "[ptable linux_raid_member]"},
		{"no partitions", newDisk(64 * mib).mbr(), "unknown contents"},
		{"both GPT headers gone", newDisk(64*mib).record(0, entry{kind: kindProtective, start: 1, sectors: 100}), "neither of the GPT headers"},
		{"unreadable", func() *disk { d := good(); d.bad = map[int64]bool{0: true}; return d }(), "partition table: reading 512 bytes at 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, info := scan(t, c.disk)
			if m.Bytes() != m.Size() || len(info.Children) > 0 || !strings.Contains(info.Whole, c.want) {
				t.Errorf("%d of %d bytes, %q, want %q", m.Bytes(), m.Size(), info.Whole, c.want)
			}
		})
	}
}

// TestScanRAIDAtTheEnd: the mark of an md 1.0 member that is the last partition
// lies where that of a whole disk would.
func TestScanRAIDAtTheEnd(t *testing.T) {
	d := newDisk(64*mib).mbr(entry{0, 0x83, 2048, 8192}, entry{0, 0xfd, 20480, 131072 - 20480}).
		put(mib, []byte("marked")).put(64*mib-8192, []byte("\xfc\x4e\x2b\xa9"))
	_, info := scan(t, d)
	if got, want := tree(info), ":mbr:0:true 1:marked:1048576:true 2:linux_raid_member:10485760:false"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestScanDivided: partitions with labels of their own are not looked into.
func TestScanDivided(t *testing.T) {
	d := newDisk(64*mib).mbr(entry{0, 0x42, 2048, 8192}, entry{0, 0x83, 20480, 8192}).put(mib, []byte("marked")).put(10*mib, []byte("marked"))
	m, info := scan(t, d)
	if got, want := tree(info), ":mbr:0:true 2:marked:10485760:true"; got != want || m.BytesIn(mib, 4*mib) != 4*mib || !strings.Contains(info.Warnings[0], "dynamic disk") {
		t.Errorf("%s, want %s; %q", got, want, info.Warnings)
	}
}

// TestScanFilesystemOverLeftovers: a boot sector's 55 AA without partitions is
// no table, and what fills the disk is found.
func TestScanFilesystemOverLeftovers(t *testing.T) {
	_, info := scan(t, newDisk(64*mib).mbr().put(0, []byte("marked")))
	if got, want := tree(info), ":marked:0:true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestScanCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d := newDisk(64 * mib).mbr(entry{0, 0x83, 2048, 8192})
	if _, _, err := blockmap.Scan(ctx, d.volume(512), []blockmap.Scanner{Scanner{}}, blockmap.ScanOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestJSON pins the names that preflight's readers use.
func TestJSON(t *testing.T) {
	b, err := json.Marshal(newDisk(64*mib).mbr(entry{0x80, 0x83, 2048, 8192}).read(t, 512))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"mbr","sector_size":512,"device_sector_size":512,"id":"1234abcd","partitions":[{"number":1,"start":1048576,"size":4194304,"type":"0x83","type_name":"Linux filesystem","uuid":"1234abcd-01","bootable":true}]}`
	if string(b) != want {
		t.Errorf("%s\nwant %s", b, want)
	}
}
