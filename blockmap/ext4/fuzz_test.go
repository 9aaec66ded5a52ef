package ext4

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

func TestHostile(t *testing.T) {
	r := newRing(40, 30, 9, journalCsumV3|journal64Bit)
	for range 3 {
		r.blocks(map[int64][]byte{900: fill(1)}, 900)
		r.commit()
	}
	scantest.Hostile(t, Scanner{Replay: true}, small(nil).bytes(), small(emptyJournal(32)).bytes(), small(r.b).bytes())
}

// edited is the image with the edits: of each 4 bytes, 3 are the place, in
// those parts that are read, and 1 is the value. With fix, the checksums that
// stand in the way of the more interesting mistakes are made right again.
func edited(s *synth, img, edits []byte, fix bool) []byte {
	img = bytes.Clone(img)
	bs := s.sb.blockSize
	tab := &table{sb: s.sb, raw: img[2*bs:][:s.sb.descBl*bs]}
	places := []blockmap.Range{{Off: superOffset, Len: 0x280}, {Off: 2 * bs, Len: s.sb.groups * s.sb.descSize}}
	for g := range s.sb.groups {
		places = append(places, blockmap.Range{Off: tab.desc(g).blockBitmap() * bs, Len: s.sb.clustersPerGroup / 8})
	}
	if s.journal != nil {
		places = append(places, blockmap.Range{Off: tab.desc(0).inodeTable()*bs + 7*256, Len: 256},
			blockmap.Range{Off: s.journalStart() * bs, Len: int64(len(s.journal))})
	}
	for ; len(edits) >= 4; edits = edits[4:] {
		p := places[int(edits[0])%len(places)]
		img[p.Off+int64(binary.LittleEndian.Uint16(edits[1:]))%p.Len] = edits[3]
	}
	if fix {
		sb := img[superOffset:][:superSize]
		binary.LittleEndian.PutUint32(sb[0x3fc:], crc32c(^uint32(0), sb[:0x3fc]))
		now := parseSuper(sb)
		now.descSize = 64
		for g := range s.sb.groups {
			d := tab.desc(g)
			binary.LittleEndian.PutUint16(d[0x1e:], now.descCsum(g, d))
		}
	}
	return img
}

// scanned checks what a scan of hostile bytes must keep to: it frees within the
// volume, nothing twice, and never the superblock.
func scanned(t *testing.T, img []byte) {
	t.Helper()
	var l lister
	v := blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)
	_, _ = Scanner{Replay: true}.Scan(context.Background(), v, &l)
	at := int64(superOffset + superSize)
	slices.SortFunc(l.free, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) }) // unused inode tables come last
	for _, r := range l.free {
		if r.Off < at || r.Len <= 0 || r.Len > int64(len(img))-r.Off {
			t.Fatalf("%v is freed behind %d, in %d bytes", r, at, len(img))
		}
		at = r.End()
	}
}

func FuzzScan(f *testing.F) {
	s := small(nil)
	img := s.bytes()
	f.Add([]byte{}, true)
	f.Add([]byte{0, 0x20, 0, 8, 0, 0x21, 0, 0}, true)       // groups of 8 blocks
	f.Add([]byte{0, 0xfe, 0, 128}, true)                    // descriptor size
	f.Add([]byte{0, 0x53, 1, 0xff}, true)                   // blocks
	f.Add([]byte{0, 0x60, 0, 0xd2, 0, 0x04, 1, 1}, true)    // meta_bg
	f.Add([]byte{0, 0x65, 0, 6, 0, 0x1c, 0, 4}, true)       // bigalloc
	f.Add([]byte{0, 0x5d, 0, 2, 0, 0x4c, 2, 0xff}, true)    // sparse_super2
	f.Add([]byte{1, 0, 0, 0xff, 1, 8, 0, 0xff}, true)       // bitmap and table elsewhere
	f.Add([]byte{1, 0x12, 0, 2, 1, 0x52, 0, 2}, true)       // uninit
	f.Add([]byte{0, 0x61, 0, 3, 0, 0x68, 1, 1, 0, 1}, true) // mmp
	f.Fuzz(func(t *testing.T, edits []byte, fix bool) {
		scanned(t, edited(s, img, edits, fix))
	})
}

func FuzzJournal(f *testing.F) {
	r := newRing(24, 20, 0xfffffffe, journal64Bit|journalRevoke)
	s := small(r.b)
	bitmap := (&table{sb: s.sb, raw: s.table}).desc(1).blockBitmap()
	r.blocks(map[int64][]byte{1: fill(3), 2: fill(4), bitmap: fill(5)}, 1, 2, bitmap)
	r.commit()
	r.revoke(1, 2)
	r.commit()
	r.blocks(map[int64][]byte{bitmap: fill(6)}, bitmap)
	r.commit()
	copy(s.journal, r.b)
	img := s.bytes()
	last := byte(2 + s.sb.groups + 1) // the journal, as a place of edits
	f.Add([]byte{}, true)
	f.Add([]byte{last, 0x2b, 0, 1}, true)                     // features
	f.Add([]byte{last, 0x1f, 0, 1, last, 0x13, 0, 5}, true)   // start, length
	f.Add([]byte{last - 1, 0x38, 0, 0xff}, true)              // the inode's extent
	f.Add([]byte{last - 1, 0x22, 0, 0}, true)                 // no extents
	f.Add([]byte{last, 0x07, 0x50, 5, last, 15, 80, 9}, true) // a revoke block
	f.Fuzz(func(t *testing.T, edits []byte, fix bool) {
		b := edited(s, img, edits, fix)
		if fix { // the journal's own checksums are off; only the inode's is in the way
			raw := b[(&table{sb: s.sb, raw: s.table}).desc(0).inodeTable()*1024+7*256:][:256]
			binary.LittleEndian.PutUint16(raw[0x7c:], 0)
			binary.LittleEndian.PutUint16(raw[0x80:], 0)
			binary.LittleEndian.PutUint16(raw[0x7c:], uint16(crc32c(s.sb.inodeSeed(8, raw), raw)))
		}
		scanned(t, b)
	})
}
