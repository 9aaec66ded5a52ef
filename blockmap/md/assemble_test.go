package md_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/md"
	"migimg/blockmap/swap"
)

// members are of an array of three disks of 2 MiB with random contents.
func members(edit func(i int, s *super)) (disks [][]byte) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 3 {
		b := make([]byte, 2*mib)
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		s := mirror("1.2", 2*mib)
		s.disks, s.roles, s.dev = 3, []uint16{0, 1, 2}, uint32(i)
		s.size &^= 7
		edit(i, s)
		clear(b[:s.off*512])
		s.write(b)
		disks = append(disks, b)
	}
	return disks
}

// array assembles disks, and says what came of it.
func array(t *testing.T, disks [][]byte) (name string, v blockmap.Volume, reports []blockmap.Report, sinks []recorder) {
	t.Helper()
	sinks = make([]recorder, len(disks))
	var parts []blockmap.Part
	for i, b := range disks {
		parts = append(parts, blockmap.Part{Volume: volumeOf(b), Sink: &sinks[i]})
	}
	var across recorder
	reports, err := md.Scanner{}.Assemble(context.Background(), parts, across.Nested)
	if err != nil {
		t.Fatal(err)
	}
	return across.name, across.inner, reports, sinks
}

func read(t *testing.T, v blockmap.Volume) []byte {
	t.Helper()
	b := make([]byte, v.Size())
	if err := blockmap.ReadFull(v, b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAssembleSpread compares arrays with bytes put together by hand, whatever the order
// in which the members are given.
func TestAssembleSpread(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}} {
		for level, c := range map[int32]struct {
			chunk uint32 // sectors
			whole func(data [][]byte) []byte
		}{
			-1: {0, func(d [][]byte) []byte { return slices.Concat(d...) }},
			0: {8, func(d [][]byte) (b []byte) {
				for off := 0; off+4096 <= len(d[0]); off += 4096 {
					for i := range d {
						b = append(b, d[i][off:off+4096]...)
					}
				}
				return b
			}},
		} {
			disks := members(func(_ int, s *super) { s.level, s.size, s.chunk = level, 0, c.chunk })
			var data, given [][]byte
			for _, b := range disks {
				data = append(data, b[256*512:])
			}
			for _, i := range order {
				given = append(given, disks[i])
			}
			if id, of := (md.Scanner{}).PartOf(volumeOf(disks[1])); id != uuid || of != 3 {
				t.Errorf("part %q of %d", id, of)
			}
			name, v, reports, _ := array(t, given)
			if name != "md-home" || !bytes.Equal(read(t, v), c.whole(data)) || reports[0].Whole != "" || reports[2].Whole != "" {
				t.Errorf("level %d: %q, %+v, or wrong bytes", level, name, reports)
			}
		}
	}
}

// TestAssembleMirror has the free space of an array freed in all members, also of one
// that was being written to and has a bitmap: all of them agree that all are there.
func TestAssembleMirror(t *testing.T) {
	for name, edit := range map[string]func(i int, s *super){
		"clean":                 func(int, *super) {},
		"being written":         func(_ int, s *super) { s.resync = 0 },
		"the first is for need": func(i int, s *super) { s.flags = uint32(1 - min(i, 1)) },
	} {
		disks := members(edit)
		from := 0
		if strings.HasPrefix(name, "the first") {
			from = 1
		}
		s := mirror("1.2", 2*mib)
		s.size &^= 7
		swapArea(disks[from][s.off*512:], int64(s.size)*512)
		if name == "being written" {
			for i, b := range disks {
				t := mirror("1.2", 2*mib)
				t.disks, t.roles, t.dev, t.resync = 3, []uint16{0, 1, 2}, uint32(i), 0
				t.size &^= 7
				withBitmap(t, b)
				t.write(b)
			}
		}
		at := make([]blockmap.Place, 3)
		var layers []blockmap.Layer
		for i, b := range disks {
			at[i] = blockmap.Place{Name: string(rune('a' + i)), Range: blockmap.Range{Len: 2 * mib}, SectorSize: 512}
			layers = append(layers, layer{bytes.NewReader(b)})
		}
		size := blockmap.Arrange(at)
		m, root, err := blockmap.Scan(context.Background(), blockmap.Bytes(blockmap.Join(at, layers), size, 0),
			[]blockmap.Scanner{swap.Scanner{}, md.Scanner{}}, blockmap.ScanOptions{ClusterSize: 4096, Disks: at})
		if err != nil {
			t.Fatal(err)
		}
		if len(root.Children) != 4 || root.Children[3].Type != "swap" || root.Children[3].Start != at[from].Off+256*512 {
			t.Errorf("%s: %+v", name, root.Children)
			continue
		}
		want := []blockmap.Range{{Len: 256*512 + 4096}, {Off: 2*mib - 8*512, Len: 8 * 512}}
		for i := range at {
			if got := slices.Collect(m.Slice(at[i]).Ranges(0, 2*mib)); !slices.Equal(got, want) {
				t.Errorf("%s: disk %d carries %v, must be %v", name, i, got, want)
			}
		}
	}
}

type layer struct{ *bytes.Reader }

func (l layer) ReadSpeculative(p []byte, off int64) (int, error) { return l.ReadAt(p, off) }

// TestAssembleRefuses has what must not be taken for one array. The members of a RAID1
// are then each what they are alone.
func TestAssembleRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit  func(i int, s *super)
		given []int
		why   string // of all; empty: followed alone
		alone []bool // handed on by itself
	}{
		"raid1, one is away":          {func(int, *super) {}, []int{0, 2}, "", []bool{true, true}},
		"raid1, of different age":     {func(i int, s *super) { s.events = uint64(i) }, []int{0, 1, 2}, "", []bool{true, true, true}},
		"raid1, one knows of a fault": {func(i int, s *super) { s.roles = []uint16{0, 1, uint16(2 + 0xfffc*(1-min(i, 1)))} }, []int{0, 1, 2}, "", []bool{true, true, true}},
		"raid1, bad blocks":           {func(i int, s *super) { s.features = uint32(8 * (i / 2)) }, []int{0, 1, 2}, "", []bool{true, true, false}},
		"raid0, one is away":          {func(_ int, s *super) { s.level, s.chunk = 0, 8 }, []int{0, 2}, "2 of the array's 3 members", []bool{false, false}},
		"raid0, a clone":              {func(_ int, s *super) { s.level, s.chunk = 0, 8 }, []int{0, 1, 1}, "one is a copy of the other", []bool{false, false, false}},
		"raid0, sizes":                {func(i int, s *super) { s.level, s.chunk, s.room = 0, 8, s.room-uint64(8*i); s.size = 0 }, []int{0, 1, 2}, "differ in size", []bool{false, false, false}},
		"raid0, no chunks":            {func(_ int, s *super) { s.level = 0 }, []int{0, 1, 2}, "no size of chunks", []bool{false, false, false}},
		"raid0, different chunks":     {func(i int, s *super) { s.level, s.chunk = 0, uint32(8+8*(i%2)) }, []int{0, 1, 2}, "contradict each other", []bool{false, false, false}},
	} {
		disks := members(c.edit)
		var given [][]byte
		for _, i := range c.given {
			given = append(given, disks[i])
		}
		got, _, reports, sinks := array(t, given)
		if got != "" {
			t.Errorf("%s: assembled", name)
		}
		for i, r := range reports {
			if !strings.Contains(r.Whole, c.why) || (r.Whole == "") != c.alone[i] || (sinks[i].inner != nil) != c.alone[i] || sinks[i].freed > 0 {
				t.Errorf("%s: member %d: %q", name, i, r.Whole)
			}
		}
	}
	// A RAID5 waits for nobody.
	for _, b := range members(func(_ int, s *super) { s.level = 5 }) {
		if id, _ := (md.Scanner{}).PartOf(volumeOf(b)); id != "" {
			t.Error("a RAID5 is a part of", id)
		}
	}
}
