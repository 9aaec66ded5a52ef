package ptable

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
)

func TestScopeErrors(t *testing.T) {
	mbr := newDisk(64<<20).mbr(entry{start: 2048, sectors: 2048, kind: 0x83}, entry{start: 8192, sectors: 2048, kind: 0x83})
	overlap := newDisk(64<<20).mbr(entry{start: 2048, sectors: 4096, kind: 0x83}, entry{start: 4096, sectors: 2048, kind: 0x83})
	for _, c := range []struct {
		name string
		d    *disk
		s    Scope
		want string // "" is no error
	}{
		{"all", mbr, Scope{}, ""},
		{"one", mbr, Scope{Keep: []int{2}}, ""},
		{"none there", mbr, Scope{Keep: []int{3}}, "no partition 3; there are 1, 2"},
		{"nothing", mbr, Scope{Keep: []int{}}, "no partition would be carried"},
		{"no table", newDisk(1 << 20), Scope{Keep: []int{1}}, "no partition table"},
		{"no table to shrink", newDisk(1 << 20), Scope{Shrink: true}, "no partition table"},
		{"no table, rounded", newDisk(1 << 20), Scope{Round: 1 << 30}, ""},
		{"broken", overlap, Scope{Keep: []int{1}}, "cannot be relied on"},
		{"broken, all", overlap, Scope{}, ""},
		{"round to part of a sector", mbr, Scope{Round: 100}, "sector size"},
		{"for larger sectors", newDisk(64 << 20).mbr(entry{start: 63, sectors: 2048, kind: 0x83}), Scope{SectorSize: 4096}, "sectors of 4096 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.d.volume(512)
			tab, err := Read(v)
			if err != nil {
				t.Fatal(err)
			}
			e, err := tab.Scope(v, c.s)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err == nil && c.s.Round > 0 && e.Size%c.s.Round != 0 {
				t.Errorf("size %d", e.Size)
			}
		})
	}
}

// TestGaps: large gaps are left out unless asked for, small ones, the table's own
// sectors and what lies before the first partition are not.
func TestGaps(t *testing.T) {
	const mib = 1 << 20
	d := newDisk(200*mib).
		mbr(entry{start: 80 * 2048, sectors: 2048, kind: 0x83}, entry{start: 90 * 2048, sectors: 100 * 2048, kind: 0x05}).
		record(90*mib, entry{start: 2048 * 40, sectors: 2048, kind: 0x83})
	v := d.volume(512)
	tab := d.read(t, 512)
	e, err := tab.Scope(v, Scope{})
	if err != nil {
		t.Fatal(err)
	}
	want := []blockmap.Range{{Off: 90*mib + 512, Len: 40*mib - 512}, {Off: 131 * mib, Len: 69 * mib}}
	if !slices.Equal(e.Dropped, want) || len(e.Patches) != 0 || len(e.Notes) != 1 {
		t.Errorf("%+v, want %v", e, want)
	}
	if e, err = tab.Scope(v, Scope{Gaps: true}); err != nil || len(e.Dropped) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestEditAgainstModel compares the image's map and view with bytes put together
// one by one.
func TestEditAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		const cluster = 4096
		size := int64(1+rnd.IntN(40)) * 512 * 3
		device := make([]byte, size)
		for i := range device {
			device[i] = byte(1 + rnd.IntN(255))
		}
		e := &Edit{Size: max(512, size+int64(rnd.IntN(20)-10)*512)}
		model := make([]byte, e.Size)
		var carried []blockmap.Range
		for at := int64(0); at < size; {
			n := min(size-at, int64(1+rnd.IntN(12))*512)
			if rnd.IntN(2) == 0 {
				carried = append(carried, blockmap.Range{Off: at, Len: n})
				if at < e.Size {
					copy(model[at:], device[at:at+n])
				}
			}
			at += n
		}
		for range rnd.IntN(4) {
			off := int64(rnd.IntN(int(size/512))) * 512
			r := blockmap.Range{Off: off, Len: min(size-off, int64(1+rnd.IntN(9))*512)}
			e.Dropped = append(e.Dropped, r)
			if r.Off < e.Size {
				clear(model[r.Off:min(r.End(), e.Size)])
			}
		}
		for at := int64(0); at < e.Size; at += int64(1+rnd.IntN(16)) * 512 {
			if rnd.IntN(3) == 0 {
				e.Patches = append(e.Patches, Patch{at, bytes.Repeat([]byte{0}, 512)})
				copy(model[at:], e.Patches[len(e.Patches)-1].Bytes)
				e.Patches[len(e.Patches)-1].Bytes[7], model[at+7] = 0xee, 0xee
			}
		}
		(&editor{edit: e}).finish()
		m, err := blockmap.FromRanges(size, cluster, slices.Values(carried))
		if err != nil {
			t.Fatal(err)
		}
		if m, err = e.Map(m); err != nil {
			t.Fatal(err)
		}
		view := e.View(blockmap.NewView(bytes.NewReader(device), m))
		for range 20 {
			off := rnd.Int64N(e.Size)
			p := make([]byte, 1+rnd.Int64N(e.Size-off))
			if n, err := view.ReadAt(p, off); n < len(p) || !bytes.Equal(p, model[off:off+int64(n)]) {
				t.Fatalf("[%d, +%d): %d bytes, %v, or wrong ones; %+v", off, len(p), n, err, e)
			}
		}
		for i, x := range model {
			if c := m.BytesIn(int64(i), 1) == 1; x != 0 && !c {
				t.Fatalf("byte %d is not carried", i)
			}
		}
	}
}
