package vdi

import (
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
)

// TestSize walks the sizes around every boundary: sectors, blocks, the map's first
// MiB.
func TestSize(t *testing.T) {
	for _, at := range []int64{0, sector, block, 2 * block, 262016 * block, 1 << 40} {
		for _, d := range []int64{-sector - 1, -1, 0, 1, sector} {
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
			n := (size + 1<<20 - 1) >> 20
			front := (512 + 4*n + 1<<20 - 1) >> 20 << 20
			for m, want := range map[*blockmap.Map]int64{dense: front + n<<20, empty: front} {
				outs, err := Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if got := outs[0].Layout.Size(); got != want {
					t.Errorf("a disk of %d bytes, %d blocks carried: %d bytes, the formula says %d", size, m.Count(), got, want)
				}
			}
		}
	}
}
