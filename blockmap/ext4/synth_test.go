package ext4

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"migimg/blockmap"
)

// synth is a filesystem that is computed when it is read, for what needs no
// oracle: speed, memory, hostile bytes. Groups are laid out in flex groups of
// 16; in each, half of the blocks behind the metadata are free.
type synth struct {
	sb      *superblock
	super   []byte
	table   []byte
	bitmaps map[int64][]byte // by group; nil entries are those of most groups
	usual   []byte
	home    map[int64]int64 // bitmap block -> group
	inodes  []byte          // the inode table of group 0
	journal []byte
	jAt     int64 // block at which the journal lies
}

type synthOptions struct {
	blockSize, blocks, perGroup, inodes int64 // inodes per group
	uninit                              bool  // all groups but the first
	noCsum                              bool
	journal                             []byte // makes it a filesystem that needs recovery
}

const synthFlex = 16

func newSynth(o synthOptions) *synth {
	le := binary.LittleEndian
	b := make([]byte, superSize)
	groups := ceil(o.blocks, o.perGroup)
	log := uint32(0)
	for 1024<<log < o.blockSize {
		log++
	}
	put := func(off int, v int64) { le.PutUint32(b[off:], uint32(v)) }
	first := int64(0)
	if o.blockSize == 1024 {
		first = 1
	}
	put(0, groups*o.inodes)
	put(4, o.blocks)
	put(0x14, first)
	put(0x18, int64(log))
	put(0x1c, int64(log))
	put(0x20, o.perGroup)
	put(0x24, o.perGroup)
	put(0x28, o.inodes)
	le.PutUint16(b[0x38:], superMagic)
	le.PutUint16(b[0x3a:], stateValid)
	put(0x4c, 1)
	le.PutUint16(b[0x58:], 256)
	put(0x60, incompat64Bit|incompatFlexBG|0x2|0x40)
	put(0x64, roCompatSparseSuper|roCompatMetadataCsum)
	if o.noCsum {
		put(0x64, roCompatSparseSuper)
	}
	copy(b[0x68:], "migimg test uuid")
	le.PutUint16(b[0xfe:], 64)
	put(0x150, o.blocks>>32)
	b[0x175] = checksumCRC32C
	if o.journal != nil {
		put(0x5c, compatHasJournal)
		put(0x60, incompat64Bit|incompatFlexBG|incompatRecover|0x2|0x40)
		put(0xe0, 8)
	}
	s := &synth{super: b, home: map[int64]int64{}, bitmaps: map[int64][]byte{}, journal: o.journal}
	s.seal()
	if why := s.sb.check(1 << 62); why != "" {
		panic(why)
	}
	sb := s.sb
	s.inodes = make([]byte, sb.tableBlocks()*sb.blockSize)
	s.table = make([]byte, sb.descBl*sb.blockSize)
	t := &table{sb: sb, raw: s.table}
	for g := range sb.groups {
		base := sb.groupStart(g / synthFlex * synthFlex)
		if sb.hasSuper(g / synthFlex * synthFlex) {
			base += 1 + sb.descBl
		}
		if n := min(synthFlex, sb.groups); n > 0 {
			i := g % synthFlex
			d := t.desc(g)
			for k, v := range []int64{base + i, base + n + i, base + 2*n + i*sb.tableBlocks()} {
				le.PutUint32(d[4*k:], uint32(v))
				le.PutUint32(d[0x20+4*k:], uint32(v>>32))
			}
			s.home[base+i] = g
			s.jAt = base + 2*n + n*sb.tableBlocks() // behind all of group 0's
		}
	}
	var extra runs
	if o.journal != nil {
		extra.add(s.journalStart(), int64(len(o.journal))/sb.blockSize)
		s.putInode()
	}
	static, _ := t.static(extra)
	k := 0
	for g := range sb.groups {
		from, to := sb.groupStart(g), sb.groupStart(g)+sb.groupBlocks(g)
		for k < len(static) && static[k].to <= from {
			k++
		}
		plain := (k == len(static) || static[k].from >= to) && to-from == sb.blocksPerGroup
		var bm []byte
		if plain && s.usual != nil {
			bm = s.usual
		} else {
			bm = make([]byte, sb.blockSize)
			for i := range bm {
				bm[i] = byte(i >> 3 & 1 * 0xff) // 64 used, 64 free
			}
			if o.uninit && g > 0 {
				clear(bm)
			}
			for i := k; i < len(static) && static[i].from < to; i++ {
				for n := max(from, static[i].from); n < min(to, static[i].to); n++ {
					bm[(n-from)/8] |= 1 << ((n - from) % 8)
				}
			}
			if plain {
				s.usual = bm
			} else {
				s.bitmaps[g] = bm
			}
		}
		d := t.desc(g)
		free := zeros(bm, sb.groupClusters(g))
		le.PutUint16(d[0xc:], uint16(free))
		le.PutUint16(d[0x2c:], uint16(free>>16))
		if o.uninit && g > 0 {
			le.PutUint16(d[0x12:], flagBlockUninit)
		}
		c := crc32c(sb.seed, bm[:sb.clustersPerGroup/8])
		le.PutUint16(d[0x18:], uint16(c))
		le.PutUint16(d[0x38:], uint16(c>>16))
		le.PutUint16(d[0x1e:], sb.descCsum(g, d))
	}
	return s
}

// seal recomputes the superblock's checksum and what follows from its bytes.
func (s *synth) seal() {
	binary.LittleEndian.PutUint32(s.super[0x3fc:], crc32c(^uint32(0), s.super[:0x3fc]))
	s.sb = parseSuper(s.super)
}

// journalStart leaves room for every inode table of the first flex group.
func (s *synth) journalStart() int64 {
	n := min(synthFlex, s.sb.groups)
	return s.sb.groupStart(0) + 1 + s.sb.descBl + 2*n + n*s.sb.tableBlocks()
}

// putInode makes inode 8 the journal: one extent.
func (s *synth) putInode() {
	le := binary.LittleEndian
	raw := s.inodes[7*256:][:256]
	le.PutUint32(raw[4:], uint32(len(s.journal)))
	le.PutUint32(raw[0x20:], inodeExtents)
	le.PutUint16(raw[0x28:], extentMagic)
	le.PutUint16(raw[0x2a:], 1)
	le.PutUint16(raw[0x2c:], 4)
	le.PutUint16(raw[0x38:], uint16(int64(len(s.journal))/s.sb.blockSize))
	le.PutUint32(raw[0x3c:], uint32(s.journalStart()))
	c := crc32c(s.sb.inodeSeed(8, raw), raw)
	le.PutUint16(raw[0x7c:], uint16(c)) // extra_isize is 0: the lower half only
}

func (s *synth) size() int64 { return s.sb.blocks * s.sb.blockSize }

func (s *synth) volume() blockmap.Volume { return blockmap.Bytes(s, s.size(), 512) }

// ReadAt computes the bytes; reads need not be aligned, but those of bitmaps
// must begin at one.
func (s *synth) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size() {
		return 0, io.EOF
	}
	clear(p)
	overlay := func(at int64, b []byte) {
		if from, to := max(off, at), min(off+int64(len(p)), at+int64(len(b))); from < to {
			copy(p[from-off:to-off], b[from-at:])
		}
	}
	bs := s.sb.blockSize
	overlay(superOffset, s.super)
	overlay((s.sb.superBlock()+1)*bs, s.table)
	if s.journal != nil {
		overlay(s.journalStart()*bs, s.journal)
		overlay(desc(s.table[:64]).inodeTable()*bs, s.inodes)
	}
	for n := int64(0); n < int64(len(p)); n += bs {
		if g, ok := s.home[(off+n)/bs]; ok && (off+n)%bs == 0 {
			bm := s.bitmaps[g]
			if bm == nil {
				bm = s.usual
			}
			copy(p[n:], bm)
		}
	}
	return len(p), nil
}

// bytes is the whole image.
func (s *synth) bytes() []byte {
	b := make([]byte, s.size())
	for at := int64(0); at < s.size(); at += s.sb.blockSize {
		_, _ = s.ReadAt(b[at:at+s.sb.blockSize], at)
	}
	return b
}

func small(journal []byte) *synth {
	return newSynth(synthOptions{blockSize: 1024, blocks: 3*512 + 101, perGroup: 512, inodes: 16, journal: journal})
}

// counter is a Sink that counts.
type counter struct{ bytes, calls, end int64 }

func (c *counter) Free(off, n int64) error {
	c.bytes += n
	c.calls++
	c.end = off + n
	return nil
}

func (*counter) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (c *counter) Nested(string, blockmap.Volume) error { return nil }

func TestSynth(t *testing.T) {
	for _, c := range []struct {
		name string
		s    *synth
	}{
		{"small", small(nil)},
		{"small journal", small(emptyJournal(64))},
		{"8 GiB", newSynth(synthOptions{blockSize: 4096, blocks: 2<<20 + 5000, perGroup: 32768, inodes: 8192})},
		{"8 GiB uninit", newSynth(synthOptions{blockSize: 4096, blocks: 2<<20 + 5000, perGroup: 32768, inodes: 8192, uninit: true})},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k counter
			r, err := Scanner{Replay: true}.Scan(context.Background(), c.s.volume(), &k)
			if err != nil || r.Whole != "" {
				t.Fatalf("%+v, %v", r, err)
			}
			var want int64
			tab := &table{sb: c.s.sb, raw: c.s.table}
			for g := range c.s.sb.groups {
				want += tab.desc(g).free() * c.s.sb.blockSize
			}
			if k.bytes != want || want == 0 {
				t.Errorf("%d bytes are free, the descriptors say %d", k.bytes, want)
			}
		})
	}
}

// The promises: 1 TiB in well under 1 s, 16 TiB in well under 5 s and with less
// than 30 MiB, of which all allocation is an upper bound.
func BenchmarkScan(b *testing.B) {
	for _, c := range []struct {
		name   string
		blocks int64
		uninit bool
	}{
		{"1TiB", 1 << 28, false},
		{"16TiB", 1<<32 - 1, false},
		{"16TiB-uninit", 1<<32 - 1, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newSynth(synthOptions{blockSize: 4096, blocks: c.blocks, perGroup: 32768, inodes: 8192, uninit: c.uninit})
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				var k counter
				if r, err := (Scanner{Replay: true}).Scan(context.Background(), s.volume(), &k); err != nil || r.Whole != "" {
					b.Fatal(r, err)
				}
			}
		})
	}
}
