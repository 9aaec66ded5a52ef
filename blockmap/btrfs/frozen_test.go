package btrfs

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
)

func volume(img []byte) blockmap.Volume {
	return blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)
}

func file(tree, inode uint64) blockmap.FileID { return blockmap.FileID{Inode: inode, Tree: tree} }

// TestData says what of a frozen volume is whose.
func TestData(t *testing.T) {
	at := func(block, n int64, id blockmap.FileID, from int64) datum {
		return datum{blockmap.Range{Off: dataAt + block*unit, Len: n * unit}, id, from}
	}
	first := []datum{at(10, 4, file(5, 258), 0), at(10, 4, file(256, 259), -unit)}
	second := at(14, 2, file(5, 258), 4*unit)
	last := at(dataLen/unit-8, 8, blockmap.FileID{}, 0)
	all := append(slices.Clone(first), second, last)
	for _, c := range []struct {
		name string
		edit func(s *synth)
		want []datum
	}{
		{"plain", func(*synth) {}, all},
		{"block groups in their tree", func(s *synth) {
			s.withGroups()
			s.groups[1] = groupEntry(metaChunk, metaLen, 8*unit, groupMetadata)
		}, all},
		{"log", func(s *synth) { s.withLog() }, all},
		{"space cache", func(s *synth) {
			s.extents2[1] = referred(dataChunk+10*unit, 4*unit, 1, inlineRef(dataRef, rootTree, 258, 0, uint32(1)))
		}, all[2:]},
		{"relocated data", func(s *synth) {
			s.extents2[1] = referred(dataChunk+10*unit, 4*unit, 1, inlineRef(dataRef, uint64(1<<64-9), 258, 0, uint32(1)))
		}, all[2:]},
		{"old cache of inode numbers", func(s *synth) {
			s.extents2[1] = referred(dataChunk+10*unit, 4*unit, 1, inlineRef(dataRef, fsTree, uint64(1<<64-12), 0, uint32(1)))
		}, all[2:]},
		{"a file's and the space cache's", func(s *synth) { copy(s.extents2[3].data, put(rootTree)) }, []datum{first[0], first[1], last}},
		{"a reference is missing", func(s *synth) { s.extents2 = slices.Delete(s.extents2, 4, 5) }, []datum{first[0], first[1], last}},
		{"a reference too many", func(s *synth) { s.extents2[1].data[0]-- }, all[2:]},
		{"a reference of an unknown kind", func(s *synth) { s.extents2[1].data[extentItemSize] = 99 }, all[2:]},
		{"a reference that is cut off", func(s *synth) { s.extents2[1].data = s.extents2[1].data[:60] }, all[2:]},
		{"an item of a wrong length", func(s *synth) { s.extents2[4].data = put(1) }, []datum{first[0], first[1], last}},
		{"two copies", func(s *synth) {
			s.chunks[3].data = chunkBytes(64*unit, groupData|groupDup, dataAt, dataAt+64*unit)
			s.chunks = append(s.chunks, entry{key{chunkObject, chunkItem, dataChunk + 64*unit}, chunkBytes(64*unit, groupData, dataAt+128*unit)})
			s.extents2[0] = groupEntry(dataChunk, 64*unit, 6*unit, groupData|groupDup)
			s.extents2 = slices.Insert(s.extents2, 5, groupEntry(dataChunk+64*unit, 64*unit, 8*unit, groupData))
			s.device[3] = deviceExtentEntry(dataAt, 64*unit, dataChunk)
			s.device = append(s.device, deviceExtentEntry(dataAt+64*unit, 64*unit, dataChunk), deviceExtentEntry(dataAt+128*unit, 64*unit, dataChunk+64*unit))
			allocated := deviceBytes(id(0xd1), s.metaID, s.total)
			copy(allocated[16:], put(2*sysLen+metaLen+192*unit))
			s.chunks[0].data = allocated
		}, []datum{
			at(10, 4, file(5, 258), 0), at(10, 4, file(256, 259), -unit), at(74, 4, file(5, 258), 0), at(74, 4, file(256, 259), -unit),
			at(14, 2, file(5, 258), 4*unit), at(78, 2, file(5, 258), 4*unit), at(184, 8, blockmap.FileID{}, 0),
		}},
		{"two columns", func(s *synth) {
			s.chunks[3].data = chunkBytes(dataLen, groupData|groupRAID0, dataAt, dataAt+dataLen/2)
			s.extents2[0] = groupEntry(dataChunk, dataLen, 14*unit, groupData|groupRAID0)
			s.device[3] = deviceExtentEntry(dataAt, dataLen/2, dataChunk)
			s.device = append(s.device, deviceExtentEntry(dataAt+dataLen/2, dataLen/2, dataChunk))
		}, []datum{
			at(10, 4, file(5, 258), 0),
			at(14, 2, file(5, 258), 4*unit),
			at(64+56, 8, blockmap.FileID{}, 0),
		}},
		{"two columns, and an extent in both", func(s *synth) {
			s.chunks[3].data = chunkBytes(dataLen, groupData|groupRAID0, dataAt, dataAt+dataLen/2)
			s.extents2 = []entry{
				groupEntry(dataChunk, dataLen, 14*unit, groupData|groupRAID0),
				referred(dataChunk+10*unit, 14*unit, 1, inlineRef(dataRef, fsTree, 258, unit, uint32(1))),
			}
			s.device[3] = deviceExtentEntry(dataAt, dataLen/2, dataChunk)
			s.device = append(s.device, deviceExtentEntry(dataAt+dataLen/2, dataLen/2, dataChunk))
		}, []datum{at(10, 6, file(5, 258), unit), at(64, 8, file(5, 258), 7*unit)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth().withFiles()
			c.edit(s)
			img := s.build()
			l := lister{frozen: true}
			r, err := Scanner{}.WhenFrozen().Scan(t.Context(), volume(img), &l)
			if err != nil || r.Whole != "" {
				t.Fatalf("%+v, %v", r, err)
			}
			if !slices.Equal(l.data, c.want) {
				t.Errorf("data\n%v\nmust be\n%v", l.data, c.want)
			}
			var still lister
			if _, err := (Scanner{Still: true}).Scan(t.Context(), volume(img), &still); err != nil || !slices.Equal(l.free, still.free) {
				t.Errorf("frees %v, of a still volume %v, %v", l.free, still.free, err)
			}
		})
	}
}

// TestOwners bounds how many files an extent is said to be of.
func TestOwners(t *testing.T) {
	l := lister{frozen: true}
	o := &owners{sink: &l}
	if err := o.extent(&chunk{columns: 1, stripes: []stripe{{off: 0}}}, 10*unit, unit, put(400, 0, extentIsData)); err != nil {
		t.Fatal(err)
	}
	for i := range 400 {
		o.item(key{10 * unit, dataRef, uint64(i)}, put(fsTree, 1000+i, 0, uint32(1)))
	}
	if err := o.flush(); err != nil || len(l.data) != maxOwners {
		t.Errorf("%d files, %v", len(l.data), err)
	}
}

func TestPaths(t *testing.T) {
	img := newSynth().withFiles().build()
	want := map[blockmap.FileID]string{file(5, 257): "/home", file(5, 258): "/home/file", file(256, 259): "/home/sub/linked"}
	ask := []blockmap.FileID{{}, file(5, 260), file(5, 261), file(5, 262), file(5, 999), file(300, 257), file(400, 257), file(rootTree, 258), file(256, 259), file(256, 259)}
	got, err := Scanner{}.Paths(t.Context(), volume(img), append(ask, slices.Collect(maps.Keys(want))...))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; must be %v", got, err, want)
	}
	// What is damaged hides no other name.
	img[place(subRoot)+200] ^= 1
	delete(want, file(256, 259))
	got, err = Scanner{}.Paths(t.Context(), volume(img), append(ask, slices.Collect(maps.Keys(want))...))
	if err == nil || !strings.Contains(err.Error(), "wrong checksum") || !maps.Equal(got, want) {
		t.Errorf("%v, %v; must be %v and an error", got, err, want)
	}
	if _, err := (Scanner{}).Paths(t.Context(), volume(make([]byte, 1<<20)), ask); !errors.Is(err, blockmap.ErrNotMine) {
		t.Error(err)
	}
}

func FuzzFrozen(f *testing.F) {
	s := newSynth().withFiles().withGroups().withLog()
	s.groups[1] = groupEntry(metaChunk, metaLen, 8*unit, groupMetadata)
	img := s.build()
	f.Add([]byte{}, true)
	f.Add([]byte{5, 0xf0, 0xf, 3, 5, 0xf8, 0xf, 0xff}, true) // a reference
	f.Add([]byte{9, 0x80, 0xf, 9, 9, 0xc0, 0xf, 1}, true)    // a name
	f.Add([]byte{2, 101 + 17, 0, 1}, true)                   // a root
	f.Fuzz(func(t *testing.T, edits []byte, fix bool) {
		img := edited(s, img, edits, fix)
		l := lister{frozen: true}
		if _, err := (Scanner{Frozen: true}).Scan(t.Context(), volume(img), &l); err == nil && len(l.data) > 1<<10 {
			t.Fatalf("%d data ranges", len(l.data))
		}
		for _, d := range l.data {
			if d.Off < reserved || d.Len <= 0 || d.Len > synthSize-d.Off {
				t.Fatalf("data at %v", d)
			}
		}
		_, _ = Scanner{}.Paths(t.Context(), volume(img), []blockmap.FileID{file(5, 258), file(256, 259), file(5, 261), file(300, 256)})
	})
}
