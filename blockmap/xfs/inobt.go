package xfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The AGI, the third sector of a group, big-endian (kernel,
// fs/xfs/libxfs/xfs_format.h, struct xfs_agi; offsets in bytes):
//
//	0 magic     4 version    8 seqno    12 length (blocks)  16 count
//	20 root     24 level     28 freecount                   296 uuid[16]  312 crc
//
// It names the root of the tree of the group's inodes. A record of that is for 64
// inodes that lie together: 0 number of the first in the group, 8 mask of those
// that are free (64 bits), and between them 4 the number of the free ones (32
// bits), or, with sparse inodes, 4 a mask in which a bit is for four inodes that
// are not there (16), 6 the number of inodes (8), 7 that of the free ones (8).
const (
	agiMagic       = "XAGI"
	crcAGI         = 312
	incompatSparse = 0x2

	inodesInChunk = 64
	inodesInBit   = 4 // of the mask of a sparse chunk
)

var inobt = kind{"inobt", "IABT", "IAB3", 4, 16}

// chunk is the inodes of one record of the tree, those that are not free.
type chunk struct {
	ino  uint64 // of the first
	at   int64  // its byte of the volume
	used uint64 // a bit for each inode
}

// first and end are the bytes of the volume between which the chunk's inodes are.
func (c chunk) first(size int64) int64 { return c.at + int64(bits.TrailingZeros64(c.used))*size }
func (c chunk) end(size int64) int64   { return c.at + int64(bits.Len64(c.used))*size }

// inodeChunks lists the group's inodes: chunks of those in use, ascending, and in
// t the places of all. With an error, chunks are those found before, of which
// nothing may be believed.
func (f *fsys) inodeChunks(ctx context.Context, g *group, t taken) ([]chunk, taken, error) {
	s, be := f.sb, binary.BigEndian
	b := g.head[2*s.sector:][:s.sector]
	u32 := func(off int) int64 { return int64(be.Uint32(b[off:])) }
	bad := func(format string, args ...any) error {
		return fmt.Errorf("xfs: AG %d: AGI: %s: run xfs_repair", g.no, fmt.Sprintf(format, args...))
	}
	if string(b[:4]) != agiMagic || u32(4) != 1 {
		return nil, t, bad("no magic number")
	}
	if s.version == 5 {
		if why := sumIsWrong(b, crcAGI); why != "" {
			return nil, t, bad("%s", why)
		}
		if !bytes.Equal(b[296:312], s.metaUUID) {
			return nil, t, bad("it is that of another filesystem")
		}
	}
	switch {
	case u32(8) != g.no:
		return nil, t, bad("it is that of AG %d", u32(8))
	case u32(12) != g.blocks:
		return nil, t, bad("the group has %d blocks, must have %d", u32(12), g.blocks)
	case u32(24) < 1 || u32(24) > maxLevels || !g.holds(s, u32(20)):
		return nil, t, bad("impossible tree of %d levels from block %d on", u32(24), u32(20))
	}
	w := &walk{f: f, g: g, kind: inobt, level: u32(24) - 1, blocks: []uint32{uint32(u32(20))}}
	used, err := w.toLeaves(ctx, g.inUse)
	if err != nil {
		return nil, t, err
	}
	l := &inodeLeaves{walk: w, taken: t}
	if err := w.eachBlock(ctx, l.leaf); err != nil {
		return l.chunks, l.taken, err
	}
	if l.count != u32(16) || l.free != u32(28) {
		return l.chunks, l.taken, bad("the inobt has %d inodes, %d of them free, it says %d and %d", l.count, l.free, u32(16), u32(28))
	}
	g.inUse = used
	return l.chunks, l.taken, nil
}

// inodeLeaves takes the records.
type inodeLeaves struct {
	*walk
	chunks      []chunk
	taken       taken
	end         int64 // of the last record, an inode of the group
	count, free int64
}

func (l *inodeLeaves) leaf(i int, b []byte) error {
	n, body, err := l.open(i, b)
	if err != nil {
		return err
	}
	s, in, be := l.f.sb, l.f.inodes, binary.BigEndian
	for k := range n {
		r := body[16*k:]
		first, free, here := int64(be.Uint32(r)), be.Uint64(r[8:]), ^uint64(0)
		count, nfree := int64(inodesInChunk), int64(be.Uint32(r[4:]))
		if s.incompat&incompatSparse != 0 {
			count, nfree = int64(r[6]), int64(r[7])
			holes := be.Uint16(r[4:])
			for bit := range 16 {
				if holes&(1<<bit) != 0 {
					here &^= (1<<inodesInBit - 1) << (bit * inodesInBit)
				}
			}
		}
		if count != int64(bits.OnesCount64(here)) || nfree != int64(bits.OnesCount64(free&here)) || here == 0 {
			return l.bad(i, "impossible record of %d inodes from %d on, %d of them free", count, first, nfree)
		}
		lo, hi := first+int64(bits.TrailingZeros64(here)), first+int64(bits.Len64(here))-1
		if first < l.end || lo>>in.perBlock < s.headerBlocks || hi>>in.perBlock >= l.g.blocks {
			return l.bad(i, "impossible inodes %d to %d", lo, hi)
		}
		l.end = first + inodesInChunk
		l.count += count
		l.free += nfree
		at := s.offset(l.g.no, first>>in.perBlock) + first&(1<<in.perBlock-1)*in.size
		for rest := here; rest != 0; {
			from := bits.TrailingZeros64(rest)
			n := bits.TrailingZeros64(^(rest >> from))
			l.taken = l.taken.add(at+int64(from)*in.size, int64(n)*in.size)
			rest &^= (1<<n - 1) << from
		}
		if use := here &^ free; use != 0 {
			l.chunks = append(l.chunks, chunk{uint64(l.g.no)<<(in.perBlock+in.blockBits) | uint64(first), at, use})
		}
	}
	return nil
}
