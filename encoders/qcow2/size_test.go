package qcow2

import (
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
)

// TestSize walks the sizes around every boundary, with everything and with
// nothing carried, and asks the arithmetic for what the spec wants of it.
func TestSize(t *testing.T) {
	for _, cs := range []int64{4 << 10, 64 << 10, 1 << 20, 2 << 20} {
		l2Range := cs * cs / 8
		var sizes []int64
		for _, at := range []int64{0, cs, 2 * cs, l2Range, 2 * l2Range, cs / 8 * l2Range, cs / 2 * cs, 512 << 20, 2 << 40} {
			for _, d := range []int64{-cs - 512, -cs, -512, -1, 0, 1, 512, cs, cs + 512} {
				if s := at + d; s >= 0 && s <= 4<<40 {
					sizes = append(sizes, s)
				}
			}
		}
		slices.Sort(sizes)
		for _, size := range slices.Compact(sizes) {
			clusters, ranges := ceil(size, cs), ceil(size, l2Range)
			last := int64(0)
			for _, data := range []int64{0, 1, max(1, clusters/2), clusters} {
				data = min(data, clusters)
				g, err := newGeometry(size, cs, min(data, ranges), data)
				if err != nil {
					t.Fatal(err)
				}
				used := g.size() / cs
				perBlock, perTable := cs/2, cs/8
				switch {
				case g.virtual < size || g.virtual >= size+512 || g.virtual%512 != 0:
					t.Errorf("%d/%d: virtual size %d", size, cs, g.virtual)
				case g.l1*perTable < g.entries || g.entries*l2Range < size || g.entries > 1 && (g.entries-1)*l2Range >= size:
					t.Errorf("%d/%d: %d L1 entries in %d clusters", size, cs, g.entries, g.l1)
				case g.refBlocks*perBlock < used || g.refTable*perTable < g.refBlocks:
					t.Errorf("%d/%d: %d clusters, %d refcount blocks, %d of the table", size, cs, used, g.refBlocks, g.refTable)
				case (g.refBlocks-1)*perBlock >= used-1 || (g.refTable-1)*perTable >= g.refBlocks-1+perTable:
					t.Errorf("%d/%d: %d clusters, too many refcount blocks: %d, %d of the table", size, cs, used, g.refBlocks, g.refTable)
				case g.size() < last:
					t.Errorf("%d/%d: more data makes a smaller file", size, cs)
				}
				last = g.size()
			}
		}
	}
}

// TestPlannedSize asks whether the layouts are as long as the arithmetic says.
func TestPlannedSize(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 512, 64<<10 - 512, 64 << 10, 64<<10 + 512, 512<<20 - 512, 512 << 20, 512<<20 + 512, 1 << 30, 2<<40 - 512, 16 << 40} {
		for _, cs := range []int64{64 << 10, 2 << 20} {
			dense, err := blockmap.NewMap(size, 64<<10)
			if err != nil {
				t.Fatal(err)
			}
			empty, err := blockmap.FromRanges(size, 64<<10, slices.Values([]blockmap.Range{}))
			if err != nil {
				t.Fatal(err)
			}
			for name, m := range map[string]*blockmap.Map{"dense": dense, "empty": empty} {
				outs, err := Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{ClusterSize: cs})
				if err != nil {
					t.Fatal(err)
				}
				data, l2 := ceil(size, cs), ceil(size, cs*cs/8)
				if name == "empty" {
					data, l2 = 0, 0
				}
				g, err := newGeometry(size, cs, l2, data)
				if err != nil {
					t.Fatal(err)
				}
				if got := outs[0].Layout.Size(); got != g.size() {
					t.Errorf("%s disk of %d, clusters of %d: the layout has %d bytes, the arithmetic says %d", name, size, cs, got, g.size())
				}
				if got := outs[0].Layout.Size(); got%cs != 0 {
					t.Errorf("%s disk of %d: a file of %d bytes is not whole clusters", name, size, got)
				}
			}
		}
	}
}
