//go:build integration

package ptable

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
)

// scopeDisks are tables, as sfdisk scripts, of disks that scopes are made of.
var scopeDisks = []struct {
	name, script string
	size, sector int64
}{
	{"mbr", "label: dos\nlabel-id: 0x1234abcd\n" +
		"start=2048, size=20480, type=83, bootable\nstart=22528, size=20480, type=82\nstart=43008, size=204800, type=5\n" +
		"start=45056, size=20480, type=83\nstart=67584, size=20480, type=83\nstart=90112, size=30720, type=8e\n" +
		"start=247808, size=10240, type=c\n", 160 << 20, 512},
	{"gpt", "label: gpt\nlabel-id: 11111111-2222-3333-4444-555566667777\n" +
		"start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649\nstart=4096, size=20480, type=U, name=esp\n" +
		"start=24576, size=40960, type=L, name=\"the root\"\nstart=131072, size=20480, type=S\n", 120<<20 + 512*7, 512},
	{"gpt of sectors of 4096", "label: gpt\nlabel-id: 11111111-2222-3333-4444-555566667777\n" +
		"start=256, size=2560, type=U\nstart=2816, size=5120, type=L\nstart=16384, size=2560, type=S\n", 120 << 20, 4096},
	{"mbr of sectors of 4096", "label: dos\nlabel-id: 0x1234abcd\n" +
		"start=256, size=2560, type=83\nstart=2816, size=25600, type=5\nstart=3072, size=2560, type=83\nstart=6144, size=5120, type=83\n", 120 << 20, 4096},
}

// TestScopes: whatever is left out of a disk, and however its size is changed,
// sfdisk and sgdisk find nothing wrong with the table, and the partitions that are
// left in it are where they were.
func TestScopes(t *testing.T) {
	need.Tool(t, "sfdisk", "sgdisk")
	for _, d := range scopeDisks {
		t.Run(d.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			garbageFile(t, path, d.size)
			dev := path
			if d.sector != 512 {
				dev = loop(t, path)
			}
			run(t, d.script, "sfdisk", "-q", "--wipe", "always", "--no-reread", "--no-tell-kernel", dev)
			table := readImage(t, dev, d.sector)
			numbers := []int{}
			for _, p := range table.Partitions {
				if !p.Extended {
					numbers = append(numbers, p.Number)
				}
			}
			tried := 0
			for set := 1; set < 1<<len(numbers); set++ {
				var keep []int
				for i, n := range numbers {
					if set>>i&1 != 0 {
						keep = append(keep, n)
					}
				}
				for _, s := range []Scope{
					{Keep: keep}, {Keep: keep, Shrink: true}, {Keep: keep, Shrink: true, Round: 1 << 20},
					{Keep: keep, Round: 1 << 30}, {Keep: keep, SectorSize: 512}, {Keep: keep, SectorSize: 512, Shrink: true, Gaps: true},
				} {
					if s.SectorSize == d.sector || len(keep)%2 == 0 && len(keep) < len(numbers) && s.Round > 1<<20 {
						continue // nothing new
					}
					scoped(t, dev, table, s, d.sector)
					tried++
				}
			}
			t.Logf("%d scopes", tried)
		})
	}
}

func garbageFile(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := int64(0); off < size; off += 64 << 10 {
		b := []byte(strings.Repeat(fmt.Sprintf("%15d\n", off), 4<<10))
		if _, err := f.WriteAt(b[:min(64<<10, size-off)], off); err != nil {
			t.Fatal(err)
		}
	}
}

// scoped writes the image's disk and lets the tools look at it.
func scoped(t *testing.T, dev string, table *Table, s Scope, sector int64) {
	t.Helper()
	f, err := os.Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	v := blockmap.Bytes(f, size, sector)
	edit, err := table.Scope(v, s)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	all, err := blockmap.NewMap(size, blockmap.DefaultClusterSize)
	if err != nil {
		t.Fatal(err)
	}
	m, err := edit.Map(all)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	image := filepath.Join(t.TempDir(), "image")
	out, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(image)
	defer out.Close()
	view := edit.View(blockmap.NewView(f, m))
	for r := range m.Ranges(0, m.Size()) {
		if _, err := io.Copy(io.NewOffsetWriter(out, r.Off), io.NewSectionReader(view, r.Off, r.Len)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Truncate(edit.Size); err != nil {
		t.Fatal(err)
	}
	if s.SectorSize != 0 {
		sector = s.SectorSize
	}
	at := image
	if sector != 512 {
		at = loop(t, image)
	}
	if said := run(t, "", "sfdisk", "-V", at); !strings.Contains(said, "No errors detected") {
		t.Errorf("%+v: sfdisk -V: %s", s, said)
	}
	if table.GPT != nil {
		if said := run(t, "", "sgdisk", "-v", at); !strings.Contains(said, "No problems found") {
			t.Errorf("%+v: sgdisk -v: %s", s, said)
		}
	}
	var doc struct {
		Table sfdiskTable `json:"partitiontable"`
	}
	if err := json.Unmarshal([]byte(run(t, "", "sfdisk", "--json", at)), &doc); err != nil {
		t.Fatal(err)
	}
	var got, want []blockmap.Range
	for _, p := range doc.Table.Partitions {
		if p.Type != "5" {
			got = append(got, blockmap.Range{Off: p.Start * sector, Len: p.Size * sector})
		}
	}
	end := int64(0)
	for _, p := range table.Partitions {
		if !p.Extended && slices.Contains(s.Keep, p.Number) {
			want = append(want, blockmap.Range{Off: p.Start, Len: p.Size})
			end = max(end, p.end())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v: partitions %v, want %v", s, got, want)
	}
	if s.Shrink && s.Round == 0 && edit.Size > end+64<<10 || s.Round > 0 && edit.Size%s.Round != 0 || !s.Shrink && edit.Size < size {
		t.Errorf("%+v: a disk of %d bytes, partitions end at %d", s, edit.Size, end)
	}
	// What is left out is zeros; what is carried is the device's.
	p, q := make([]byte, 4096), make([]byte, 4096)
	for _, x := range table.Partitions {
		if x.Extended || x.end() > edit.Size {
			continue
		}
		for _, off := range []int64{x.Start, x.Start + x.Size/2, x.end() - 4096} {
			if _, err := out.ReadAt(p, off); err != nil {
				t.Fatal(err)
			}
			clear(q)
			if slices.Contains(s.Keep, x.Number) {
				if _, err := f.ReadAt(q, off); err != nil {
					t.Fatal(err)
				}
			}
			if string(p) != string(q) {
				t.Errorf("%+v: other bytes at %d, in partition %d", s, off, x.Number)
			}
		}
	}
}
