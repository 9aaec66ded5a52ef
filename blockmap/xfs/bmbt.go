package xfs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// A fork of many extents is a B-tree, whose root lies in the inode, big-endian
// (kernel, fs/xfs/libxfs/xfs_format.h, struct xfs_bmdr_block; offsets in bytes):
//
//	0 level (16)    2 numrecs (16)
//
// Keys of 64 bits follow, each the first block of the file below, and behind the
// room for all of them pointers of 64 bits. The other blocks are
//
//	0 magic         4 level (16)   6 numrecs (16)  8 left (64)  16 right (64)
//
// and in version 5 24 blkno (64, in units of 512 bytes), 32 lsn (64), 40 uuid[16],
// 56 owner (64), 64 crc, 68 padding.
const (
	bmbtMagicV4, bmbtMagicV5   = "BMAP", "BMA3"
	bmbtHeaderV4, bmbtHeaderV5 = 24, 72
	crcBmbt                    = 64
	noBlock                    = 1<<64 - 1
	maxBmbtLevels              = 14 // XFS_BM_MAXLEVELS is lower, whatever the blocks
)

// treeFork is a fork that is a tree, on the way down.
type treeFork struct {
	inode  inode
	level  int      // of blocks
	blocks []uint64 // of this level, in order
	keys   []uint64 // the first block of the file below each
	count  uint64   // of blocks, of all levels
	recs   uint64
	list   extentList
	why    string // what is wrong with it
}

// openTree reads the root.
func (f *fsys) openTree(n inode) (*treeFork, string) {
	be := binary.BigEndian
	if len(n.fork) < 4 {
		return nil, "no room for the root of a tree"
	}
	t := &treeFork{inode: n, level: int(be.Uint16(n.fork)) - 1, list: extentList{f: f}}
	num, body := int(be.Uint16(n.fork[2:])), n.fork[4:]
	if t.level < 0 || t.level > maxBmbtLevels || num < 1 || num > len(body)/16 {
		return nil, fmt.Sprintf("impossible tree of %d levels and %d blocks", t.level+1, num)
	}
	if why := t.children(f, body, num, &t.blocks, &t.keys); why != "" {
		return nil, why
	}
	t.inode.fork = nil // of the buffer of many
	return t, ""
}

// children appends num keys and pointers.
func (t *treeFork) children(f *fsys, body []byte, num int, blocks, keys *[]uint64) string {
	be := binary.BigEndian
	pointers := body[len(body)/16*8:]
	for k := range num {
		key, to := be.Uint64(body[8*k:]), be.Uint64(pointers[8*k:])
		if n := len(*keys); n > 0 && key <= (*keys)[n-1] {
			return "the keys of its tree are not in order"
		}
		if _, ok := f.blocksAt(to, 1); !ok {
			return fmt.Sprintf("impossible pointer %#x in its tree", to)
		}
		*blocks, *keys = append(*blocks, to), append(*keys, key)
	}
	return ""
}

// walkForks reads the trees, level by level, all trees at once. In the end each
// has its extents, or what is wrong with it.
func (f *fsys) walkForks(ctx context.Context, forks []*treeFork) error {
	level, total := -1, 0
	for _, t := range forks {
		level = max(level, t.level)
	}
	for ; level >= 0; level-- {
		var at []forkBlock
		for _, t := range forks {
			if t.why == "" && t.level == level {
				if t.count += uint64(len(t.blocks)); t.count > t.inode.blocks {
					t.why = fmt.Sprintf("a tree of more than the %d blocks that it has", t.inode.blocks)
					continue
				}
				for i := range t.blocks {
					at = append(at, forkBlock{t, i})
				}
			}
		}
		if total += len(at); total > maxTree {
			for _, b := range at {
				b.why = fmt.Sprintf("the trees of files have more than the %d blocks that are read", maxTree)
			}
			return nil
		}
		dropShared(at)
		if err := f.forkLevel(ctx, at); err != nil {
			return err
		}
	}
	for _, t := range forks {
		switch {
		case t.why != "":
		case t.recs != t.inode.nextents:
			t.why = fmt.Sprintf("%d extents, but it says %d", t.recs, t.inode.nextents)
		case t.count+t.list.blocks > t.inode.blocks:
			t.why = fmt.Sprintf("extents of %d blocks, but it has %d", t.count+t.list.blocks, t.inode.blocks)
		}
	}
	return nil
}

// forkBlock is a block of a level.
type forkBlock struct {
	*treeFork
	i int
}

// dropShared drops the trees that share a block: each has one level only and
// belongs to one tree, and so none is read twice.
func dropShared(at []forkBlock) {
	sorted := slices.Clone(at)
	no := func(b forkBlock) uint64 { return b.blocks[b.i] }
	slices.SortFunc(sorted, func(a, b forkBlock) int { return cmp.Compare(no(a), no(b)) })
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1], sorted[i]; no(a) == no(b) {
			why := fmt.Sprintf("block %#x is in two places of trees", no(a))
			a.why, b.why = why, why
		}
	}
}

// forkLevel reads the blocks of one level, which are in the order of their trees,
// and puts those of the level below in their place.
func (f *fsys) forkLevel(ctx context.Context, all []forkBlock) error {
	size := f.sb.blockSize
	n := int(batchBytes / size)
	buf := make([]byte, int64(min(n, len(all)))*size)
	var last *treeFork
	var blocks, keys []uint64 // of the level below, of last
	done := func() {
		if last != nil {
			last.blocks, last.keys = blocks, keys
			last.level--
		}
		blocks, keys = nil, nil
	}
	for ; len(all) > 0; all = all[min(n, len(all)):] {
		batch := all[:min(n, len(all))]
		at := make([]int64, len(batch))
		for i, b := range batch {
			at[i] = inMemory
			if b.why == "" {
				at[i], _ = f.blocksAt(b.blocks[b.i], 1)
			}
		}
		failed, err := f.readBlocks(ctx, at, size, buf)
		if err != nil {
			return err
		}
		for i, b := range batch {
			if b.treeFork != last {
				done()
				last = b.treeFork
			}
			switch {
			case b.why != "":
			case failed != nil && failed[i] != nil:
				b.why = fmt.Sprintf("block %#x of its tree: %v", b.blocks[b.i], failed[i])
			default:
				b.why = b.block(f, b.i, buf[int64(i)*size:][:size], at[i], &blocks, &keys)
			}
		}
	}
	done()
	return nil
}

// block takes the i-th block of the level, and says what is wrong with it.
func (t *treeFork) block(f *fsys, i int, b []byte, at int64, blocks, keys *[]uint64) string {
	be, s := binary.BigEndian, f.sb
	bad := func(format string, args ...any) string {
		return fmt.Sprintf("block %#x of its tree: %s", t.blocks[i], fmt.Sprintf(format, args...))
	}
	sibling := func(i int) uint64 {
		if i < 0 || i >= len(t.blocks) {
			return noBlock
		}
		return t.blocks[i]
	}
	magic, header := bmbtMagicV4, bmbtHeaderV4
	if s.version == 5 {
		magic, header = bmbtMagicV5, bmbtHeaderV5
	}
	if string(b[:4]) != magic {
		return bad("no magic number")
	}
	if s.version == 5 {
		switch why := sumIsWrong(b, crcBmbt); {
		case why != "":
			return bad("%s", why)
		case be.Uint64(b[24:]) != uint64(at/512), !bytes.Equal(b[40:56], s.metaUUID), be.Uint64(b[56:]) != t.inode.ino:
			return bad("it is that of inode %d, at sector %d", be.Uint64(b[56:]), be.Uint64(b[24:]))
		}
	}
	num, body := int(be.Uint16(b[6:])), b[header:]
	switch {
	case int(be.Uint16(b[4:])) != t.level:
		return bad("it is of level %d, must be of %d", be.Uint16(b[4:]), t.level)
	case num < 1 || num > len(body)/16:
		return bad("impossible number of records %d", num)
	case be.Uint64(b[8:]) != sibling(i-1) || be.Uint64(b[16:]) != sibling(i+1):
		return bad("siblings are %#x and %#x", be.Uint64(b[8:]), be.Uint64(b[16:]))
	}
	if t.level > 0 {
		if be.Uint64(body) != t.keys[i] {
			return bad("its first key is %d, must be %d", be.Uint64(body), t.keys[i])
		}
		return t.children(f, body, num, blocks, keys)
	}
	if be.Uint64(body)<<1>>10 != t.keys[i] {
		return bad("it begins at block %d of the file, must at %d", be.Uint64(body)<<1>>10, t.keys[i])
	}
	t.recs += uint64(num)
	if why := t.list.add(body[:num*extentSize]); why != "" {
		return bad("%s", why)
	}
	return ""
}

// runTrees names the data of files whose forks are trees.
func (d *dataScan) runTrees(ctx context.Context, trees []*treeFork) error {
	if err := d.f.walkForks(ctx, trees); err != nil {
		return err
	}
	for _, t := range trees {
		if t.why == "" {
			t.why = d.clash(t.list.list)
		}
		if t.why != "" {
			if d.bad == 0 {
				d.badFirst = fmt.Sprintf("%d: %s", t.inode.ino, t.why)
			}
			d.bad++
			continue
		}
		if err := d.name(t.inode.ino, t.list.list); err != nil {
			return err
		}
	}
	return nil
}
