package xfs

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// lister is a Sink that lists.
type lister struct{ free []blockmap.Range }

func (l *lister) Free(off, n int64) error {
	l.free = append(l.free, blockmap.Range{Off: off, Len: n})
	return nil
}

func (*lister) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (l *lister) Nested(string, blockmap.Volume) error { return nil }

// scan is what a scan of s says, and what it frees; why is its error or its
// reason for carrying all.
func scan(s *synth) (r blockmap.Report, free []blockmap.Range, why string) {
	var l lister
	r, err := Scanner{Still: true}.Scan(context.Background(), s.volume(), &l)
	if err != nil {
		return r, l.free, err.Error()
	}
	return r, l.free, r.Whole
}

func TestScan(t *testing.T) {
	for _, c := range []struct {
		name string
		o    synthOptions
	}{
		{"flat", synthOptions{blockSize: 4096, sector: 512, perGroup: 4096, blocks: 4096, perBlock: 4}},
		{"four levels, a short last group", synthOptions{blockSize: 4096, sector: 512, perGroup: 4096, blocks: 2*4096 + 1200, perBlock: 4, extents: 100}},
		{"blocks full of records", synthOptions{blockSize: 1024, sector: 512, perGroup: 16384, blocks: 40000, perBlock: 80, extents: 1000}},
		{"sectors of 4 KiB", synthOptions{blockSize: 4096, sector: 4096, perGroup: 4096, blocks: 8192, perBlock: 9, extents: 100}},
		{"blocks of 64 KiB", synthOptions{blockSize: 65536, sector: 512, perGroup: 800, blocks: 1500, perBlock: 7, extents: 90}},
		{"version 4", synthOptions{v4: true, blockSize: 4096, sector: 512, perGroup: 4096, blocks: 8000, perBlock: 4, extents: 60}},
		{"version 4, blocks of 512 bytes", synthOptions{v4: true, blockSize: 512, sector: 512, perGroup: 32768, blocks: 80000, perBlock: 40, extents: 2000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth(c.o)
			r, free, why := scan(s)
			if why != "" || len(r.Warnings) > 0 {
				t.Fatalf("%s %q", why, r.Warnings)
			}
			if !slices.Equal(free, s.free) {
				t.Errorf("free: %v\nmust be: %v", free, s.free)
			}
			if r.Type != "xfs" || r.UUID != "6d696769-6d67-2074-6573-742075756964" || r.Label != "a label" || r.BlockSize != c.o.blockSize {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestMounted(t *testing.T) {
	var l lister
	r, err := Scanner{}.Scan(context.Background(), flat().volume(), &l)
	if err != nil || r.Whole != mayBeMounted || len(l.free) > 0 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestNotMine(t *testing.T) {
	s := flat()
	s.block(0)[3] = 'b'
	if err := (Scanner{}).Probe(s.volume()); !errors.Is(err, blockmap.ErrNotMine) {
		t.Error(err)
	}
	if err := (Scanner{}).Probe(blockmap.Bytes(s, 511, 512)); !errors.Is(err, blockmap.ErrNotMine) {
		t.Error(err)
	}
}

// counter is a Sink that counts.
type counter struct{ bytes int64 }

func (c *counter) Free(_, n int64) error { c.bytes += n; return nil }

func (*counter) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (c *counter) Nested(string, blockmap.Volume) error { return nil }

// 16 groups of 1 TiB, each with 50 000 free extents.
func BenchmarkScan(b *testing.B) {
	s := newSynth(synthOptions{blockSize: 4096, sector: 512, perGroup: 1 << 28, blocks: 1 << 32, perBlock: 300, extents: 50000})
	want := int64(0)
	for _, r := range s.free {
		want += r.Len
	}
	b.ReportAllocs()
	for b.Loop() {
		var k counter
		if r, err := (Scanner{Still: true}).Scan(context.Background(), s.volume(), &k); err != nil || r.Whole != "" || k.bytes != want {
			b.Fatal(r, err, k.bytes)
		}
	}
}

// A sector that cannot be read matters only where it is needed.
func TestBadSectors(t *testing.T) {
	s := deep()
	bad := func(off int64) (string, int) {
		var l lister
		r, err := Scanner{Still: true}.Scan(context.Background(), blockmap.Bytes(&badSector{s, off}, s.size(), 512), &l)
		if err != nil {
			return err.Error(), len(l.free)
		}
		return r.Whole, len(l.free)
	}
	for _, off := range []int64{3 * 4096, (4096 + 100) * 4096} { // behind headers, in what no tree has
		if why, n := bad(off); why != "" || n != len(s.free) {
			t.Errorf("byte %d: %s", off, why)
		}
	}
	for _, off := range []int64{0, 512, 4096 * 4096, (4096 + s.tree[1][9]) * 4096, s.logStart() * 4096} {
		if why, _ := bad(off); !strings.Contains(why, errBad.Error()) {
			t.Errorf("byte %d: %q", off, why)
		}
	}
}

var errBad = errors.New("bad sector")

// badSector cannot read its byte at off.
type badSector struct {
	*synth
	off int64
}

func (b *badSector) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.off && b.off < off+int64(len(p)) {
		return 0, errBad
	}
	return b.synth.ReadAt(p, off)
}

func put16(b []byte, off int, v uint16) { binary.BigEndian.PutUint16(b[off:], v) }
func put32(b []byte, off int, v uint32) { binary.BigEndian.PutUint32(b[off:], v) }
func put64(b []byte, off int, v uint64) { binary.BigEndian.PutUint64(b[off:], v) }

func get32(b []byte, off int) uint32 { return binary.BigEndian.Uint32(b[off:]) }

// damage is one thing that is wrong with a filesystem, and what is said of it.
type damage struct {
	name string
	do   func(s *synth)
	why  string
}

func mustRefuse(t *testing.T, of *synth, seal bool, damages []damage) {
	t.Helper()
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			s := of.clone()
			d.do(s)
			if seal {
				s.seal()
			}
			_, _, why := scan(s)
			if why == "" || !strings.Contains(why, d.why) {
				t.Errorf("%q, must have %q", why, d.why)
			}
		})
	}
}

func TestSuperblock(t *testing.T) {
	sb := func(f func(b []byte)) func(*synth) { return func(s *synth) { f(s.block(0)) } }
	mustRefuse(t, deep(), true, []damage{
		{"version 3", sb(func(b []byte) { put16(b, 100, 0xb4a3) }), "version 3"},
		{"sector size", sb(func(b []byte) { put16(b, 102, 1000) }), "sector size"},
		{"sector size of no log", sb(func(b []byte) { b[121] = 12 }), "sector size"},
		{"compat", sb(func(b []byte) { put32(b, 208, 1) }), "compat 0x1"},
		{"ro_compat", sb(func(b []byte) { put32(b, 212, 0x11) }), "ro_compat 0x10"},
		{"incompat", sb(func(b []byte) { put32(b, 216, 0x80000001) }), "incompat 0x80000000"},
		{"metadir", sb(func(b []byte) { put32(b, 216, 0x101) }), "METADIR"},
		{"log_incompat", sb(func(b []byte) { put32(b, 220, 2) }), "log_incompat 0x2"},
		{"shared", sb(func(b []byte) { put16(b, 100, 0xb6a5) }), "SHARED"},
		{"features2", sb(func(b []byte) { put32(b, 200, 0x1018a) }), "features2 0x10000"},
		{"directories of old", sb(func(b []byte) { put16(b, 100, 0x94a5) }), "directories"},
		{"no CRC in version 5", sb(func(b []byte) { put32(b, 200, 0x8a) }), "contradict"},
		{"in progress", sb(func(b []byte) { b[126] = 1 }), "still being made"},
		{"needs repair", sb(func(b []byte) { put32(b, 216, 0x13) }), "needing repair"},
		{"shared version", sb(func(b []byte) { b[179] = 1 }), "shared"},
		{"realtime", sb(func(b []byte) { put64(b, 16, 1000) }), "realtime"},
		{"external log", sb(func(b []byte) { put64(b, 48, 0) }), "another device"},
		{"block size", sb(func(b []byte) { put32(b, 4, 3000) }), "block size"},
		{"block size of version 5", sb(func(b []byte) { put32(b, 4, 512); b[120] = 9 }), "block size"},
		{"small groups", sb(func(b []byte) { put32(b, 84, 100) }), "allocation groups"},
		{"block numbers", sb(func(b []byte) { b[124]++ }), "block numbers"},
		{"no blocks", sb(func(b []byte) { put64(b, 8, 0) }), "size"},
		{"2^63 blocks", sb(func(b []byte) { put64(b, 8, 1<<63) }), "size"},
		{"larger than the volume", sb(func(b []byte) { put64(b, 8, 2*4096+1201) }), "the volume only"},
		{"groups", sb(func(b []byte) { put32(b, 88, 4) }), "do not make"},
		{"last group of a block", sb(func(b []byte) { put64(b, 8, 2*4096+1) }), "last allocation group"},
		{"log too long", sb(func(b []byte) { put32(b, 96, 4096) }), "log"},
		{"no log", sb(func(b []byte) { put32(b, 96, 0) }), "log"},
		{"log of 4 GiB", sb(func(b []byte) { put32(b, 96, 1<<20) }), "log"},
		{"log in no group", sb(func(b []byte) { put64(b, 48, 5<<12) }), "log"},
		{"negative log", sb(func(b []byte) { put64(b, 48, 1<<63|1000) }), "log"},
		{"log in the headers", sb(func(b []byte) { put64(b, 48, 1<<12) }), "log"},
		{"free blocks", sb(func(b []byte) { put64(b, 144, binary.BigEndian.Uint64(b[144:])-1) }), "counts"},
	})
	mustRefuse(t, deep(), false, []damage{
		{"checksum", sb(func(b []byte) { b[110]++ }), "checksum"},
		{"checksum of the rest of the sector", sb(func(b []byte) { b[511]++ }), "checksum"},
	})
	mustRefuse(t, old(), false, []damage{
		{"CRC in version 4", sb(func(b []byte) { put32(b, 200, 0x18a) }), "contradict"},
		{"free blocks", sb(func(b []byte) { put64(b, 144, 1) }), "counts"},
	})
}

func TestFeatures2(t *testing.T) {
	s := old()
	put32(s.block(0), 204, get32(s.block(0), 200)) // where old kernels wrote it
	put32(s.block(0), 200, 0)
	if r, _, why := scan(s); why != "" || !slices.Contains(r.Features, "LAZYSBCOUNT") {
		t.Errorf("%s %v", why, r.Features)
	}
	for _, off := range []int{200, 204} {
		put32(s.block(0), off, 0)
	}
	if r, _, why := scan(s); why != "" || slices.Contains(r.Features, "LAZYSBCOUNT") {
		t.Errorf("without counts of the trees' blocks: %s %v", why, r.Features)
	}
	put64(s.block(0), 144, 10)
	if _, _, why := scan(s); !strings.Contains(why, "counts") {
		t.Error(why)
	}
}

func TestMetaUUID(t *testing.T) {
	s := deep()
	b := s.block(0)
	put32(b, 216, 0x7)
	copy(b[248:], b[32:48])
	copy(b[32:], "the new one     ")
	copy(s.logAt(0)[304:], "the new one     ")
	s.seal()
	if r, _, why := scan(s); why != "" || r.UUID != "74686520-6e65-7720-6f6e-652020202020" {
		t.Errorf("%+v %s", r, why)
	}
}

func TestHostile(t *testing.T) {
	one := flat()
	b := make([]byte, one.size())
	_, _ = one.ReadAt(b, 0)
	scantest.Hostile(t, Scanner{Still: true}, b)
}
