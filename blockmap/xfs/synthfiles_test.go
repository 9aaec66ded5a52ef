package xfs

import (
	"encoding/binary"
	"math/bits"
)

// What follows group 0 of a synth with files has, in blocks.
const (
	synthInobt  = 12
	synthChunk  = 32 // to 63
	synthDir    = 64
	synthLeaves = 66 // two of a file's tree
	synthData   = 100
)

// summed is bytes with a checksum: in block no, n bytes from off on.
type summed struct {
	no, off, n int64
	at         int
}

// withFiles adds trees of inodes, and to group 0 some files:
//
//	0 /            1 /two: two extents of 3 and 2 blocks, the second not written yet
//	2 /dir         3 /dir/tree: a tree of 2 blocks and 4 extents
//	4 /dir/link    5 /dir/empty   6 /dir/quota   7 free   8 /n\xff/: a ring: /dir
func (s *synth) withFiles() *synth {
	b, be := s.block(0), binary.BigEndian
	size := s.inodeSize()
	perBlock := bits.Len64(uint64(s.blockSize/size)) - 1
	be.PutUint64(b[56:], uint64(s.ino(0)))
	be.PutUint64(b[64:], 1<<64-1)
	be.PutUint64(b[72:], 1<<64-1)
	be.PutUint16(b[104:], uint16(size))
	be.PutUint16(b[106:], uint16(s.blockSize/size))
	b[122], b[123] = byte(bits.Len64(uint64(size))-1), byte(perBlock)
	be.PutUint64(b[160:], uint64(s.ino(6)))
	if s.v4 {
		be.PutUint32(b[200:], be.Uint32(b[200:])|0x200) // FTYPE
	}
	for g := range s.tree {
		s.emptyInobt(int64(g))
	}
	leaf := s.block(synthInobt)
	be.PutUint16(leaf[6:], 1)
	r := leaf[s.header():]
	be.PutUint32(r, uint32(s.ino(0)))
	be.PutUint32(r[4:], 64-8)
	if !s.v4 {
		be.PutUint32(r[4:], 64<<8|64-8)
	}
	be.PutUint64(r[8:], ^uint64(0x17f))
	be.PutUint32(s.agi(0)[16:], 64)
	be.PutUint32(s.agi(0)[28:], 64-8)

	root := s.inode(0, 0x41ed, formatLocal)
	fork := root[s.core():]
	n := copy(fork, shortDir(s.ino(0), "two", 1, s.ino(1), "dir", 2, s.ino(2)))
	be.PutUint64(root[56:], uint64(n))
	two := s.inode(1, 0x81a4, formatExtents)
	s.records(two, two[s.core():], [3]int64{0, synthData, 3}, [3]int64{5 | 1<<54, synthData + 10, 2})
	dir := s.inode(2, 0x41ed, formatExtents)
	s.records(dir, dir[s.core():], [3]int64{0, synthDir, 1})
	be.PutUint64(dir[56:], uint64(s.blockSize))
	s.dirBlock()
	s.treeFile()
	s.inode(4, 0xa1ff, formatLocal)
	s.inode(5, 0x81a4, formatExtents)
	quota := s.inode(6, 0x8000, formatExtents)
	s.records(quota, quota[s.core():], [3]int64{0, synthData + 60, 1})
	ring := s.inode(8, 0x41ed, formatLocal)
	n = copy(ring[s.core():], shortDir(s.ino(2), "dir", 2, s.ino(2)))
	be.PutUint64(ring[56:], uint64(n))
	s.seal()
	return s
}

func (s *synth) inodeSize() int64 {
	if s.v4 {
		return 256
	}
	return 512
}

func (s *synth) core() int {
	if s.v4 {
		return coreV2
	}
	return coreV3
}

// ino is the number of the i-th inode of the chunk.
func (s *synth) ino(i int64) int64 { return synthChunk*s.blockSize/s.inodeSize() + i }

func (s *synth) agi(g int64) []byte { return s.sectorOf(g, 2) }

func (s *synth) emptyInobt(g int64) {
	be, agi, b := binary.BigEndian, s.agi(g), s.block(g*s.perGroup+synthInobt)
	copy(agi, agiMagic)
	for off, v := range map[int]int64{4: 1, 8: g, 12: min(s.perGroup, s.blocks-g*s.perGroup), 20: synthInobt, 24: 1} {
		be.PutUint32(agi[off:], uint32(v))
	}
	copy(b, inobt.magicV4)
	be.PutUint32(b[8:], noSibling)
	be.PutUint32(b[12:], noSibling)
	if s.v4 {
		return
	}
	copy(agi[296:], "migimg test uuid")
	copy(b, inobt.magicV5)
	be.PutUint64(b[16:], uint64((g*s.perGroup+synthInobt)*s.blockSize/512))
	copy(b[32:], "migimg test uuid")
	be.PutUint32(b[48:], uint32(g))
	at := (g*s.perGroup*s.blockSize + 2*s.sector)
	s.sums = append(s.sums, summed{at / s.blockSize, at % s.blockSize, s.sector, crcAGI},
		summed{g*s.perGroup + synthInobt, 0, s.blockSize, crcTree})
}

// inode makes the i-th inode of the chunk.
func (s *synth) inode(i int64, mode uint16, format byte) []byte {
	be := binary.BigEndian
	b := s.inodeBytes(i)
	put16(b, 0, inodeMagic)
	put16(b, 2, mode)
	b[4], b[5] = 2, format
	if !s.v4 {
		b[4] = 3
		be.PutUint64(b[152:], uint64(s.ino(i)))
		copy(b[160:], "migimg test uuid")
		at := i * s.inodeSize()
		s.sums = append(s.sums, summed{synthChunk + at/s.blockSize, at % s.blockSize, s.inodeSize(), crcInode})
	}
	return b
}

func (s *synth) inodeBytes(i int64) []byte {
	at := i * s.inodeSize()
	return s.block(synthChunk + at/s.blockSize)[at%s.blockSize:][:s.inodeSize()]
}

// records writes records of the block of the file, that of the volume, and
// length, and what the inode in b counts of them.
func (s *synth) records(b, to []byte, all ...[3]int64) {
	blocks := uint64(0)
	for i, x := range all {
		put64(to, 16*i, uint64(x[0])<<9|uint64(x[1])>>43)
		put64(to, 16*i+8, uint64(x[1])<<21|uint64(x[2]))
		blocks += uint64(x[2])
	}
	put32(b, 76, get32(b, 76)+uint32(len(all)))
	put64(b, 64, binary.BigEndian.Uint64(b[64:])+blocks)
}

// treeFile makes inode 3, whose extents are in two blocks.
func (s *synth) treeFile() {
	be := binary.BigEndian
	b := s.inode(3, 0x81a4, formatTree)
	root := b[s.core():]
	put16(root, 0, 1)
	put16(root, 2, 2)
	room := (len(root) - 4) / 16
	for i := range int64(2) {
		put64(root, 4+8*int(i), uint64(20*i))
		put64(root, 4+8*room+8*int(i), uint64(synthLeaves+i))
		l := s.block(synthLeaves + i)
		header := bmbtHeaderV4
		copy(l, bmbtMagicV4)
		put16(l, 6, 2)
		put64(l, 8, noBlock)
		put64(l, 16, noBlock)
		if i == 1 {
			put64(l, 8, synthLeaves)
		} else {
			put64(l, 16, synthLeaves+1)
		}
		if !s.v4 {
			header = bmbtHeaderV5
			copy(l, bmbtMagicV5)
			be.PutUint64(l[24:], uint64((synthLeaves+i)*s.blockSize/512))
			copy(l[40:], "migimg test uuid")
			be.PutUint64(l[56:], uint64(s.ino(3)))
			s.sums = append(s.sums, summed{synthLeaves + i, 0, s.blockSize, crcBmbt})
		}
		s.records(b, l[header:], [3]int64{20 * i, synthData + 20 + 10*i, 2}, [3]int64{20*i + 4, synthData + 40 + 10*i, 3})
	}
	put64(b, 64, be.Uint64(b[64:])+2)
}

// dirBlock makes the only block of inode 2.
func (s *synth) dirBlock() {
	be := binary.BigEndian
	b := s.block(synthDir)
	header := dirHeaderV4
	copy(b, dirBlockV4)
	if !s.v4 {
		header = dirHeaderV5
		copy(b, dirBlockV5)
		be.PutUint64(b[8:], uint64(synthDir*s.blockSize/512))
		copy(b[24:], "migimg test uuid")
		be.PutUint64(b[40:], uint64(s.ino(2)))
		s.sums = append(s.sums, summed{synthDir, 0, s.blockSize, crcDir})
	}
	at := header
	for _, e := range []struct {
		name string
		kind byte
		ino  int64
	}{{".", 2, 2}, {"..", 2, 0}, {"tree", 1, 3}, {"link", 7, 4}, {"empty", 1, 5}, {"quota", 1, 6}, {"n\xff", 2, 8}, {"two again", 1, 1}} {
		if e.name == "link" { // something free in between
			put16(b, at, 0xffff)
			put16(b, at+2, 24)
			at += 24
		}
		put64(b, at, uint64(s.ino(e.ino)))
		b[at+8] = byte(len(e.name))
		copy(b[at+9:], e.name)
		b[at+9+len(e.name)] = e.kind
		at += (9 + len(e.name) + 1 + 2 + 7) &^ 7
	}
	const index = 9
	end := len(b) - 8 - 8*index
	put16(b, at, 0xffff)
	put16(b, at+2, uint16(end-at))
	put32(b, len(b)-8, index)
}

// shortDir is a directory that lies in its inode: names, kinds and inodes.
func shortDir(parent int64, entries ...any) []byte {
	b := []byte{byte(len(entries) / 3), 0}
	b = binary.BigEndian.AppendUint32(b, uint32(parent))
	for i := 0; i < len(entries); i += 3 {
		name := entries[i].(string)
		b = append(b, byte(len(name)), 0, 0)
		b = append(append(b, name...), byte(entries[i+1].(int)))
		b = binary.BigEndian.AppendUint32(b, uint32(entries[i+2].(int64)))
	}
	return b
}
