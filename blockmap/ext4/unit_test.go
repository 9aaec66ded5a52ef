package ext4

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
)

func TestChecksums(t *testing.T) {
	// The check values of CRC-16/MODBUS, which has the same parameters, and of
	// CRC-32C, whose final inversion is left out here.
	if got := crc16(0xffff, []byte("123456789")); got != 0x4b37 {
		t.Errorf("crc16 is %#04x", got)
	}
	if got := crc32c(^uint32(0), []byte("123456789")); got != ^uint32(0xe3069283) {
		t.Errorf("crc32c is %#08x", got)
	}
	if a, b := crc32c(crc32c(5, []byte("12345")), []byte("6789")), crc32c(5, []byte("123456789")); a != b {
		t.Errorf("crc32c in two parts is %#x, in one %#x", a, b)
	}
}

func TestHasSuper(t *testing.T) {
	raw := make([]byte, superSize)
	binary.LittleEndian.PutUint32(raw[0x24c:], 1)
	binary.LittleEndian.PutUint32(raw[0x250:], 40)
	for _, c := range []struct {
		name string
		sb   superblock
		want []int64 // below 130
	}{
		{"sparse_super", superblock{roCompat: roCompatSparseSuper}, []int64{0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125}},
		{"sparse_super2", superblock{compat: compatSparseSuper2, roCompat: roCompatSparseSuper, raw: raw}, []int64{0, 1, 40}},
	} {
		var got []int64
		for g := range int64(130) {
			if c.sb.hasSuper(g) {
				got = append(got, g)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	all := superblock{}
	for g := range int64(130) {
		if !all.hasSuper(g) {
			t.Errorf("without sparse_super, group %d has none", g)
		}
	}
}

func TestBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	bm := make([]byte, 64)
	for range 200 {
		for i := range bm {
			bm[i] = byte(rnd.Uint32())
			if rnd.IntN(3) == 0 {
				bm[i] = byte(rnd.IntN(2) * 0xff)
			}
		}
		n := int64(rnd.IntN(513))
		bit := func(i int64) bool { return bm[i/8]>>(i%8)&1 != 0 }
		want := int64(0)
		for i := range n {
			if !bit(i) {
				want++
			}
		}
		if got := zeros(bm, n); got != want {
			t.Fatalf("%d zeros in %d bits, must be %d", got, n, want)
		}
		for _, v := range []bool{false, true} {
			i := int64(rnd.IntN(int(n) + 1))
			j := i
			for j < n && bit(j) != v {
				j++
			}
			if got := nextBit(bm, i, n, v); got != j {
				t.Fatalf("next %v from %d of %d is %d, must be %d", v, i, n, got, j)
			}
		}
	}
}

func TestJoined(t *testing.T) {
	for _, c := range []struct {
		name             string
		in               runs
		first, ratio, to int64
		want             runs
	}{
		{"sorts and joins", runs{{10, 12}, {5, 6}, {12, 13}, {6, 7}, {5, 7}}, 0, 1, 100, runs{{5, 7}, {10, 13}}},
		{"one inside another", runs{{5, 50}, {7, 9}, {60, 61}}, 0, 1, 100, runs{{5, 50}, {60, 61}}},
		{"clusters", runs{{1, 2}, {17, 18}, {31, 33}}, 0, 16, 40, runs{{0, 40}}},
		{"clusters with a short last one", runs{{3, 5}, {98, 99}}, 0, 16, 100, runs{{0, 16}, {96, 100}}},
		{"the boot block", runs{{0, 2}}, 1, 1, 100, runs{{0, 2}}},
	} {
		if got := c.in.clusters(&superblock{firstData: c.first, ratio: c.ratio, blocks: c.to}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, must be %v", c.name, got, c.want)
		}
	}
}

// lister is a Sink that lists.
type lister struct{ free []blockmap.Range }

func (l *lister) Free(off, n int64) error {
	l.free = append(l.free, blockmap.Range{Off: off, Len: n})
	return nil
}

func (*lister) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (l *lister) Nested(string, blockmap.Volume) error { return nil }

func TestEmitter(t *testing.T) {
	var l lister
	e := &emitter{sink: &l, blockSize: 10, ratio: 1, static: runs{{3, 5}, {10, 20}, {30, 31}}}
	for _, r := range []run{{0, 4}, {4, 9}, {9, 12}, {18, 25}, {31, 40}} {
		if err := e.free(r.from, r.to); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.flush(); err != nil {
		t.Fatal(err)
	}
	want := []blockmap.Range{{Off: 0, Len: 30}, {Off: 50, Len: 50}, {Off: 200, Len: 50}, {Off: 310, Len: 90}}
	if !slices.Equal(l.free, want) {
		t.Errorf("%v, must be %v", l.free, want)
	}
	if e.clash != 2+2+2 {
		t.Errorf("%d static blocks were free", e.clash)
	}
}

func TestKind(t *testing.T) {
	for _, c := range []struct {
		compat, incompat, ro uint32
		want                 string
	}{
		{0, 0, 0, "ext2"},
		{0x38, 0x2, 0x3, "ext2"},
		{0x3c, 0x2, 0x3, "ext3"},
		{0x3c, 0x6, 0x3, "ext3"},
		{0x3c, 0x2, 0x13, "ext4"},
		{0x3c, 0x42, 0x3, "ext4"},
		{0x38, 0x42, 0x3, "ext4"},
		{0x38, 0x6, 0x3, "ext4"},
		{0, 0x8, 0, "jbd"},
	} {
		s := superblock{compat: c.compat, incompat: c.incompat, roCompat: c.ro}
		if got := s.kind(); got != c.want {
			t.Errorf("%#x %#x %#x: %s, must be %s", c.compat, c.incompat, c.ro, got, c.want)
		}
	}
}

// Each superblock says something that must not be believed.
func TestRefused(t *testing.T) {
	le := binary.LittleEndian
	u32 := func(off int, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[off:], v) } }
	u16 := func(off int, v uint16) func([]byte) { return func(b []byte) { le.PutUint16(b[off:], v) } }
	or := func(off int, v uint32) func([]byte) {
		return func(b []byte) { le.PutUint32(b[off:], le.Uint32(b[off:])|v) }
	}
	for _, c := range []struct {
		name string
		edit func([]byte)
		want string
	}{
		{"errors", u16(0x3a, 3), "errors"},
		{"not clean", u16(0x3a, 0), "not unmounted cleanly"},
		{"orphans being recovered", u16(0x3a, 5), "not unmounted cleanly"},
		{"one block more than the volume", u32(4, 3*512+102), "the volume only"},
		{"2^63 blocks", u32(0x150, 0x80000000), "impossible size"},
		{"2^62 blocks", u32(0x150, 0x40000000), "the volume only"},
		{"blocks in a group", u32(0x20, 511), "impossible group"},
		{"clusters in a group", func(b []byte) { or(0x64, roCompatBigalloc)(b); u32(0x24, 256)(b) }, "impossible group"},
		{"too many clusters in a group", func(b []byte) { u32(0x20, 8200)(b); u32(0x24, 8200)(b) }, "impossible group"},
		{"groups of 8 blocks", func(b []byte) { u32(0x20, 8)(b); u32(0x24, 8)(b) }, "inodes"},
		{"cluster size", u32(0x1c, 3), "impossible cluster size"},
		{"cluster size with bigalloc", func(b []byte) { or(0x64, roCompatBigalloc)(b); u32(0x1c, 31)(b) }, "impossible cluster size"},
		{"first data block 0", u32(0x14, 0), "first data block"},
		{"first data block", u32(0x14, 100), "first data block"},
		{"no blocks", u32(4, 1), "impossible size"},
		{"inode size 0", u16(0x58, 0), "inode size"},
		{"inode size 2048", u16(0x58, 2048), "inode size"},
		{"inodes in a group", u32(0x28, 9000), "inodes in a group"},
		{"inodes", u32(0, 17), "do not make"},
		{"descriptor size 48", u16(0xfe, 48), "descriptor size"},
		{"descriptor size 32", u16(0xfe, 32), "descriptor size"},
		{"descriptor size 2048", u16(0xfe, 2048), "descriptor size"},
		{"revision 0", u32(0x4c, 0), "revision 0"},
		{"64 bits of blocks", func(b []byte) { le.PutUint32(b[0x60:], 0x42); u32(0x150, 1)(b) }, "64 bits"},
		{"first meta group", func(b []byte) { or(0x60, incompatMetaBG)(b); u32(0x104, 9)(b) }, "first meta block group"},
		{"checksum type", func(b []byte) { b[0x175] = 2 }, "checksum type"},
		{"compressed", or(0x60, 1), "compression"},
		{"unknown incompatible", or(0x60, 1<<27), "FEATURE_I27"},
		{"unknown read-only", or(0x64, 1<<27), "FEATURE_R27"},
		{"unknown compatible", or(0x5c, 1<<27), "FEATURE_C27"},
		{"lazy_bg", or(0x5c, 0x40), "lazy_bg"},
		{"journal device", or(0x60, 8), "external journal"},
		{"journal elsewhere", or(0x60, incompatRecover), "not in the filesystem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := small(nil)
			img := s.bytes()
			sb := img[superOffset:][:superSize]
			c.edit(sb)
			le.PutUint32(sb[0x3fc:], crc32c(^uint32(0), sb[:0x3fc]))
			var l lister
			r, err := Scanner{}.Scan(context.Background(), blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512), &l)
			if err != nil || !strings.Contains(r.Whole, c.want) || len(l.free) > 0 {
				t.Errorf("%d ranges are free, %q, %v", len(l.free), r.Whole, err)
			}
		})
	}
}

// Any byte of superblock, descriptors and bitmaps that is changed is noticed.
func TestDamageIsNoticed(t *testing.T) {
	s := small(nil)
	img := s.bytes()
	clean := blockmap.Bytes(bytes.NewReader(bytes.Clone(img)), int64(len(img)), 512)
	var want lister
	if r, err := (Scanner{}).Scan(context.Background(), clean, &want); err != nil || r.Whole != "" {
		t.Fatal(r, err)
	}
	places := []int64{}
	for i := range int64(superSize) {
		places = append(places, superOffset+i)
	}
	tab := &table{sb: s.sb, raw: s.table}
	for g := range s.sb.groups {
		for i := range s.sb.descSize {
			places = append(places, 2*1024+g*s.sb.descSize+i)
		}
		for i := range s.sb.blocksPerGroup / 8 {
			places = append(places, tab.desc(g).blockBitmap()*1024+i)
		}
	}
	for _, at := range places {
		img[at] ^= 0x10
		var l lister
		v := blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)
		r, err := Scanner{}.Scan(context.Background(), v, &l)
		if err == nil && r.Whole == "" {
			t.Errorf("byte %d changed: not noticed", at)
		}
		img[at] ^= 0x10
	}
}

func TestProbe(t *testing.T) {
	img := small(nil).bytes()
	if err := (Scanner{}).Probe(blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)); err != nil {
		t.Error(err)
	}
	// A filesystem of exactly 2^32 blocks has 0 in the lower half.
	big := small(nil)
	binary.LittleEndian.PutUint32(big.super[4:], 0)
	binary.LittleEndian.PutUint32(big.super[0x150:], 1)
	if !looksLike(big.super) {
		t.Error("2^32 blocks are not taken for a filesystem")
	}
	for _, off := range []int{0x38, 0x39} {
		bad := bytes.Clone(img)
		bad[superOffset+off]++
		if err := (Scanner{}).Probe(blockmap.Bytes(bytes.NewReader(bad), int64(len(bad)), 512)); !errors.Is(err, blockmap.ErrNotMine) {
			t.Errorf("byte %#x changed: %v", off, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Scanner{}).Scan(ctx, small(nil).volume(), &lister{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Without checksums the groups' flags mean nothing, and the counts are all that
// tells of a bitmap that was not written with its descriptor.
func TestWithoutChecksums(t *testing.T) {
	s := newSynth(synthOptions{blockSize: 1024, blocks: 3*512 + 101, perGroup: 512, inodes: 16, noCsum: true})
	tab := &table{sb: s.sb, raw: s.table}
	scan := func() (int64, error) {
		var k counter
		r, err := Scanner{}.Scan(context.Background(), s.volume(), &k)
		if r.Whole != "" {
			t.Fatal(r.Whole)
		}
		return k.bytes, err
	}
	want, err := scan()
	if err != nil || want == 0 {
		t.Fatalf("%d bytes are free, %v", want, err)
	}
	for g := range s.sb.groups {
		binary.LittleEndian.PutUint16(tab.desc(g)[0x12:], flagBlockUninit)
	}
	if got, err := scan(); err != nil || got != want {
		t.Errorf("with flags %d bytes are free, without %d; %v", got, want, err)
	}
	s.bitmaps[1][40] ^= 2
	if _, err := scan(); err == nil || !strings.Contains(err.Error(), "the descriptor says") {
		t.Errorf("a bit of a bitmap changed: %v", err)
	}
	s.bitmaps[1][40] ^= 2
	binary.LittleEndian.PutUint32(tab.desc(2), uint32(tab.desc(1).blockBitmap()))
	if _, err := scan(); err == nil || !strings.Contains(err.Error(), "more than one group") {
		t.Errorf("two groups with one bitmap: %v", err)
	}
}
