package vhd

import (
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
)

// TestSize walks the sizes around every boundary: blocks, the sectors of the
// table, the limit.
func TestSize(t *testing.T) {
	last := int64(0)
	for _, at := range []int64{0, sector, 64 << 10, block, 2 * block, 128 * block, 129 * block, 512 << 20, 127 << 30, 1 << 40, maxDisk} {
		for _, d := range []int64{-64<<10 - sector, -sector, -1, 0, 1, sector, 64<<10 + sector} {
			size := at + d
			if size <= 0 || size > maxDisk {
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
				outs, err := Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{})
				if err != nil {
					t.Fatal(err)
				}
				n := (size + block - 1) / block
				data := n
				if name == "empty" {
					data = 0
				}
				// rup(1536+4n,512)+A*(bm+bs)+512
				want := (1536+4*n+511)/512*512 + data*(512+2<<20) + 512
				if got := outs[0].Layout.Size(); got != want {
					t.Errorf("%s disk of %d: the layout has %d bytes, the formula says %d", name, size, got, want)
				}
				if v := outs[0].VirtualSize; v < size || v >= size+512 || v%512 != 0 {
					t.Errorf("disk of %d: virtual size %d", size, v)
				}
				if name == "dense" {
					if want < last && d > 0 {
						t.Errorf("a disk of %d gives a smaller file", size)
					}
					last = want
				}
			}
		}
	}
	if end := newGeometry(maxDisk, maxDisk/block).size() / sector; end >= unused {
		t.Errorf("the largest file has %d sectors, more than the table can point to", end)
	}
}
