package btrfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// free is the complement, within the synthetic filesystem, of used ranges, in
// blocks from a place on the device.
func free(used ...[2]int64) (out []blockmap.Range) {
	at := int64(reserved)
	for _, u := range used {
		if u[0] > at {
			out = append(out, blockmap.Range{Off: at, Len: u[0] - at})
		}
		at = u[1]
	}
	return append(out, blockmap.Range{Off: at, Len: synthTotal - at})
}

// blocks is n blocks from the i-th of a place on.
func blocks(at, i, n int64) [2]int64 { return [2]int64{at + i*unit, at + (i+n)*unit} }

func TestScan(t *testing.T) {
	plain := free(blocks(sysOne, 0, 1), blocks(sysTwo, 0, 1), blocks(metaAt, 0, 5),
		blocks(dataAt, 10, 6), blocks(dataAt, dataLen/unit-8, 8))
	grouped := free(blocks(sysOne, 0, 1), blocks(sysTwo, 0, 1), blocks(metaAt, 0, 6),
		blocks(dataAt, 10, 6), blocks(dataAt, dataLen/unit-8, 8))
	logged := free(blocks(sysOne, 0, 1), blocks(sysTwo, 0, 1), blocks(metaAt, 0, 5), blocks(metaAt, 20, 2),
		blocks(dataAt, 10, 6), blocks(dataAt, 64, 3), blocks(dataAt, dataLen/unit-8, 8))
	for _, c := range []struct {
		name string
		edit func(s *synth)
		want []blockmap.Range
		warn string
	}{
		{"plain", func(*synth) {}, plain, ""},
		{"xxhash64", func(s *synth) { s.csum = csumXXHash }, plain, ""},
		{"sha256", func(s *synth) { s.csum = csumSHA256 }, plain, ""},
		{"blake2b", func(s *synth) { s.csum = csumBlake2b }, plain, ""},
		{"block group tree", func(s *synth) { s.withGroups() }, grouped, ""},
		{"log tree", func(s *synth) { s.withLog() }, logged, "fsynced"},
		{"metadata UUID", func(s *synth) { s.incomp |= incompatMetadataUUID; s.metaID = id(0x77) }, plain, ""},
		{"tree blocks by their length", func(s *synth) {
			for i, e := range s.extents1 {
				if e.key.kind == metadataItem {
					s.extents1[i].key = key{e.key.id, extentItem, unit}
				}
			}
		}, plain, ""},
		{"who uses an extent", func(s *synth) {
			s.extents2 = slices.Insert(s.extents2, 2, entry{key{dataChunk + 10*unit, dataRef, 5}, make([]byte, 28)})
		}, plain, ""},
		{"first copy of the chunk tree is damaged", func(s *synth) {
			s.image = func(img []byte, at func(int64) int64) { img[at(chunkRoot)+3000] ^= 1 }
		}, plain, "btrfs scrub"},
		{"a compatible feature", func(s *synth) { s.super = func(b []byte) { b[0xac] = 0x80 } }, plain, ""},
		{"parity", func(s *synth) {
			s.chunks[3].data = chunkBytes(dataLen, groupData|groupRAID5, dataAt, 0)
			le.PutUint64(s.chunks[3].data[chunkSize+stripeSize:], 2) // on another device
			s.chunks = slices.Insert(s.chunks, 1, entry{key{devicesObject, deviceItem, 2}, deviceBytes(id(0xd2), s.metaID, 1<<40)})
			le.PutUint64(s.chunks[1].data, 2)
			s.devices = 2
			s.extents2[0] = groupEntry(dataChunk, dataLen, 14*unit, groupData|groupRAID5)
		}, free(blocks(sysOne, 0, 1), blocks(sysTwo, 0, 1), blocks(metaAt, 0, 5), blocks(dataAt, 0, dataLen/unit)),
			"they are 1 (d1d1d1d1-d1d1-d1d1-d1d1-d1d1d1d1d1d1), which is this one, 2 (d2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth()
			c.edit(s)
			img := s.build()
			r, got, err := scanned(t, Scanner{Still: true}, img)
			if err != nil || r.Whole != "" {
				t.Fatalf("%+v, %v", r, err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("free\n%v\nmust be\n%v", got, c.want)
			}
			if warned := strings.Join(r.Warnings, "; "); !strings.Contains(warned, c.warn) || c.warn == "" && warned != "" {
				t.Errorf("warnings %q", r.Warnings)
			}
			if r.UUID != "f5f5f5f5-f5f5-f5f5-f5f5-f5f5f5f5f5f5" || r.Label != "my label" || r.BlockSize != unit {
				t.Errorf("%+v", r)
			}
			if r, _, _ := scanned(t, Scanner{}, img); !strings.Contains(r.Whole, "unmount it") {
				t.Errorf("not still: %+v", r)
			}
		})
	}
}

func TestWhole(t *testing.T) {
	super := func(off int, v ...byte) func(*synth) {
		return func(s *synth) { s.super = func(b []byte) { copy(b[off:], v) } }
	}
	in := func(logical int64, off int, v ...byte) func(*synth) {
		return func(s *synth) {
			s.block = func(l int64, b []byte) {
				if l == logical {
					copy(b[off:], v)
				}
			}
		}
	}
	chunk := func(i, off int, v ...byte) func(*synth) {
		return func(s *synth) { copy(s.chunks[i].data[off:], v) }
	}
	for _, c := range []struct {
		name string
		edit func(s *synth)
		want string
	}{
		{"checksum type", super(0xc4, 9), "checksum type 9"},
		{"superblock's checksum", func(s *synth) {
			s.image = func(img []byte, _ func(int64) int64) { img[superOffset+0x12b]++ }
		}, "wrong checksum"},
		{"superblock's address", super(0x30, 1), "address"},
		{"zoned", func(s *synth) { s.incomp |= 1 << 12 }, "zoned"},
		{"extent tree v2", func(s *synth) { s.incomp |= 1 << 13 }, "extent-tree-v2"},
		{"stripe tree", func(s *synth) { s.incomp |= 1 << 14 }, "raid-stripe-tree"},
		{"remap tree", func(s *synth) { s.incomp |= 1 << 17 }, "remap-tree"},
		{"unknown incompatible feature", func(s *synth) { s.incomp |= 1 << 40 }, "unknown incompatible"},
		{"unknown read-only compatible feature", func(s *synth) { s.ro |= 1 << 9 }, "unknown read-only"},
		{"seed", func(s *synth) { s.flags |= 1 << 32 }, "seed"},
		{"errors", func(s *synth) { s.flags |= 1 << 2 }, "having errors"},
		{"metadump", func(s *synth) { s.flags |= 1 << 33 }, "metadata dump"},
		{"changing UUID", func(s *synth) { s.flags |= 1 << 36 }, "UUID"},
		{"unknown flag", func(s *synth) { s.flags |= 1 << 60 }, "unknown flags"},
		{"sector size", super(0x91, 0x11), "sectors of"},
		{"node size", super(0x96, 0xff), "nodes of"},
		{"level", super(0xc6, 8), "too high"},
		{"root", super(0x50, 1), "address of a tree"},
		{"array too long", super(0xa1, 0xff), "too long"},
		{"device of another filesystem", super(0xc9+82, 1), "another filesystem"},
		{"target of a replacement", super(0xc9, 0), "replacement"},
		{"longer than the volume", func(s *synth) { s.total = synthSize + unit }, "cut off"},
		{"array and chunk tree differ", func(s *synth) { s.array[keySize+chunkSize+9] ^= 0x10 }, "do not agree"},
		{"no system chunk", func(s *synth) { s.array = nil }, "lies in no chunk"},
		{"array cut", func(s *synth) { s.array = s.array[:40] }, "cut off"},
		{"two devices counted", func(s *synth) { s.devices = 2 }, "counts 2 devices"},
		{"device's size", func(s *synth) { s.chunks[0].data = deviceBytes(id(0xd1), s.metaID, 4096) }, "fix-device-size"},
		{"seeded", func(s *synth) { s.chunks[0].data = deviceBytes(id(0xd1), id(3), synthTotal) }, "seed device"},
		{"device's uuid", func(s *synth) { s.chunks[0].data = deviceBytes(id(0xd4), s.metaID, synthTotal) }, "taken this one's place"},
		{"unknown profile", chunk(3, 25, 0x10), "unknown type"},
		{"two profiles", chunk(3, 24, groupData|groupRAID0|groupDup), "profile is impossible"},
		{"dup with one stripe", chunk(3, 24, groupData|groupDup), "profile is impossible"},
		{"mixed without the feature", chunk(3, 24, groupData|groupMetadata), "type is impossible"},
		{"stripe length", chunk(3, 17, 2), "64 KiB"},
		{"chunk behind the device", chunk(3, chunkSize+8+3, 1), "leaves the device"},
		{"chunk of another device", chunk(3, chunkSize+16, 1), "another device"},
		{"chunk too long", chunk(3, 3, 1), "leaves the device"},
		{"chunks overlap", func(s *synth) {
			s.chunks[3].key.off = metaChunk + metaLen - unit
		}, "overlap"},
		{"chunks overlap on the device", func(s *synth) {
			s.chunks[3].data = chunkBytes(dataLen, groupData, metaAt+unit)
		}, "overlap on the device"},
		{"unknown item in the chunk tree", func(s *synth) { s.chunks[3].key.kind = 229 }, "not known"},
		{"balance", func(s *synth) {
			s.roots = append(s.roots, entry{key{balanceObject, temporaryItem, 0}, make([]byte, 448)})
		}, "balance is running"},
		{"relocation tree", func(s *synth) {
			s.roots = append(s.roots, entry{key{relocTree, rootItem, 5}, make([]byte, 439)})
		}, "balance was interrupted"},
		{"no extent tree", func(s *synth) { s.roots = s.roots[1:] }, "no extent tree"},
		{"two extent trees", func(s *synth) {
			s.roots = slices.Insert(s.roots, 1, entry{key{extentTree, rootItem, 1}, s.roots[0].data})
		}, "more than one"},
		{"block group tree without its feature", func(s *synth) { s.withGroups(); s.ro = 0 }, "without its feature"},
		{"block group in both trees", func(s *synth) {
			s.withGroups()
			s.extents2 = slices.Insert(s.extents2, 0, s.groups[2])
		}, "not in the block group tree"},
		{"replacing", func(s *synth) {
			s.device = slices.Insert(s.device, 0, entry{key{0, deviceReplace, 0}, put(0, 0, 0, 0, replaceStarted)})
		}, "being replaced"},
		{"replacement suspended", func(s *synth) {
			s.device = slices.Insert(s.device, 0, entry{key{0, deviceReplace, 0}, put(0, 0, 0, 0, replaceSuspended)})
		}, "being replaced"},
		{"device extent missing", func(s *synth) { s.device = s.device[:3] }, "lacks chunk"},
		{"device extent elsewhere", func(s *synth) { s.device[3] = deviceExtentEntry(dataAt+unit, dataLen, dataChunk) }, "do not agree"},
		{"fsid of a block", in(rootRoot, 0x20, 1), "another filesystem"},
		{"address of a block", in(extentLeaf1, 0x30, 1), "is block"},
		{"chunk tree uuid of a block", in(extentLeaf1, 0x40, 1), "another chunk tree"},
		{"flags of a block", in(extentLeaf1, 0x38, 0), "has flags"},
		{"generation of a block", in(extentLeaf1, 0x50, 8), "generation 8"},
		{"owner of a block", in(extentLeaf1, 0x58, 5), "belongs to tree 5"},
		{"level of a block", in(extentLeaf1, 0x64, 1), "has level 1"},
		{"number of items", in(extentLeaf1, 0x60, 0xff), "255 items"},
		{"no items", in(extentLeaf1, 0x60, 0), "0 items"},
		{"order of items", in(extentLeaf1, headerSize+itemSize+7, 1), "out of order"},
		{"place of an item", in(extentLeaf1, headerSize+keySize, 1), "impossible place"},
		{"first key of a leaf", in(extentLeaf2, headerSize+9, 1), "out of order"},
		{"pointer of a node", in(extentNode, headerSize+keySize, 1), "impossible pointer"},
		{"pointer's generation", in(extentNode, headerSize+keySize+8, 10), "impossible pointer"},
		{"key across leaves", func(s *synth) { s.extents1 = append(s.extents1, dataExtent(dataChunk+unit*30, unit)) }, "out of order"},
		{"unknown item in the extent tree", func(s *synth) { s.extents2[1].key.kind = 170 }, "not known"},
		{"extents overlap", func(s *synth) { s.extents2[1].key.off += unit }, "overlaps"},
		{"extent in no chunk", func(s *synth) { s.extents2 = append(s.extents2, dataExtent(dataChunk+dataLen, unit)) }, "in no chunk"},
		{"extent leaves its chunk", func(s *synth) { s.extents2[3].key.off += unit }, "leaves its chunk"},
		{"extent of no length", func(s *synth) { s.extents2[3].key.off = 0 }, "damaged"},
		{"extent of odd length", func(s *synth) { s.extents2[3].key.off = 100 }, "damaged"},
		{"extent of the old format", func(s *synth) { s.extents2[3].data = put(uint32(1)) }, "before 2009"},
		{"data in a metadata chunk", func(s *synth) { s.extents1[4] = dataExtent(extentNode, unit) }, "not of its type"},
		{"an extent is missing", func(s *synth) { s.extents2 = slices.Delete(s.extents2, 1, 2) }, "counts 57344"},
		{"superblock's total", func(s *synth) { s.used += unit }, "superblock counts"},
		{"no block group", func(s *synth) { s.extents2 = s.extents2[1:] }, "has no block group"},
		{"block group's type", func(s *synth) { s.extents2[0] = groupEntry(dataChunk, dataLen, 14*unit, groupMetadata) }, "no chunk like it"},
		{"block group's length", func(s *synth) { s.extents2[0].key.off -= unit }, "no chunk like it"},
		{"log of another generation", func(s *synth) {
			s.withLog()
			in(logRoot, 0x50, 9)(s)
		}, "generation 9, must be of 10"},
		{"log tree's extent in no chunk", func(s *synth) { s.withLog(); s.logged[1].data[fileExtentAt+5] = 9 }, "lies in no chunk"},
		{"log tree's extent of no length", func(s *synth) { s.withLog(); copy(s.logged[1].data[fileExtentLen:], put(0)) }, "lies in no chunk"},
		{"log tree's unknown extent", func(s *synth) { s.withLog(); s.logged[1].data[fileExtentType] = 7 }, "damaged"},
		{"log of logs", func(s *synth) { s.withLog(); s.logRoots[0].key.id = 5 }, "not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth()
			c.edit(s)
			r, _, err := scanned(t, Scanner{Still: true}, s.build())
			if err != nil || !strings.Contains(r.Whole, c.want) {
				t.Errorf("whole %q, %v; must say %q", r.Whole, err, c.want)
			}
		})
	}
}

// TestBefore compares the columns of a chunk with a count byte by byte.
func TestBefore(t *testing.T) {
	for columns := int64(1); columns <= 4; columns++ {
		c := chunk{columns: columns}
		counts := make([]int64, columns)
		for x := int64(0); x < 3*columns*stripeLen; x += 1024 {
			for col := range columns {
				if got := c.before(col, x); got != counts[col] {
					t.Fatalf("%d columns: before(%d, %d) = %d, must be %d", columns, col, x, got, counts[col])
				}
			}
			counts[x/stripeLen%columns] += 1024
		}
	}
}

func TestProfile(t *testing.T) {
	for _, c := range []struct {
		kind            uint64
		num, sub        int64
		columns, copies int64
	}{
		{groupData, 1, 1, 1, 1}, {groupData, 2, 1, 0, 0}, {groupDup, 2, 1, 1, 2}, {groupRAID1, 2, 1, 1, 2}, {groupRAID1, 3, 1, 0, 0},
		{groupRAID1C3, 3, 1, 1, 3}, {groupRAID1C4, 4, 1, 1, 4}, {groupRAID0, 1, 1, 1, 1}, {groupRAID0, 5, 1, 5, 1}, {groupRAID0, 0, 1, 0, 1},
		{groupRAID10, 4, 2, 2, 2}, {groupRAID10, 2, 2, 1, 2}, {groupRAID10, 5, 2, 0, 0}, {groupRAID10, 4, 1, 0, 0},
		{groupRAID5, 3, 1, 2, 1}, {groupRAID5, 1, 1, 0, 1}, {groupRAID6, 4, 1, 2, 1}, {groupRAID6, 1, 1, 0, 1}, {groupDup | groupRAID1, 2, 1, 0, 0},
	} {
		if columns, copies := profile(c.kind|groupMetadata, c.num, c.sub); columns != c.columns || copies != c.copies {
			t.Errorf("%#x of %d: %d columns, %d copies", c.kind, c.num, columns, copies)
		}
	}
}

// TestMirrors has a volume that reaches over the third superblock: the free
// space around the copies must not have them.
func TestMirrors(t *testing.T) {
	s := newSynth()
	s.total = 300 << 30
	img := s.build()
	var l lister
	v := blockmap.Bytes(&long{img}, 300<<30, 512)
	r, err := Scanner{Still: true}.Scan(t.Context(), v, &l)
	if err != nil || r.Whole != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	want := []blockmap.Range{{Off: dataAt + dataLen, Len: 64<<20 - dataAt - dataLen}, {Off: 64<<20 + 4096, Len: 256<<30 - 64<<20 - 4096}, {Off: 256<<30 + 4096, Len: 44<<30 - 4096}}
	if got := l.free[len(l.free)-3:]; !slices.Equal(got, want) {
		t.Errorf("free %v, must be %v", got, want)
	}
	// A copy that is newer than the first is what a repair would take.
	newer := bytes.Clone(img[superOffset:][:superSize])
	newer[0x48]++
	s.sign(newer)
	r, err = Scanner{Still: true}.Scan(t.Context(), blockmap.Bytes(&mirrored{long{img}, newer}, 300<<30, 512), &l)
	if err != nil || !strings.Contains(r.Whole, "older than its copy") {
		t.Errorf("%+v, %v", r, err)
	}
}

// long is an image with zeros behind it.
type long struct{ b []byte }

func (l *long) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(l.b)) {
		copy(p, l.b[off:])
	}
	return len(p), nil
}

type mirrored struct {
	long
	copy []byte
}

func (m *mirrored) ReadAt(p []byte, off int64) (int, error) {
	if off == 256<<30 {
		return copy(p, m.copy), nil
	}
	return m.long.ReadAt(p, off)
}

// TestReadErrors lets each block fail: one of which there is a second copy does
// no harm.
func TestReadErrors(t *testing.T) {
	img := newSynth().build()
	for _, c := range []struct {
		at     int64
		copied bool
	}{{superOffset, false}, {sysOne, true}, {sysTwo, true}, {place(rootRoot), false}, {place(extentLeaf2), false}, {place(deviceRoot), false}} {
		t.Run(fmt.Sprint(c.at), func(t *testing.T) {
			var l lister
			r, err := Scanner{Still: true}.Scan(t.Context(), blockmap.Bytes(&bad{img, c.at}, synthSize, 512), &l)
			if c.copied && (err != nil || r.Whole != "" || len(l.free) == 0) || !c.copied && !errors.Is(err, errBad) {
				t.Errorf("%+v, %v", r, err)
			}
			if c.at == sysOne && len(r.Warnings) != 1 {
				t.Errorf("warnings %q", r.Warnings)
			}
		})
	}
}

var errBad = errors.New("bad sector")

type bad struct {
	b  []byte
	at int64
}

func (b *bad) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		return 0, errBad
	}
	if off >= int64(len(b.b)) {
		return 0, io.EOF
	}
	return copy(p, b.b[off:]), nil
}

func TestHostile(t *testing.T) {
	scantest.Hostile(t, Scanner{Still: true}, newSynth().build(), newSynth().withGroups().withLog().build())
}

// edited is the image with the edits: of each 4 bytes, 3 are the place and 1 is
// the value. With fix, the checksums are made right again.
func edited(s *synth, img, edits []byte, fix bool) []byte {
	img = bytes.Clone(img)
	places := []int64{superOffset}
	for _, l := range []int64{chunkRoot, rootRoot, extentNode, extentLeaf1, extentLeaf2, deviceRoot, groupRoot, logRoot, logLeaf, topRoot, subRoot} {
		places = append(places, place(l))
	}
	for ; len(edits) >= 4; edits = edits[4:] {
		img[places[int(edits[0])%len(places)]+int64(le.Uint16(edits[1:]))%unit] = edits[3]
	}
	if fix {
		for _, p := range places {
			s.sign(img[p:][:unit])
		}
		copy(img[sysTwo:], img[sysOne:][:unit])
	}
	return img
}

func FuzzScan(f *testing.F) {
	s := newSynth().withGroups().withLog()
	img := s.build()
	f.Add([]byte{}, true)
	f.Add([]byte{0, 0x3f, 3, 1}, true)                           // a chunk in the array
	f.Add([]byte{0, 0x94, 0, 0, 0, 0x95, 0, 0x20}, true)         // node size
	f.Add([]byte{0, 0x78, 0, 0, 0, 0x60, 0, 0}, true)            // used bytes, no log
	f.Add([]byte{1, 101 + 17, 0, 9, 1, 101 + 21, 0, 0xff}, true) // an item's place
	f.Add([]byte{3, 101 + 17, 0, 0x30}, true)                    // a pointer
	f.Add([]byte{4, 0x60, 0, 3, 4, 0x64, 0, 1}, true)            // a leaf becomes a node
	f.Add([]byte{9, 101 + 25 + 17, 0, 1}, true)                  // a logged extent
	f.Add([]byte{2, 0, 1, 0xff}, false)
	f.Fuzz(func(t *testing.T, edits []byte, fix bool) {
		_, _, _ = scanned(t, Scanner{Still: true}, edited(s, img, edits, fix))
	})
}
