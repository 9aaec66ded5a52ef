package xfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// An allocation group's headers are its first four sectors: superblock, AGF,
// AGI, AGFL. The AGF, big-endian (kernel, fs/xfs/libxfs/xfs_format.h, struct
// xfs_agf; offsets in bytes):
//
//	0 magic     4 version   8 seqno     12 length (blocks)
//	16 bnoroot  20 cntroot  24 rmaproot 28 bnolevel  32 cntlevel  36 rmaplevel
//	40 flfirst  44 fllast   48 flcount  52 freeblks  56 longest   60 btreeblks
//	64 uuid[16] 88 refcntroot           208 lsn (64) 216 crc
//
// The AGFL is an array of block numbers, used as a ring from flfirst to fllast.
// In version 5 it begins with 0 magic, 4 seqno, 8 uuid[16], 24 lsn, 32 crc
// (struct xfs_agfl).
const (
	headerSectors = 4
	agfMagic      = "XAGF"
	agflMagic     = "XAFL"
	crcAGF        = 216
	crcAGFL       = 32
	agflHeader    = 36

	// headRead is how much of a group is read with the headers, in bytes: as
	// made by mkfs, the root of the tree follows them.
	headRead = 32 << 10
	// maxLevels is more than any tree that fits a group has (XFS_BTREE_MAXLEVELS).
	maxLevels = 9
)

// group is an allocation group. It is immutable after openGroups.
type group struct {
	no     int64
	blocks int64
	head   []byte // its first bytes
	root   []byte // the root's block, if that is not in head

	rootBlock, levels int64
	cntLevels         int64
	freeBlocks        int64
	longest           int64
	btreeBlocks       int64
	inUse             []uint32 // blocks that no record may hold: AGFL, other trees' roots
	reserved          int64    // blocks in the AGFL
}

// openGroups reads the headers of n groups and the roots of their trees.
func (f *fsys) openGroups(ctx context.Context, first, n int64) ([]*group, error) {
	groups := make([]*group, n)
	wait, ctx := reads(ctx)
	for i := range groups {
		wait.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			groups[i], err = f.openGroup(first + int64(i))
			return err
		})
	}
	return groups, wait.Wait()
}

func (f *fsys) openGroup(no int64) (*group, error) {
	s := f.sb
	g := &group{no: no, blocks: s.groupLen(no)}
	g.head = make([]byte, min(max(headRead, headerSectors*s.sector), g.blocks*s.blockSize))
	if blockmap.ReadFull(f.v, g.head, s.offset(no, 0)) != nil { // perhaps only for what is behind the headers
		g.head = g.head[:headerSectors*s.sector]
		if err := f.read(g.head, s.offset(no, 0), fmt.Sprintf("AG %d: headers", no)); err != nil {
			return nil, err
		}
	}
	why := g.readAGF(s)
	if why == "" {
		why = g.readAGFL(s)
	}
	if why != "" {
		return nil, fmt.Errorf("xfs: AG %d: %s: run xfs_repair", no, why)
	}
	if g.cached(g.rootBlock, s.blockSize) == nil {
		g.root = make([]byte, s.blockSize)
		return g, f.read(g.root, s.offset(no, g.rootBlock), fmt.Sprintf("AG %d: bnobt root", no))
	}
	return g, nil
}

// cached is a block that was read with the headers, or nil.
func (g *group) cached(block, size int64) []byte {
	switch {
	case block == g.rootBlock && g.root != nil:
		return g.root
	case (block+1)*size <= int64(len(g.head)):
		return g.head[block*size:][:size]
	}
	return nil
}

// readAGF reads the AGF and says what is wrong with it. The conditions are the
// kernel's (fs/xfs/libxfs/xfs_alloc.c, xfs_agf_verify), and that the length is
// what follows from the superblock.
func (g *group) readAGF(s *superblock) string {
	b, be := g.head[s.sector:][:s.sector], binary.BigEndian
	u32 := func(off int) int64 { return int64(be.Uint32(b[off:])) }
	if string(b[:4]) != agfMagic || u32(4) != 1 {
		return "AGF: no magic number"
	}
	if s.version == 5 {
		if why := sumIsWrong(b, crcAGF); why != "" {
			return "AGF: " + why
		}
		if !bytes.Equal(b[64:80], s.metaUUID) {
			return "AGF: it is that of another filesystem"
		}
	}
	g.rootBlock, g.levels, g.cntLevels = u32(16), u32(28), u32(32)
	g.freeBlocks, g.longest, g.btreeBlocks = u32(52), u32(56), u32(60)
	switch {
	case u32(8) != g.no:
		return fmt.Sprintf("AGF: it is that of AG %d", u32(8))
	case u32(12) != g.blocks:
		return fmt.Sprintf("AGF: the group has %d blocks, must have %d", u32(12), g.blocks)
	case g.freeBlocks > g.blocks || g.longest > g.freeBlocks:
		return fmt.Sprintf("AGF: impossible counts of %d free blocks, %d of them together", g.freeBlocks, g.longest)
	case g.levels < 1 || g.levels > maxLevels || g.cntLevels < 1 || g.cntLevels > maxLevels:
		return fmt.Sprintf("AGF: impossible trees of %d and %d levels", g.levels, g.cntLevels)
	case !g.holds(s, g.rootBlock) || !g.holds(s, u32(20)):
		return fmt.Sprintf("AGF: impossible roots %d and %d", g.rootBlock, u32(20))
	}
	g.inUse = append(g.inUse, uint32(u32(20)))
	for _, other := range []struct {
		feature uint32
		off     int
	}{{roCompatRmap, 24}, {roCompatReflink, 88}} {
		if s.roCompat&other.feature == 0 {
			continue
		}
		if !g.holds(s, u32(other.off)) {
			return fmt.Sprintf("AGF: impossible root %d", u32(other.off))
		}
		g.inUse = append(g.inUse, uint32(u32(other.off)))
	}
	return ""
}

// holds says that the block lies in the group, behind its headers.
func (g *group) holds(s *superblock, block int64) bool {
	return block >= s.headerBlocks && block < g.blocks
}

// readAGFL reads the list of blocks set aside, after the AGF, and says what is
// wrong with it.
func (g *group) readAGFL(s *superblock) string {
	be := binary.BigEndian
	agf, b := g.head[s.sector:], g.head[3*s.sector:][:s.sector]
	if s.version == 5 {
		switch why := sumIsWrong(b, crcAGFL); {
		case string(b[:4]) != agflMagic:
			return "AGFL: no magic number"
		case why != "":
			return "AGFL: " + why
		case !bytes.Equal(b[8:24], s.metaUUID):
			return "AGFL: it is that of another filesystem"
		case int64(be.Uint32(b[4:])) != g.no:
			return fmt.Sprintf("AGFL: it is that of AG %d", be.Uint32(b[4:]))
		}
		b = b[agflHeader:]
	}
	size := int64(len(b) / 4)
	first, last, count := int64(be.Uint32(agf[40:])), int64(be.Uint32(agf[44:])), int64(be.Uint32(agf[48:]))
	if first >= size || last >= size || count > size {
		return fmt.Sprintf("AGFL: impossible list from %d to %d of %d", first, last, size)
	}
	g.reserved = count
	if count == 0 {
		return "" // first and last mean nothing then
	}
	if n := (last-first+size)%size + 1; n != count {
		return fmt.Sprintf("AGFL: %d blocks from %d to %d, but a count of %d", n, first, last, count)
	}
	for i := range count {
		block := be.Uint32(b[(first+i)%size*4:])
		if !g.holds(s, int64(block)) {
			return fmt.Sprintf("AGFL: impossible block %d", block)
		}
		g.inUse = append(g.inUse, block)
	}
	return ""
}

// totals are sums over all groups.
type totals struct {
	free, reserved, btree int64
	deep                  bool // there is a tree of more than its root
}

func (t *totals) add(g *group) {
	t.free += g.freeBlocks
	t.reserved += g.reserved
	t.btree += g.btreeBlocks
	t.deep = t.deep || g.levels > 1 || g.cntLevels > 1
}

// check compares with the superblock's count of free blocks, which counts the
// blocks of the AGFL, and of the free-space trees but for their roots, as free
// (fs/xfs/libxfs/xfs_ag.c, xfs_initialize_perag_data). The count is written with the
// unmount record at the latest, so in a clean filesystem it is exact; where it
// is not, the headers of some group may be older than the rest.
func (t *totals) check(s *superblock) error {
	want := t.free + t.reserved
	switch {
	case s.lazy():
		want += t.btree
	case t.deep: // the AGFs do not count the trees' blocks
		if s.free >= want {
			return nil
		}
	}
	if s.free != want {
		return fmt.Errorf("xfs: the superblock counts %d free blocks, the allocation groups %d: run xfs_repair", s.free, want)
	}
	return nil
}
