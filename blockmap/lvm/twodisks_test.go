//go:build integration

package lvm_test

import (
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/all"
)

// layer is an image file in a space.
type layer struct{ *os.File }

func (l layer) ReadSpeculative(p []byte, off int64) (int, error) { return l.ReadAt(p, off) }

// onBoth copies between a filesystem's image and the places of its volume on two disks.
func onBoth(t *testing.T, at map[int][]segment, img *os.File, disks []*os.File, out bool) {
	t.Helper()
	for d, list := range at {
		(&placed{at: list}).copyAll(t, img, disks[d], out)
	}
}

// stripes are those of a volume that lvm2 has dealt out to two disks, whose shares begin
// at the given bytes.
func stripes(size, stripe int64, first [2]int64) map[int][]segment {
	at := map[int][]segment{}
	for k := range size / stripe {
		at[int(k%2)] = append(at[int(k%2)], segment{first: k * stripe, at: first[k%2] + k/2*stripe, n: stripe})
	}
	return at
}

// TestTwoDisks: a group over two disks, with a volume on one, a volume that goes on on the
// other, and a striped one. Both maps together are those of the parts, and what they do
// not carry nobody misses.
func TestTwoDisks(t *testing.T) {
	b := newBench(t)
	sizes := []int64{120 * mib, 150 * mib}
	var disks []*os.File
	for i, n := range sizes {
		name := "disk" + string('0'+rune(i))
		b.loop(b.image(name, n), 0, n)
		disks = append(disks, open(t, b.path(name)))
	}
	b.script(`pvcreate -q $D0 $D1; vgcreate -q vg0 $D0 $D1; lvnew -i2 -I64k -L40M -n striped vg0; lvnew -L60M -n one vg0 $D0; lvnew -L28M -n across vg0 $D0; lvextend -q --driverloaded n -L+32M vg0/across $D1`)
	at := map[string]map[int][]segment{"one": {}, "across": {}}
	var free [2][]blockmap.Range
	var first [2]int64
	for i, dev := range b.loops {
		for _, s := range b.segments(dev) {
			switch s.lv {
			case "":
				free[i] = append(free[i], blockmap.Range{Off: s.at, Len: s.n})
			case "striped":
				first[i] = s.at
			default:
				at[s.lv][i] = append(at[s.lv][i], s)
			}
		}
	}
	at["striped"] = stripes(40*mib, 64<<10, first)
	if len(at["across"]) != 2 {
		t.Fatal("lvm2 put it on one disk")
	}
	for _, dev := range slices.Clone(b.loops) {
		b.detach(dev)
	}
	sizeOfVolume := map[string]int64{"one": 60 * mib, "across": 60 * mib, "striped": 40 * mib}
	files := map[string]map[string]string{}
	for name, segs := range at {
		img := b.filesystem(name, sizeOfVolume[name])
		onBoth(t, segs, open(t, img), disks, false)
		m, info := scanFile(t, img, 0, sizeOfVolume[name], all.Scanners()...)
		if info.Whole != "" {
			t.Fatalf("%s alone: %s", name, info.Whole)
		}
		for d, list := range segs {
			free[d] = append(free[d], (&placed{at: list}).onDisk(freeOf(m))...)
		}
		files[name] = b.hashes(img)
	}

	places := []blockmap.Place{{Name: "sda", Range: blockmap.Range{Len: sizes[0]}, SectorSize: 512}, {Name: "sdb", Range: blockmap.Range{Len: sizes[1]}, SectorSize: 512}}
	size := blockmap.Arrange(places)
	space := blockmap.Join(places, []blockmap.Layer{layer{disks[0]}, layer{disks[1]}})
	m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(space, size, 0), all.Scanners(),
		blockmap.ScanOptions{Disks: places, Still: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for v := range info.All() {
		names = append(names, v.Name)
		t.Logf("%-12s %-12s from %9d, %6d of %6d KiB %s %q", v.Name, v.Type, v.Start, v.Carried>>10, v.Size>>10, v.Whole, v.Warnings)
		if v.Whole != "" || len(v.Warnings) > 0 {
			t.Errorf("%s: %q %q", v.Name, v.Whole, v.Warnings)
		}
	}
	if want := []string{"", "sda", "sda/vg0-one", "sdb", "vg0-striped", "vg0-across"}; !slices.Equal(names, want) {
		t.Errorf("%q, must be %q", names, want)
	}
	var kept []*os.File // of the restored disks
	for i, d := range places {
		got := freeOf(m.Slice(d))
		if !slices.Equal(got, joined(free[i])) {
			t.Errorf("disk %d: the map is another one than that of the parts:\n%v\n%v", i, got, joined(free[i]))
		}
		restored := open(t, b.image("restored"+d.Name, d.Len))
		for r := range m.Slice(d).Ranges(0, d.Len) {
			if _, err := io.Copy(io.NewOffsetWriter(restored, r.Off), io.NewSectionReader(disks[i], r.Off, r.Len)); err != nil {
				t.Fatal(err)
			}
		}
		kept = append(kept, restored)
		garbage(t, disks[i], got)
	}
	for _, from := range [][]*os.File{disks, kept} {
		for _, name := range slices.Sorted(maps.Keys(at)) {
			out := b.image("extracted", sizeOfVolume[name])
			onBoth(t, at[name], open(t, out), from, true)
			b.run("e2fsck", "-fn", out)
			if got := b.hashes(out); !maps.Equal(got, files[name]) || len(got) < 90 {
				t.Errorf("%s: %d files, were %d", name, len(got), len(files[name]))
			}
		}
	}
	// lvm2 finds the group complete on what was restored.
	for i := range places {
		b.loop(kept[i].Name(), 0, sizes[i])
	}
	if out := b.run("vgs", "--noheadings", "-o", "vg_name,pv_count,lv_count,vg_missing_pv_count", "vg0"); strings.Join(strings.Fields(out), " ") != "vg0 2 3 0" {
		t.Errorf("lvm2 says %q", out)
	}
}
