package vmdk

import (
	"encoding/binary"
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
)

// TestSize walks the sizes around every boundary: grains, tables, sectors of
// the directory, 2 TiB, 16 TiB.
func TestSize(t *testing.T) {
	if recordSectors != 129 {
		t.Errorf("a grain takes %d sectors", recordSectors)
	}
	for _, at := range []int64{0, grain, 2 * grain, 512 * grain, 128 * 512 * grain, 512 << 20, 1 << 40, 2 << 40, 16 << 40} {
		for _, d := range []int64{-grain - sector, -sector, -1, 0, 1, sector, grain + sector} {
			size := at + d
			if size <= 0 {
				continue
			}
			dense, err := blockmap.NewMap(size, 64<<10)
			if err != nil {
				t.Fatal(err)
			}
			empty, err := blockmap.FromRanges(size, 64<<10, slices.Values([]blockmap.Range{}))
			if err != nil {
				t.Fatal(err)
			}
			for name, m := range map[string]*blockmap.Map{"dense": dense, "empty": empty} {
				grains := (size + 65535) / 65536
				data := grains
				if name == "empty" {
					data = 0
				}
				ngt := (grains + 511) / 512
				want := 512 * (21 + (4*ngt+511)/512 + 4*ngt + 129*data + 1)
				outs, err := Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{})
				if want >= 2<<40 {
					if err == nil {
						t.Errorf("%s disk of %d: a file of %d bytes is not refused", name, size, want)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := outs[0].Layout.Size(); got != want {
					t.Errorf("%s disk of %d: the layout has %d bytes, the formula says %d", name, size, got, want)
				}
				if v := outs[0].VirtualSize; v < size || v >= size+grain || v%grain != 0 {
					t.Errorf("disk of %d: virtual size %d", size, v)
				}
			}
		}
	}
}

func TestContentID(t *testing.T) {
	for _, c := range []struct{ in, want uint32 }{
		{0, 1}, {1, 2}, {0xfffffffb, 0xfffffffc}, {0xfffffffc, 0xfffffffd}, {0xfffffffd, 1}, {0xfffffffe, 2}, {0xffffffff, 3},
	} {
		var id [32]byte
		binary.BigEndian.PutUint32(id[:], c.in)
		if got := contentID(id); got != c.want {
			t.Errorf("of %#x: %#x, not %#x", c.in, got, c.want)
		}
	}
}
