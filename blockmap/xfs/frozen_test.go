package xfs

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
)

// namer is a Sink that lists what is data, as lines.
type namer struct {
	lister
	data []string
}

func (n *namer) Data(off, size int64, file blockmap.FileID, at int64) error {
	n.data = append(n.data, fmt.Sprintf("%d: %d at %d, +%d", file.Inode, at, off, size))
	return nil
}

// frozen scans s as a frozen filesystem.
func frozen(s *synth) (blockmap.Report, *namer, string) {
	var n namer
	r, err := Scanner{}.WhenFrozen().Scan(context.Background(), s.volume(), &n)
	if err != nil {
		return r, &n, err.Error()
	}
	return r, &n, r.Whole
}

// wantData is what a synth with files has, without the files given.
func wantData(s *synth, without ...int64) (lines []string) {
	for _, x := range []struct{ i, at, block, n int64 }{
		{1, 0, synthData, 3}, {1, 5, synthData + 10, 2},
		{3, 0, synthData + 20, 2}, {3, 4, synthData + 40, 3}, {3, 20, synthData + 30, 2}, {3, 24, synthData + 50, 3},
	} {
		if !slices.Contains(without, x.i) {
			lines = append(lines, fmt.Sprintf("%d: %d at %d, +%d", s.ino(x.i), x.at*s.blockSize, x.block*s.blockSize, x.n*s.blockSize))
		}
	}
	return lines
}

func filled() []*synth { return []*synth{deep().withFiles(), flat().withFiles(), old().withFiles()} }

func TestFrozen(t *testing.T) {
	for i, s := range filled() {
		r, n, why := frozen(s)
		if why != "" || len(r.Warnings) > 0 {
			t.Fatalf("%d: %s %q", i, why, r.Warnings)
		}
		if !slices.Equal(n.free, s.free) {
			t.Errorf("%d: another map", i)
		}
		if want := wantData(s); !slices.Equal(n.data, want) {
			t.Errorf("%d: data\n%s\nmust be\n%s", i, strings.Join(n.data, "\n"), strings.Join(want, "\n"))
		}
	}
}

// What a freeze leaves is no reason to carry all: a log that is not that of an
// unmounted filesystem, and a count of free blocks from which the kernel has
// taken away.
func TestFrozenMarks(t *testing.T) {
	s := deep().withFiles()
	put32(s.logAt(40), 0, 9)
	b := s.block(0)
	count := binary.BigEndian.Uint64(b[144:])
	for free, good := range map[uint64]bool{count: true, count - 200: true, 0: true, count + 1: false, 1 << 63: false} {
		put64(b, 144, free)
		s.seal()
		if _, _, why := frozen(s); (why == "") != good {
			t.Errorf("%d free blocks of %d: %q", free, count, why)
		}
	}
	put64(b, 144, count)
	put32(s.agf(1), 52, get32(s.agf(1), 52)-1)
	s.seal()
	if _, n, why := frozen(s); !strings.Contains(why, "the bnobt has") || len(n.data) == 0 {
		t.Errorf("%q, %d extents: what follows is to be read all the same", why, len(n.data))
	}
	v4 := old().withFiles()
	put32(v4.block(0), 200, get32(v4.block(0), 200)&^features2LazyCount)
	put64(v4.block(0), 144, 10)
	if _, _, why := frozen(v4); !strings.Contains(why, "counts") {
		t.Errorf("without lazy counters: %q", why)
	}
}

// Of a damaged inode nothing is named, and it is no error.
func TestDamagedInodes(t *testing.T) {
	for _, s := range filled() {
		core := s.core()
		root := core + 4 + (int(s.inodeSize())-core-4)/16*8 // pointers
		header := bmbtHeaderV4
		if !s.v4 {
			header = bmbtHeaderV5
		}
		at := func(i int64, off int, v uint32) func(*synth) {
			return func(s *synth) { put32(s.inodeBytes(i), off, v) }
		}
		leaf := func(i int64, off int, v uint32) func(*synth) {
			return func(s *synth) { put32(s.block(synthLeaves+i), off, v) }
		}
		first := func(block, n int64) func(*synth) { // of the extents of inode 1
			return func(s *synth) { put64(s.inodeBytes(1), core+8, uint64(block)<<21|uint64(n)) }
		}
		for _, c := range []struct {
			name string
			file int64
			do   func(*synth)
			why  string
			v5   bool
		}{
			{"magic", 1, at(1, 0, 0x20081a4), "no magic", false},
			{"version", 1, func(s *synth) { s.inodeBytes(1)[4] ^= 1; s.inodeBytes(1)[4] += 4 }, "no magic", false},
			{"number", 1, at(1, 156, 77), "it is inode 77", true},
			{"UUID", 1, at(1, 160, 77), "another filesystem", true},
			{"the filesystem's own", 1, at(1, 124, flag2Meta), "own", true},
			{"number of extents with NREXT64", 1, at(1, 124, flag2NRExt64), "", true},
			{"attributes' fork", 1, at(1, 80, 255<<8), "attributes", false},
			{"attributes in the data", 1, at(1, 80, 3<<8), "number of extents", false},
			{"realtime", 1, at(1, 90, 1<<16), "realtime", false},
			{"size", 1, at(1, 56, 1<<31), "size", false},
			{"format", 1, func(s *synth) { s.inodeBytes(1)[5] = 4 }, "format 4", false},
			{"extents", 1, at(1, 76, 1000), "number of extents", false},
			{"blocks", 1, at(1, 68, 4), "extents of 5 blocks", false},
			{"length", 1, first(synthData, 0), "extent of 0 blocks", false},
			{"in the headers", 1, first(0, 3), "extent of 3 blocks at block 0x0", false},
			{"behind the group", 1, first(s.perGroup-1, 3), "extent", false},
			{"in no group", 1, at(1, core+8, 1<<31), "extent", false},
			{"in the log", 1, first(s.logStart()-2, 3), "extent", false},
			{"out of order", 1, at(1, core+20, 0), "extent", false},
			{"overlap", 1, at(1, core+20, 2<<9), "extent", false},
			{"2^63 bytes", 1, at(1, core, 1<<31-1), "extent", false},
			{"in the inodes", 1, first(30, 3), "filesystem's own", false},
			{"in a tree", 1, first(synthInobt-1, 2), "filesystem's own", false},
			{"in the AGFL", 1, first(s.headerBlocks()+3, 1), "filesystem's own", false},
			{"a tree without levels", 3, at(3, core, 2), "0 levels", false},
			{"of 99 levels", 3, at(3, core, 99<<16|2), "99 levels", false},
			{"of two levels", 3, at(3, core, 2<<16|2), "level 0, must be of 1", false},
			{"without blocks", 3, at(3, core, 1<<16), "0 blocks", false},
			{"of many blocks", 3, at(3, core, 1<<16|99), "99 blocks", false},
			{"keys", 3, at(3, core+16, 0), "not in order", false},
			{"pointer", 3, at(3, root, 1), "pointer", false},
			{"a block twice", 3, func(s *synth) { put32(s.inodeBytes(3), root+12, synthLeaves) }, "two places", false},
			{"extents of a tree", 3, at(3, 76, 5), "4 extents, but it says 5", false},
			{"blocks of a tree", 3, at(3, 68, 11), "extents of 12 blocks", false},
			{"tree larger than all", 3, at(3, 68, 1), "more than the 1 blocks", false},
			{"leaf's magic", 3, leaf(1, 0, 0), "magic", false},
			{"leaf's level", 3, leaf(1, 4, 1<<16|2), "level 1", false},
			{"leaf's records", 3, leaf(1, 4, 0), "records 0", false},
			{"leaf of too many", 3, leaf(1, 4, 0xfff0), "records", false},
			{"leaf's sibling", 3, leaf(1, 12, 5), "siblings", false},
			{"leaf's owner", 3, leaf(1, 60, 5), "that of inode 5", true},
			{"leaf's place", 3, leaf(1, 28, 5), "at sector 5", true},
			{"leaf's key", 3, func(s *synth) { put32(s.block(synthLeaves+1), header+4, 21<<9) }, "begins at", false},
			{"leaf's extent", 3, leaf(0, header+12, 0), "extent of 0", false},
			{"tree's data in a group's tree", 3, leaf(0, header+12, synthInobt<<21|2), "filesystem's own", false},
		} {
			if c.v5 && s.v4 {
				continue
			}
			t.Run(fmt.Sprintf("v4=%v,%d/%s", s.v4, s.blockSize, c.name), func(t *testing.T) {
				s := s.clone()
				c.do(s)
				s.seal()
				r, n, why := frozen(s)
				if why != "" || !slices.Equal(n.free, s.free) {
					t.Fatalf("%s: another map", why)
				}
				want := wantData(s, c.file)
				if !slices.Equal(n.data, want) {
					t.Errorf("data\n%s\nmust be\n%s", strings.Join(n.data, "\n"), strings.Join(want, "\n"))
				}
				if c.why == "" {
					return
				}
				if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], c.why) || !strings.Contains(r.Warnings[0], fmt.Sprintf("one is %d:", s.ino(c.file))) {
					t.Errorf("%q, must have %q", r.Warnings, c.why)
				}
			})
		}
	}
}

// Of a group whose tree of inodes is damaged nothing is named.
func TestDamagedInobt(t *testing.T) {
	agi := func(off int, v uint32) func(*synth) { return func(s *synth) { put32(s.agi(0), off, v) } }
	rec := func(off int, v uint32) func(*synth) {
		return func(s *synth) { put32(s.block(synthInobt), s.header()+off, v) }
	}
	for _, s := range filled() {
		for name, c := range map[string]struct {
			do  func(*synth)
			why string
		}{
			"magic":    {agi(0, 0), "magic"},
			"number":   {agi(8, 1), "that of AG 1"},
			"length":   {agi(12, 7), "7 blocks"},
			"count":    {agi(16, 128), "64 inodes"},
			"free":     {agi(28, 1), "56 of them free"},
			"levels":   {agi(24, 0), "0 levels"},
			"2 levels": {agi(24, 2), "level 0, must be of 1"},
			"root":     {agi(20, 1<<31), "impossible tree"},
			"bnobt":    {func(s *synth) { put32(s.agi(0), 20, uint32(s.tree[0][0])) }, "two uses"},
			"leaf":     {func(s *synth) { put32(s.block(synthInobt), 0, 0) }, "magic"},
			"first":    {rec(0, 0), "inodes 0 to 63"},
			"last":     {rec(0, 1<<31), "impossible inodes"},
			"mask":     {rec(8, 0), "impossible record"},
		} {
			t.Run(fmt.Sprintf("v4=%v,%d/%s", s.v4, s.blockSize, name), func(t *testing.T) {
				s := s.clone()
				c.do(s)
				s.seal()
				r, n, why := frozen(s)
				if why != "" || len(n.data) > 0 || !slices.Equal(n.free, s.free) {
					t.Fatalf("%s %q", why, n.data)
				}
				if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], c.why) || !strings.Contains(r.Warnings[0], "AG 0") {
					t.Errorf("%q, must have %q", r.Warnings, c.why)
				}
			})
		}
	}
}

// Inodes that are not there, as the mask of a sparse chunk says, are not read.
func TestSparse(t *testing.T) {
	s := flat().withFiles()
	r := s.block(synthInobt)[headerV5:]
	put32(r, 4, 0xfffe<<16|4<<8) // the first four are
	put32(s.agi(0), 16, 4)
	put32(s.agi(0), 28, 0)
	put64(s.inodeBytes(20), 0, 0x494e81a403020000) // another file's data, that looks like an inode
	s.seal()
	if r, n, why := frozen(s); why != "" || len(r.Warnings) > 0 || !slices.Equal(n.data, wantData(s)) {
		t.Errorf("%s %q %q", why, r.Warnings, n.data)
	}
	put32(r, 4, 0xfffe<<16|4<<8|1)
	s.seal()
	if r, n, _ := frozen(s); len(r.Warnings) != 1 || len(n.data) > 0 {
		t.Errorf("%q %q", r.Warnings, n.data)
	}
}

// An inode that cannot be read is not named.
func TestBadInodes(t *testing.T) {
	s := deep().withFiles()
	v := blockmap.Bytes(&badSector{s, synthChunk*4096 + 512}, s.size(), 512)
	var n namer
	r, err := Scanner{Frozen: true}.Scan(context.Background(), v, &n)
	if err != nil || len(n.data) > 0 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], errBad.Error()) {
		t.Errorf("%v %q %q", err, r.Warnings, n.data)
	}
}

func TestInodeLayout(t *testing.T) {
	for name, do := range map[string]func(b []byte){
		"size":            func(b []byte) { put16(b, 104, 500) },
		"small":           func(b []byte) { put16(b, 104, 128) },
		"logarithm":       func(b []byte) { b[122]++ },
		"in a block":      func(b []byte) { put16(b, 106, 7) },
		"in a block, log": func(b []byte) { b[123]++ },
		"directories":     func(b []byte) { b[192] = 200 },
	} {
		s := deep().withFiles()
		do(s.block(0))
		s.seal()
		if _, n, why := frozen(s); !strings.Contains(why, "impossible") || len(n.free) > 0 {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, s := range filled() {
		var ids []blockmap.FileID
		for i := range int64(10) {
			ids = append(ids, blockmap.FileID{Inode: uint64(s.ino(i))})
		}
		ids = append(ids, blockmap.FileID{Inode: 1 << 60}, blockmap.FileID{Inode: uint64(s.ino(1)), Tree: 1})
		names, err := Scanner{}.Paths(context.Background(), s.volume(), ids)
		if err != nil {
			t.Fatal(err)
		}
		want := map[blockmap.FileID]string{ids[1]: "/two", ids[3]: "/dir/tree", ids[4]: "/dir/link", ids[5]: "/dir/empty", ids[6]: "/dir/quota"}
		if !maps.Equal(names, want) {
			t.Errorf("%v\nmust be %v", names, want)
		}
		put32(s.block(synthDir), 0, 0)
		s.seal()
		names, err = Scanner{}.Paths(context.Background(), s.volume(), ids)
		if err == nil || len(names) != 1 {
			t.Errorf("a damaged directory: %v, %v", names, err)
		}
	}
	if _, err := (Scanner{}).Paths(context.Background(), deep().volume(), []blockmap.FileID{{Inode: 5}}); err == nil {
		t.Error("no inodes, and no error")
	}
}
