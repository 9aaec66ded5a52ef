package xfs

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"migimg/blockmap"
)

// synth is a small filesystem of which only the blocks that are not zeros are
// kept, for what needs no oracle: each single thing that may be wrong.
type synth struct {
	synthOptions
	at   map[int64][]byte // blocks, by number from the volume's start
	tree [][]int64        // the blocks of each group's tree, root first
	free []blockmap.Range // bytes
	sums []summed         // what has checksums besides
}

type synthOptions struct {
	v4                bool
	blockSize, sector int64
	perGroup, blocks  int64 // blocks of a group, of the filesystem
	perBlock          int   // records, or pointers, in a block of the tree
	extents           int64 // free ones in a group; 0: one large one
}

const (
	synthLog   = 80 // blocks of the log, which ends group 0
	synthFirst = 200
	synthAGFL  = 4
)

func newSynth(o synthOptions) *synth {
	s := &synth{synthOptions: o, at: map[int64][]byte{}}
	groups := (o.blocks + o.perGroup - 1) / o.perGroup
	s.tree = make([][]int64, groups)
	be := binary.BigEndian
	b := s.block(0)
	copy(b, superMagic)
	be.PutUint32(b[4:], uint32(o.blockSize))
	be.PutUint64(b[8:], uint64(o.blocks))
	copy(b[32:], "migimg test uuid")
	be.PutUint64(b[48:], uint64(s.logStart()))
	be.PutUint32(b[84:], uint32(o.perGroup))
	be.PutUint32(b[88:], uint32(groups))
	be.PutUint32(b[96:], synthLog)
	be.PutUint16(b[100:], 0xb4a4)
	be.PutUint16(b[102:], uint16(o.sector))
	copy(b[108:], "a label")
	b[120], b[121] = byte(bits.Len64(uint64(o.blockSize-1))), byte(bits.Len64(uint64(o.sector-1)))
	b[124] = byte(bits.Len64(uint64(o.perGroup - 1)))
	be.PutUint32(b[200:], 0x8a)
	if !o.v4 {
		be.PutUint16(b[100:], 0xb4a5)
		be.PutUint32(b[200:], 0x18a)
		be.PutUint32(b[212:], 0x5) // FINOBT, REFLINK
		be.PutUint32(b[216:], 0x3) // FTYPE, SPARSE_INODES
	}
	total := uint64(0)
	for g := range groups {
		total += s.group(g)
	}
	be.PutUint64(b[144:], total)
	s.logClean(0, 1, 0)
	s.seal()
	return s
}

// group fills group g and returns its free blocks as the superblock counts them.
func (s *synth) group(g int64) uint64 {
	be := binary.BigEndian
	length := min(s.perGroup, s.blocks-g*s.perGroup)
	end := length
	if g == 0 {
		end -= synthLog
	}
	type extent struct{ from, n int64 }
	extents := []extent{{synthFirst, end - synthFirst}}
	if s.extents > 0 {
		extents = nil
		for i := range s.extents {
			extents = append(extents, extent{synthFirst + 4*i, 1 + i%3})
		}
	}
	hb := s.headerBlocks()
	// Leaves, then the levels above. Blocks are taken downwards, so that
	// neighbours in the tree are none on the disk.
	next := int64(synthFirst - 1)
	var free, longest int64
	var blocks, keys []int64
	for i := 0; i < len(extents); i += s.perBlock {
		part := extents[i:min(len(extents), i+s.perBlock)]
		b := s.block(g*s.perGroup + next)
		be.PutUint16(b[6:], uint16(len(part)))
		for k, x := range part {
			be.PutUint32(b[s.header()+8*k:], uint32(x.from))
			be.PutUint32(b[s.header()+8*k+4:], uint32(x.n))
			s.free = append(s.free, blockmap.Range{Off: (g*s.perGroup + x.from) * s.blockSize, Len: x.n * s.blockSize})
			free += x.n
			longest = max(longest, x.n)
		}
		blocks, keys = append(blocks, next), append(keys, part[0].from)
		next--
	}
	levels := 1
	s.siblings(g, blocks, 0)
	for ; len(blocks) > 1; levels++ {
		var up, upKeys []int64
		room := (int(s.blockSize) - s.header()) / 12
		for i := 0; i < len(blocks); i += s.perBlock {
			b := s.block(g*s.perGroup + next)
			n := min(s.perBlock, len(blocks)-i)
			be.PutUint16(b[6:], uint16(n))
			for k := range n {
				be.PutUint32(b[s.header()+8*k:], uint32(keys[i+k]))
				be.PutUint32(b[s.header()+8*room+4*k:], uint32(blocks[i+k]))
			}
			up, upKeys = append(up, next), append(upKeys, keys[i])
			next--
		}
		blocks, keys = up, upKeys
		s.siblings(g, blocks, levels)
	}
	if next < hb+10 {
		panic("the tree is too large")
	}
	agf := s.block(g * s.perGroup)
	if s.blockSize == s.sector {
		agf = s.block(g*s.perGroup + 1)
	} else {
		agf = agf[s.sector:]
	}
	copy(agf, agfMagic)
	for off, v := range map[int]int64{
		4: 1, 8: g, 12: length, 16: blocks[0], 20: hb, 28: int64(levels), 32: 1, 88: hb + 1,
		40: 0, 44: synthAGFL - 1, 48: synthAGFL, 52: free, 56: longest, 60: 7,
	} {
		be.PutUint32(agf[off:], uint32(v))
	}
	agfl := s.agfl(g)
	list := agfl
	if !s.v4 {
		copy(agf[64:], "migimg test uuid")
		copy(agfl, agflMagic)
		be.PutUint32(agfl[4:], uint32(g))
		copy(agfl[8:], "migimg test uuid")
		list = agfl[agflHeader:]
	}
	for i := range synthAGFL {
		be.PutUint32(list[4*i:], uint32(hb+2)+uint32(i))
	}
	return uint64(free + synthAGFL + 7)
}

// siblings fills in what all blocks of a level have.
func (s *synth) siblings(g int64, blocks []int64, level int) {
	be := binary.BigEndian
	for i, no := range blocks {
		b := s.block(g*s.perGroup + no)
		copy(b, bnobt.magicV4)
		be.PutUint16(b[4:], uint16(level))
		be.PutUint32(b[8:], noSibling)
		be.PutUint32(b[12:], noSibling)
		if i > 0 {
			be.PutUint32(b[8:], uint32(blocks[i-1]))
		}
		if i+1 < len(blocks) {
			be.PutUint32(b[12:], uint32(blocks[i+1]))
		}
		if !s.v4 {
			copy(b, bnobt.magicV5)
			be.PutUint64(b[16:], uint64((g*s.perGroup+no)*s.blockSize/512))
			copy(b[32:], "migimg test uuid")
			be.PutUint32(b[48:], uint32(g))
		}
	}
	s.tree[g] = append(append([]int64{}, blocks...), s.tree[g]...)
}

func (s *synth) header() int {
	if s.v4 {
		return headerV4
	}
	return headerV5
}

func (s *synth) headerBlocks() int64 { return (4*s.sector + s.blockSize - 1) / s.blockSize }

// logStart is the log's first block. With one number for a block of the
// filesystem and of group 0.
func (s *synth) logStart() int64 { return min(s.perGroup, s.blocks) - synthLog }

// block is a block's bytes, which can be changed.
func (s *synth) block(no int64) []byte {
	b := s.at[no]
	if b == nil {
		b = make([]byte, s.blockSize)
		s.at[no] = b
	}
	return b
}

// sectorOf is a sector of group g.
func (s *synth) sectorOf(g, n int64) []byte {
	off := g*s.perGroup*s.blockSize + n*s.sector
	return s.block(off / s.blockSize)[off%s.blockSize:][:s.sector]
}

func (s *synth) agf(g int64) []byte  { return s.sectorOf(g, 1) }
func (s *synth) agfl(g int64) []byte { return s.sectorOf(g, 3) }

// node is the i-th block of the tree of group g.
func (s *synth) node(g int64, i int) []byte { return s.block(g*s.perGroup + s.tree[g][i]) }

// leaf is the i-th leaf of the tree of group g.
func (s *synth) leaf(g int64, i int) []byte {
	leaves := (int(max(1, s.extents)) + s.perBlock - 1) / s.perBlock
	return s.node(g, len(s.tree[g])-leaves+i)
}

// seal makes all checksums right.
func (s *synth) seal() {
	if s.v4 {
		return
	}
	put := func(b []byte, at int) { binary.LittleEndian.PutUint32(b[at:], sumOf(b, at)) }
	put(s.sectorOf(0, 0), crcSuper)
	for g, tree := range s.tree {
		put(s.agf(int64(g)), crcAGF)
		put(s.agfl(int64(g)), crcAGFL)
		for i := range tree {
			put(s.node(int64(g), i), crcTree)
		}
	}
	for _, x := range s.sums {
		put(s.block(x.no)[x.off:][:x.n], x.at)
	}
}

// logAt is a block of 512 bytes of the log.
func (s *synth) logAt(at int64) []byte {
	off := s.logStart()*s.blockSize + at%s.logSize()*512
	return s.block(off / s.blockSize)[off%s.blockSize:][:512]
}

func (s *synth) logSize() int64 { return synthLog * s.blockSize / 512 }

// logClean writes a log whose last record is an unmount record at a position,
// with the lap of the blocks before and of those behind it.
func (s *synth) logClean(at int64, cycle, behind uint32) {
	head := at + 2
	wrapped := head > s.logSize()
	for i := range s.logSize() {
		c := behind
		if wrapped && i < head-s.logSize() || !wrapped && i < head {
			c = cycle
		}
		b := s.logAt(i)
		clear(b)
		binary.BigEndian.PutUint32(b, c)
	}
	if wrapped {
		cycle = behind
	}
	s.record(at, cycle, 1, 32<<10)
	op := s.logAt(at + 1)
	op[opClient], op[opFlags] = clientLog, flagUnmount
}

// record writes the header of a record of data blocks.
func (s *synth) record(at int64, cycle uint32, data, buffer int64) []byte {
	be := binary.BigEndian
	b := s.logAt(at)
	be.PutUint32(b, recordMagic)
	be.PutUint32(b[4:], cycle)
	be.PutUint32(b[8:], 2)
	be.PutUint32(b[12:], uint32(data*512))
	be.PutUint64(b[16:], uint64(cycle)<<32|uint64(at%s.logSize()))
	be.PutUint32(b[40:], 1)
	copy(b[304:], "migimg test uuid")
	be.PutUint32(b[320:], uint32(buffer))
	return b
}

func (s *synth) size() int64 { return s.blocks * s.blockSize }

func (s *synth) ReadAt(p []byte, off int64) (int, error) {
	for n := int64(0); n < int64(len(p)); {
		no, in := (off+n)/s.blockSize, (off+n)%s.blockSize
		part := p[n:min(int64(len(p)), n+s.blockSize-in)]
		if b := s.at[no]; b != nil {
			copy(part, b[in:])
		} else {
			clear(part)
		}
		n += int64(len(part))
	}
	return len(p), nil
}

func (s *synth) clone() *synth {
	c := *s
	c.at = make(map[int64][]byte, len(s.at))
	for no, b := range s.at {
		c.at[no] = bytes.Clone(b)
	}
	return &c
}

func (s *synth) volume() blockmap.Volume { return blockmap.Bytes(s, s.size(), 512) }

// Four levels in each group, and a short last group.
func deep() *synth {
	return newSynth(synthOptions{blockSize: 4096, sector: 512, perGroup: 4096, blocks: 2*4096 + 1200, perBlock: 4, extents: 100})
}

func flat() *synth {
	return newSynth(synthOptions{blockSize: 4096, sector: 512, perGroup: 4096, blocks: 4096, perBlock: 4})
}

func old() *synth {
	return newSynth(synthOptions{v4: true, blockSize: 512, sector: 512, perGroup: 32768, blocks: 32768, perBlock: 5, extents: 99})
}
