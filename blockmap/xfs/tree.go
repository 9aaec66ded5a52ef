package xfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"migimg/blockmap"
)

// A block of the tree, big-endian (kernel, fs/xfs/libxfs/xfs_format.h, struct
// xfs_btree_block; offsets in bytes):
//
//	0 magic            4 level (16 bits) 6 numrecs (16)
//	8 left sibling     12 right sibling
//
// In version 5 follow 16 blkno (64 bits, in units of 512 bytes), 24 lsn (64),
// 32 uuid[16], 48 owner, 52 crc. Blocks of level 0, the leaves, have records.
// The others have room for keys, which are the beginning of the first record
// below, and behind all of it for pointers of 32 bits.
const (
	headerV4, headerV5 = 16, 56
	crcTree            = 52
	noSibling          = 1<<32 - 1

	// maxTree bounds the blocks of a tree that are kept track of: with blocks of
	// 4 KiB, a group of 1 TiB with every other block free has 265 000.
	maxTree = 2 << 20
)

// kind is what tells the trees of a group apart. Sizes are in bytes.
type kind struct {
	name             string // as xfs_db calls it
	magicV4, magicV5 string
	key, record      int
}

// bnobt is the tree of free extents by place. Its records are 32 bits of first
// block and 32 of length.
var bnobt = kind{"bnobt", "ABTB", "AB3B", 8, 8}

// walk goes through a group's tree, level by level from the root: so each
// block's siblings, and all blocks that the tree takes, are known before the
// first record is believed.
type walk struct {
	f      *fsys
	g      *group
	kind   kind
	level  int64
	blocks []uint32 // of this level, in order
	keys   []uint32 // the first block, or inode, of what is below each; nil for the root
}

// toLeaves goes down to the leaves. It returns others, blocks of other uses, and
// the tree's blocks, sorted, once it is sure that none has two uses.
func (w *walk) toLeaves(ctx context.Context, others []uint32) ([]uint32, error) {
	used := slices.Clone(others)
	for ; w.level > 0; w.level-- {
		used = append(used, w.blocks...)
		if len(used) > maxTree {
			return nil, w.tooLarge()
		}
		if err := w.descend(ctx); err != nil {
			return nil, err
		}
	}
	used = append(used, w.blocks...)
	slices.Sort(used)
	for i := range used[1:] {
		if used[i] == used[i+1] {
			return nil, fmt.Errorf("xfs: AG %d: block %d has two uses: run xfs_repair", w.g.no, used[i])
		}
	}
	return used, nil
}

func (w *walk) tooLarge() error {
	return fmt.Errorf("xfs: AG %d: the %s has more than the %d blocks that are read", w.g.no, w.kind.name, maxTree)
}

// freeGroup frees the group's free extents.
func (f *fsys) freeGroup(ctx context.Context, g *group, s blockmap.Sink) error {
	w := &walk{f: f, g: g, kind: bnobt, level: g.levels - 1, blocks: []uint32{uint32(g.rootBlock)}}
	used, err := w.toLeaves(ctx, g.inUse)
	if err != nil {
		return err
	}
	g.inUse = used
	l := &leaves{walk: w, used: used, sink: s, end: f.sb.headerBlocks}
	if err := w.eachBlock(ctx, l.leaf); err != nil {
		return err
	}
	if l.total != g.freeBlocks || l.longest != g.longest {
		return fmt.Errorf("xfs: AG %d: the bnobt has %d free blocks, %d of them together, the AGF says %d and %d: run xfs_repair", g.no, l.total, l.longest, g.freeBlocks, g.longest)
	}
	return nil
}

// bad says what is wrong with the i-th block of the level.
func (w *walk) bad(i int, format string, args ...any) error {
	no := int64(w.blocks[i])
	return fmt.Errorf("xfs: AG %d: %s block %d at byte %d: %s: run xfs_repair",
		w.g.no, w.kind.name, no, w.f.sb.offset(w.g.no, no), fmt.Sprintf(format, args...))
}

// sibling is the number of the level's i-th block, as its neighbours call it.
func (w *walk) sibling(i int) uint32 {
	if i < 0 || i >= len(w.blocks) {
		return noSibling
	}
	return w.blocks[i]
}

// open verifies the level's i-th block and returns its number of records and
// what follows the header.
func (w *walk) open(i int, b []byte) (n int, body []byte, err error) {
	s, be := w.f.sb, binary.BigEndian
	magic, header := w.kind.magicV4, headerV4
	if s.version == 5 {
		magic, header = w.kind.magicV5, headerV5
	}
	if string(b[:4]) != magic {
		return 0, nil, w.bad(i, "no magic number")
	}
	if s.version == 5 {
		place := s.offset(w.g.no, int64(w.blocks[i])) / 512
		switch why := sumIsWrong(b, crcTree); {
		case why != "":
			return 0, nil, w.bad(i, "%s", why)
		case be.Uint64(b[16:]) != uint64(place):
			return 0, nil, w.bad(i, "it says that it lies at sector %d", be.Uint64(b[16:]))
		case !bytes.Equal(b[32:48], s.metaUUID):
			return 0, nil, w.bad(i, "it is that of another filesystem")
		case int64(be.Uint32(b[48:])) != w.g.no:
			return 0, nil, w.bad(i, "it is that of AG %d", be.Uint32(b[48:]))
		}
	}
	n, body = int(be.Uint16(b[6:])), b[header:]
	size := w.kind.record
	if w.level > 0 {
		size = w.kind.key + 4
	}
	switch {
	case int64(be.Uint16(b[4:])) != w.level:
		return 0, nil, w.bad(i, "it is of level %d, must be of %d", be.Uint16(b[4:]), w.level)
	case n > len(body)/size || n == 0 && (w.level > 0 || w.keys != nil):
		return 0, nil, w.bad(i, "impossible number of records %d", n)
	case be.Uint32(b[8:]) != w.sibling(i-1) || be.Uint32(b[12:]) != w.sibling(i+1):
		return 0, nil, w.bad(i, "siblings are %#x and %#x, must be %#x and %#x", be.Uint32(b[8:]), be.Uint32(b[12:]), w.sibling(i-1), w.sibling(i+1))
	case w.keys != nil && be.Uint32(body) != w.keys[i]:
		return 0, nil, w.bad(i, "its first key is %d, must be %d", be.Uint32(body), w.keys[i])
	}
	return n, body, nil
}

// descend replaces the level's blocks with those of the level below.
func (w *walk) descend(ctx context.Context) error {
	var blocks, keys []uint32
	err := w.eachBlock(ctx, func(i int, b []byte) error {
		n, body, err := w.open(i, b)
		if err != nil {
			return err
		}
		size := w.kind.key
		pointers := body[len(body)/(size+4)*size:]
		for k := range n {
			key, to := binary.BigEndian.Uint32(body[size*k:]), binary.BigEndian.Uint32(pointers[4*k:])
			switch {
			case len(keys) > 0 && key <= keys[len(keys)-1]:
				return w.bad(i, "keys are not in order")
			case !w.g.holds(w.f.sb, int64(to)):
				return w.bad(i, "impossible pointer %d", to)
			case len(blocks) >= maxTree:
				return w.tooLarge()
			}
			blocks, keys = append(blocks, to), append(keys, key)
		}
		return nil
	})
	w.blocks, w.keys = blocks, keys
	return err
}

// leaves takes the records.
type leaves struct {
	*walk
	used           []uint32 // blocks that no record may hold, sorted
	sink           blockmap.Sink
	end            int64 // of the last record
	total, longest int64
}

// leaf frees the records of the level's i-th block.
func (l *leaves) leaf(i int, b []byte) error {
	n, body, err := l.open(i, b)
	if err != nil {
		return err
	}
	s := l.f.sb
	for k := range n {
		from, length := int64(binary.BigEndian.Uint32(body[8*k:])), int64(binary.BigEndian.Uint32(body[8*k+4:]))
		to := from + length
		if from < l.end || length == 0 || to > l.g.blocks {
			return l.bad(i, "free extent of %d blocks at %d, where %d to %d is possible", length, from, l.end, l.g.blocks)
		}
		for len(l.used) > 0 && int64(l.used[0]) < from {
			l.used = l.used[1:]
		}
		if len(l.used) > 0 && int64(l.used[0]) < to {
			return l.bad(i, "block %d is free and in use", l.used[0])
		}
		if group, at := s.logPlace(); group == l.g.no && from < at+s.logBlocks && at < to {
			return l.bad(i, "free extent of %d blocks at %d, in the log", length, from)
		}
		if err := l.sink.Free(s.offset(l.g.no, from), length*s.blockSize); err != nil {
			return err
		}
		l.end = to
		l.total += length
		l.longest = max(l.longest, length)
	}
	return nil
}
