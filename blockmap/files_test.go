package blockmap

import (
	"slices"
	"testing"
)

func TestFiles(t *testing.T) {
	m, err := FromRanges(1<<20, 64<<10, slices.Values([]Range{{0, 40960}, {131072, 65536}}))
	if err != nil {
		t.Fatal(err)
	}
	var f Files
	f.add(FileExtent{Range{135168, 8192}, "1", FileID{Inode: 12}, 0})
	mark := f.mark()
	f.add(FileExtent{Range{0, 65536}, "1", FileID{Inode: 13}, 0})
	f.forget(mark)
	f.add(FileExtent{Range{4096, 4096}, "2", FileID{Inode: 12}, 8192})
	f.add(FileExtent{Range{4096, 8192}, "2", FileID{Inode: 14}, 0}) // shared with the one before
	f.add(FileExtent{Range{20480, 1000}, "2", FileID{Inode: 15}, 0})
	f.add(FileExtent{Range{30720, 0}, "2", FileID{Inode: 16}, 0})
	f.index()

	var in []FileExtent
	for x := range f.In(5000, 131072) {
		in = append(in, x)
	}
	if want := []FileExtent{
		{Range{5000, 3192}, "2", FileID{Inode: 12}, 9096},
		{Range{5000, 7288}, "2", FileID{Inode: 14}, 904},
		{Range{20480, 1000}, "2", FileID{Inode: 15}, 0},
		{Range{135168, 904}, "1", FileID{Inode: 12}, 0},
	}; !slices.Equal(in, want) {
		t.Errorf("In:\n%v, want\n%v", in, want)
	}
	// The file of 1000 bytes leaves the second sector's rest to be pinned, and so
	// the sector.
	pinned := slices.Collect(f.Pinned(m, 0, m.Size()))
	if want := []Range{{0, 4096}, {12288, 8192}, {20992, 19968}, {131072, 4096}, {143360, 53248}}; !slices.Equal(pinned, want) {
		t.Errorf("Pinned: %v, want %v", pinned, want)
	}
}
