package f2fs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// lister records what is freed.
type lister struct{ free []blockmap.Range }

func (l *lister) Free(off, n int64) error {
	l.free = append(l.free, blockmap.Range{Off: off, Len: n})
	return nil
}

func (*lister) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (l *lister) Nested(string, blockmap.Volume) error { return nil }

func scan(d *disk) (blockmap.Report, []blockmap.Range, error) {
	var l lister
	r, err := Scanner{Still: true}.Scan(context.Background(), d.volume(), &l)
	return r, l.free, err
}

func TestScan(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *synth)
	}{
		{"plain", func(*synth) {}},
		{"other halves", func(s *synth) { s.halves = []bool{false, true, false} }},
		{"one half", func(s *synth) { s.halves = []bool{true, true, true} }},
		{"first pack is newer", func(s *synth) { s.newer = 0 }},
		{"compact summaries", func(s *synth) { s.flags |= flagCompact }},
		{"no journal", func(s *synth) { s.journal = nil }},
		{"full journal", func(s *synth) {
			s.journal = map[int64]bool{0: true, 1: true, 54: true, 55: true, 56: true, 149: true}
		}},
		{"payload", func(s *synth) { s.payload = 2 }},
		{"large NAT", func(s *synth) { s.flags |= flagLargeNAT; s.at = cpBitmaps }},
		{"large NAT, checksum behind", func(s *synth) { s.flags |= flagLargeNAT }},
		{"checksum", func(s *synth) { s.features |= featureChecksum }},
		{"all known features", func(s *synth) { s.features = 0x3fff &^ 2 }},
		{"promised blocks", func(s *synth) { s.promised = 1000 }},
		{"full segment", func(s *synth) {
			all := make([]int64, segmentBlocks)
			for i := range all {
				all[i] = int64(i)
			}
			s.valid[60], s.valid[61] = all, all
		}},
		{"an old node behind the log", func(s *synth) {
			s.patch = func(d *disk) {
				b := d.block(testMain + 512 + 100)
				b[blockSize-24] = 9
				le.PutUint64(b[blockSize-12:], 0x77_0000_0041)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth()
			c.change(s)
			r, free, err := scan(s.disk())
			if err != nil || r.Whole != "" || len(r.Warnings) > 0 {
				t.Fatalf("%+v %v", r, err)
			}
			if want := s.free(); !slices.Equal(free, want) {
				t.Errorf("free %v\nmust be %v", free, want)
			}
			if r.Type != "f2fs" || r.UUID != "30313233-3435-3637-3839-616263646566" || r.Label != "my Läbel" || r.BlockSize != 4096 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestWhole(t *testing.T) {
	super := func(off int, v uint32) func(s *synth) {
		return func(s *synth) { s.super = func(b []byte) { le.PutUint32(b[off:], v) } }
	}
	cp := func(off int, v uint32) func(s *synth) {
		return func(s *synth) { s.cp = func(b []byte) { le.PutUint32(b[off:], v) } }
	}
	patch := func(f func(d *disk)) func(s *synth) { return func(s *synth) { s.patch = f } }
	flags := func(set uint32) func(s *synth) { return func(s *synth) { s.flags |= set } }
	const pack = testStart + segmentBlocks // the newer one
	for _, c := range []struct {
		name, why string
		change    func(s *synth)
	}{
		{"blkzoned", "blkzoned", func(s *synth) { s.features = 2 }},
		{"unknown feature", "0x80000000", func(s *synth) { s.features = 1 << 31 }},
		{"16 KiB blocks", "blocks of 2^14", super(16, 14)},
		{"sectors per block", "sizes of sectors", super(12, 4)},
		{"inode numbers", "first inodes", super(96, 4)},
		{"devices", "several devices", super(superDevices, 'd')},
		{"stopped", "stopped writing", super(superStopped+4, 1)},
		{"errors", "found errors", super(superErrors, 1)},
		{"longer than the volume", "cut short", super(36, testBlocks+1)},
		{"segments", "impossible size", super(48, testSegments+9)},
		{"no segments", "impossible size", super(48, 0)},
		{"2^32 segments", "impossible size", super(48, 1<<32-1)},
		{"sections", "impossible sections", super(24, 0)},
		{"segment 0", "segment 0 begins", super(72, 0)},
		{"SIT elsewhere", "the SIT begins", super(80, testSIT+1)},
		{"main area elsewhere", "the main area begins", super(92, testMain-512)},
		{"main area too long", "behind the filesystem", super(68, testSegments+1)},
		{"main area of 2^32-1", "behind the filesystem", super(68, 1<<32-1)},
		{"main area of none", "too small for 0 segments", super(68, 0)},
		{"payload", "payload", super(1664, 600)},
		{"super's checksum", "superblock at byte 1024: checksum", func(s *synth) {
			s.features = featureChecksum
			s.patch = func(d *disk) { d.block(0)[superOffset+130]++ }
		}},
		{"copies differ", "superblocks differ", patch(func(d *disk) { d.block(1)[superOffset+68]++ })},
		{"one checkpoint damaged", "checkpoint 1: damaged", patch(func(d *disk) { d.block(testStart)[16]++ })},
		{"checkpoint's end damaged", "checkpoint 2 does not end", patch(func(d *disk) { d.block(pack + 7)[16]++ })},
		{"checkpoint's end is of another", "checkpoint 2 does not end", patch(func(d *disk) {
			b := d.block(pack + 7)
			b[0]++
			seal(b)
		})},
		{"pack of 513 blocks", "checkpoint 2: damaged", cp(136, 513)},
		{"checksum in the bitmap", "checkpoint 2: damaged", cp(164, 100)},
		{"not unmounted", "not unmounted cleanly", func(s *synth) { s.flags &^= flagUnmounted }},
		{"needs a check", "needing a check", flags(flagFsck)},
		{"quota", "needing a check", flags(flagQuota)},
		{"disabled", "checkpoint=disable", flags(flagDisabled)},
		{"unknown flag", "not known", flags(0x8000)},
		{"reserved segments", "are reserved", cp(24, testSegments)},
		{"current segment", "current segment", cp(88, testSegments)},
		{"next block", "current segment", cp(68, 512)},
		{"bitmap sizes", "impossible bitmaps", cp(156, 128)},
		{"NAT bitmap size", "impossible bitmaps", cp(160, 1<<31)},
		{"summaries", "impossible summaries", cp(140, 0)},
		{"journal entries", "7 entries", patch(func(d *disk) { d.block(pack + 1 + coldData)[journalInSummary] = 7 })},
		{"journal's segment", "segment 65336", patch(func(d *disk) { le.PutUint16(d.block(pack + 1 + coldData)[journalInSummary+2:], 65336) })},
		{"journal twice", "twice", patch(func(d *disk) {
			copy(d.block(pack + 1 + coldData)[journalInSummary+2:][:4], d.block(pack + 1 + coldData)[journalInSummary+2+journalEntry:])
		})},
		{"wrong half", "of nodes", func(s *synth) { s.cp = func(b []byte) { b[cpBitmaps] ^= 0x80 } }},
		{"wrong half of an entry", "free segments", func(s *synth) { s.cp = func(b []byte) { b[cpBitmaps] ^= 0x20 } }},
		{"entry's count", "valid blocks, and says", patch(func(d *disk) { d.block(testSIT + segmentBlocks)[0]++ })},
		{"entry's kind", "of kind 63", patch(func(d *disk) { d.block(testSIT + segmentBlocks)[1] |= 0xfc })},
		{"valid blocks", "valid blocks, the checkpoint", cp(16, 1)},
		{"valid nodes", "of nodes, the checkpoint", cp(144, 1)},
		{"free segments", "free segments, the checkpoint", cp(32, 1)},
		{"fsync behind the checkpoint", "behind the last checkpoint", patch(func(d *disk) {
			b := d.block(testMain + 512 + 100)
			b[blockSize-24] = 9
			le.PutUint64(b[blockSize-12:], 0x12345678_0000_0042)
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth()
			c.change(s)
			r, free, err := scan(s.disk())
			why := r.Whole
			if err != nil {
				why = err.Error()
			}
			if !strings.Contains(why, c.why) || c.why == "" {
				t.Errorf("%d ranges are free: %q", len(free), why)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	d := newSynth().disk()
	if err := (Scanner{}).Probe(d.volume()); err != nil {
		t.Error(err)
	}
	d.block(0)[superOffset]++
	if err := (Scanner{}).Probe(d.volume()); !errors.Is(err, blockmap.ErrNotMine) {
		t.Error(err)
	}
	names, err := blockmap.Signatures(newSynth().disk().volume())
	if err != nil || !slices.Equal(names, []string{Scanner{}.Name()}) {
		t.Errorf("%v %v", names, err)
	}
}

// Without Still, nothing is freed.
func TestMayBeMounted(t *testing.T) {
	var l lister
	r, err := Scanner{}.Scan(context.Background(), newSynth().disk().volume(), &l)
	if err != nil || r.Whole != mayBeMounted || len(l.free) > 0 {
		t.Errorf("%+v %v, %d ranges are free", r, err, len(l.free))
	}
}

// TestCut: what a volume cut short has of a filesystem frees nothing.
func TestCut(t *testing.T) {
	d := newSynth().disk()
	for d.size > 0 {
		d.size = d.size*9/10 - 1
		if r, free, err := scan(d); len(free) > 0 || r.Whole == "" && err == nil {
			t.Fatalf("%d bytes: %+v", d.size, r)
		}
	}
}

func TestHostile(t *testing.T) { scantest.Hostile(t, Scanner{Still: true}) }

// edited is a filesystem with the edits: of each 4 bytes, 1 is a block that is
// read, 2 are the byte in it and 1 is the value. With fix, checksums are made
// right again, and the copies equal.
func edited(edits []byte, fix bool) *disk {
	s := newSynth()
	s.features |= featureChecksum
	d := s.disk()
	const pack = testStart + segmentBlocks
	places := []int64{0, pack, pack + 1 + coldData, testSIT + segmentBlocks, testSIT + 1, testMain + 512 + 100, 1, testStart, pack + 7, pack + 1}
	for ; len(edits) >= 4; edits = edits[4:] {
		b, at := d.block(places[int(edits[0])%len(places)]), int(le.Uint16(edits[1:]))
		if edits[0] == 0 { // to where the superblock is
			at = superOffset + at%superSize
		}
		b[at%blockSize] = edits[3]
	}
	if fix {
		b := d.block(0)[superOffset:]
		le.PutUint32(b[superChecksum:], crc(superMagic, b[:superChecksum]))
		copy(d.block(1), d.block(0))
		seal(d.block(pack))
		if n := int64(le.Uint32(d.block(pack)[136:])); n > 1 && n < 512 {
			copy(d.block(pack+n-1), d.block(pack))
		}
	}
	return d
}

func FuzzScan(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte{0, 68, 0, 1}, true)                 // segments
	f.Add([]byte{0, 0x80, 6, 1}, true)               // payload
	f.Add([]byte{1, 133, 0, 4, 1, 164, 0, 0}, true)  // large NAT
	f.Add([]byte{1, 132, 0, 5}, true)                // compact
	f.Add([]byte{1, 192, 0, 0xff}, true)             // halves
	f.Add([]byte{1, 136, 0, 3, 1, 140, 0, 0}, true)  // pack
	f.Add([]byte{2, 0, 14, 6, 2, 2, 14, 1}, true)    // journal
	f.Add([]byte{3, 0, 0, 1, 4, 2, 0, 0xff}, true)   // SIT
	f.Add([]byte{5, 0xf4, 15, 0x42, 8, 1, 1}, false) // node behind the log
	f.Fuzz(func(t *testing.T, edits []byte, fix bool) {
		_, free, _ := scan(edited(edits, fix))
		at := int64(2 * blockSize)
		for _, r := range free {
			if r.Off < at || r.Len <= 0 || r.Len > testBlocks*blockSize-r.Off {
				t.Fatalf("%v is freed behind %d", r, at)
			}
			at = r.End() + 1
		}
	})
}
