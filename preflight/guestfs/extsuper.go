package guestfs

import (
	"encoding/binary"
	"fmt"
	"io"
)

// extSuper is what reading files needs of an ext superblock. Offsets: Linux,
// Documentation/filesystems/ext4/super.rst.
type extSuper struct {
	r              io.ReaderAt
	blockSize      int64
	blocks         int64 // in the filesystem, all inside the volume
	firstBlock     int64
	blocksPerGroup int64
	inodesPerGroup int64
	inodes         int64
	inodeSize      int64
	descSize       int64
	firstMetaBG    int64 // groups from which descriptors are spread, or -1
	filetype       bool  // directory entries tell the file's type
}

// Incompatible features (the same document, s_feature_incompat).
const (
	extCompress = 0x1
	extFiletype = 0x2
	extRecover  = 0x4
	extJournal  = 0x8
	extMetaBG   = 0x10
	extExtents  = 0x40
	ext64bit    = 0x80
	extMMP      = 0x100
	extFlexBG   = 0x200
	extEAInode  = 0x400
	extDirdata  = 0x1000
	extCsumSeed = 0x2000
	extLargedir = 0x4000
	extInline   = 0x8000
	extEncrypt  = 0x10000
	extCasefold = 0x20000
	extKnown    = extFiletype | extMetaBG | extExtents | ext64bit | extMMP | extFlexBG | extEAInode | extCsumSeed | extLargedir | extEncrypt
)

// extNames are the features that are refused, as e2fsprogs names them. Of encrypt
// only the files concerned cannot be read.
var extNames = []struct {
	bit  uint32
	name string
}{
	{extRecover, "needs_recovery (the journal holds what the files do not have yet)"}, {extCompress, "compression"},
	{extJournal, "journal_dev"}, {extDirdata, "dirdata"}, {extCasefold, "casefold"}, {extInline, "inline_data"},
}

// readExtSuper reads the superblock and refuses what this reader would misread.
func readExtSuper(r io.ReaderAt, size int64) (*extSuper, error) {
	b := make([]byte, 1024)
	if size < 4096 {
		return nil, fmt.Errorf("ext: a volume of %d bytes", size)
	}
	if _, err := r.ReadAt(b, 1024); err != nil {
		return nil, fmt.Errorf("ext: superblock at 1024: %w", err)
	}
	u16 := func(o int) int64 { return int64(binary.LittleEndian.Uint16(b[o:])) }
	u32 := func(o int) int64 { return int64(binary.LittleEndian.Uint32(b[o:])) }
	if u16(56) != 0xEF53 {
		return nil, fmt.Errorf("ext: no superblock")
	}
	incompat := uint32(u32(96))
	if u32(76) == 0 { // revision 0: no features, and fixed inodes
		incompat = 0
	}
	if bad := incompat &^ extKnown; bad != 0 {
		for _, n := range extNames {
			if bad&n.bit != 0 {
				return nil, fmt.Errorf("ext: feature %s is not read here", n.name)
			}
		}
		return nil, fmt.Errorf("ext: unknown incompatible features %#x", bad)
	}
	if u32(24) > 6 {
		return nil, fmt.Errorf("ext: block size 2^%d", 10+u32(24))
	}
	s := &extSuper{r: newPageCache(r), blockSize: 1024 << u32(24), firstBlock: u32(20), blocksPerGroup: u32(32), inodesPerGroup: u32(40),
		inodes: u32(0), inodeSize: 128, descSize: 32, blocks: u32(4), firstMetaBG: -1, filetype: incompat&extFiletype != 0}
	if u32(76) > 0 {
		s.inodeSize = u16(88)
	}
	if incompat&ext64bit != 0 {
		s.blocks |= u32(0x150) << 32
		s.descSize = u16(254)
	}
	if incompat&extMetaBG != 0 {
		s.firstMetaBG = u32(260)
	}
	switch {
	case s.blocks <= 0 || s.blocks > size/s.blockSize:
		return nil, fmt.Errorf("ext: %d blocks of %d bytes in a volume of %d bytes", s.blocks, s.blockSize, size)
	case s.blocksPerGroup == 0 || s.blocksPerGroup > 8*s.blockSize*4096: // bigalloc: clusters of up to 4096 blocks
		return nil, fmt.Errorf("ext: %d blocks a group", s.blocksPerGroup)
	case s.inodesPerGroup == 0 || s.inodesPerGroup > 8*s.blockSize:
		return nil, fmt.Errorf("ext: %d inodes a group", s.inodesPerGroup)
	case s.inodeSize < 128 || s.inodeSize > s.blockSize || s.inodeSize&(s.inodeSize-1) != 0:
		return nil, fmt.Errorf("ext: inodes of %d bytes", s.inodeSize)
	case s.descSize < 32 || s.descSize > 1024 || s.descSize&(s.descSize-1) != 0:
		return nil, fmt.Errorf("ext: group descriptors of %d bytes", s.descSize)
	case s.firstBlock > 1:
		return nil, fmt.Errorf("ext: first data block %d", s.firstBlock)
	}
	return s, nil
}

// descriptor is where a group's descriptor lies, in bytes. With meta_bg, each
// block of descriptors lies in the first of the groups that it describes
// (Documentation/filesystems/ext4/blockgroup.rst, "Meta Block Groups").
func (s *extSuper) descriptor(group int64) int64 {
	perBlock := s.blockSize / s.descSize
	meta := group / perBlock
	if s.firstMetaBG < 0 || meta < s.firstMetaBG {
		return (1024/s.blockSize+1)*s.blockSize + group*s.descSize // behind the superblock's block
	}
	first := meta * perBlock
	block := s.firstBlock + first*s.blocksPerGroup
	if s.hasSuper(first) {
		block++
	}
	if s.blockSize == 1024 && first == 0 && s.firstBlock == 0 { // fs/ext4/super.c, descriptor_loc
		block++
	}
	return block*s.blockSize + group%perBlock*s.descSize
}

// hasSuper: groups 0 and 1 and the powers of 3, 5 and 7 have a copy of the
// superblock. meta_bg always comes with sparse_super.
func (s *extSuper) hasSuper(group int64) bool {
	if group <= 1 {
		return true
	}
	for _, p := range []int64{3, 5, 7} {
		n := p
		for n < group {
			n *= p
		}
		if n == group {
			return true
		}
	}
	return false
}

// block reads one block.
func (s *extSuper) block(n int64) ([]byte, error) {
	if n <= 0 || n >= s.blocks {
		return nil, fmt.Errorf("block %d of %d", n, s.blocks)
	}
	b := make([]byte, s.blockSize)
	if _, err := s.r.ReadAt(b, n*s.blockSize); err != nil {
		return nil, fmt.Errorf("block %d: %w", n, err)
	}
	return b, nil
}
