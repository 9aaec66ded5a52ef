package vhdx

import (
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
)

// TestSize walks the sizes around every boundary: sectors, blocks, chunks of the table, the
// doubling of the block.
func TestSize(t *testing.T) {
	for _, at := range []int64{0, 512, 2 << 20, 4 << 20, 4 << 30, 8 << 30, 127 << 30, 2 << 40, 4 << 40} {
		for _, d := range []int64{-513, -1, 0, 1, 512} {
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
			// MS-VHDX, 2.5: a chunk is 2^23 sectors; its bitmap has an entry of its own.
			block := int64(2 << 20)
			for (size+block-1)/block > 1<<20 && block < 32<<20 {
				block *= 2
			}
			n := (size + block - 1) / block
			entries := n + (n-1)/(1<<23*512/block)
			front := 3<<20 + (8*entries+1<<20-1)>>20<<20
			for m, want := range map[*blockmap.Map]int64{dense: front + n*block, empty: front} {
				outs, err := Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if got := outs[0].Layout.Size(); got != want {
					t.Errorf("a disk of %d bytes, %d clusters carried: %d bytes, the formula says %d", size, m.Count(), got, want)
				}
			}
		}
	}
}
