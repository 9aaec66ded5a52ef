package xfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// An inode, big-endian (kernel, fs/xfs/libxfs/xfs_format.h, struct xfs_dinode;
// offsets in bytes):
//
//	0 magic (16)      2 mode (16)       4 version (8)    5 format (8)
//	24 big_nextents (64), if the inode has NREXT64       56 size (64)
//	64 nblocks (64)   76 nextents (32), without NREXT64  82 forkoff (8)
//	90 flags (16)
//
// and of version 3, which are the inodes of filesystems of version 5:
//
//	100 crc           120 flags2 (64)   152 ino (64)     160 uuid[16]
//
// Behind that core lies the data fork, and from forkoff times 8 bytes on, if that
// is not 0, the fork of extended attributes.
const (
	inodeMagic       = 0x494e
	coreV2, coreV3   = 100, 176
	crcInode         = 100
	modeType         = 0xf000
	modeDir, modeReg = 0x4000, 0x8000

	formatLocal, formatExtents, formatTree = 1, 2, 3

	flagRealtime, flagRTBitmap = 0x1, 0x4
	flag2NRExt64, flag2Meta    = 0x10, 0x20
)

// inode is what is needed of one. fork is its data fork, in the buffer that it
// was read into.
type inode struct {
	ino      uint64
	mode     uint16
	format   byte
	size     int64
	blocks   uint64 // of both forks, and their trees
	nextents uint64
	fork     []byte
}

// inodeLayout is how inodes are numbered: from the lowest bit on by the inode of
// a block, the block of a group, the group.
type inodeLayout struct {
	size                int64 // bytes
	perBlock, blockBits int   // logarithms
	root                uint64
	dirBlock            int64 // bytes
	ftype               bool  // directories have the files' types
	special             [5]uint64
}

// inodeLayout reads it from the superblock, and says what is wrong with it:
//
//	56 rootino (64)   64 rbmino (64)   72 rsumino (64)   104 inodesize (16)
//	106 inopblock (16)  122 inodelog (8)  123 inopblog (8)
//	160 uquotino (64)   168 gquotino (64) 192 dirblklog (8) 232 pquotino (64)
func (s *superblock) inodeLayout() (*inodeLayout, string) {
	b, be := s.raw, binary.BigEndian
	l := &inodeLayout{
		size:      int64(be.Uint16(b[104:])),
		perBlock:  int(b[123]),
		blockBits: int(b[124]),
		root:      be.Uint64(b[56:]),
		dirBlock:  s.blockSize << min(b[192], 16),
		ftype:     s.features2&0x200 != 0,
		special:   [5]uint64{be.Uint64(b[64:]), be.Uint64(b[72:]), be.Uint64(b[160:]), be.Uint64(b[168:])},
	}
	least := int64(256)
	if s.version == 5 {
		least = 512
		l.ftype = s.incompat&0x1 != 0
		l.special[4] = be.Uint64(b[232:])
	}
	switch {
	case l.size < least || l.size > 2048 || bits.OnesCount64(uint64(l.size)) != 1 || l.size > s.blockSize,
		l.size != 1<<(b[122]&31), int64(be.Uint16(b[106:])) != s.blockSize/l.size, s.blockSize/l.size != 1<<(l.perBlock&31):
		return nil, fmt.Sprintf("impossible inodes of %d bytes, %d in a block: run xfs_repair", l.size, be.Uint16(b[106:]))
	case l.dirBlock > maxBlock:
		return nil, fmt.Sprintf("impossible blocks of directories, of 2^%d blocks: run xfs_repair", b[192])
	}
	return l, ""
}

// inodeAt is the byte of the volume at which an inode lies; false if it lies in
// no group.
func (f *fsys) inodeAt(ino uint64) (int64, bool) {
	s, l := f.sb, f.inodes
	group := ino >> (l.perBlock + l.blockBits)
	block := int64(ino >> l.perBlock & (1<<l.blockBits - 1))
	if group >= uint64(s.groups) || block < s.headerBlocks || block >= s.groupLen(int64(group)) {
		return 0, false
	}
	return s.offset(int64(group), block) + int64(ino&(1<<l.perBlock-1))*l.size, true
}

// parseInode reads the inode that lies in b, and says what is wrong with it.
func (f *fsys) parseInode(b []byte, ino uint64) (inode, string) {
	be, s := binary.BigEndian, f.sb
	core, version := coreV2, byte(2)
	if s.version == 5 {
		core, version = coreV3, 3
	}
	if be.Uint16(b) != inodeMagic || b[4] != version && (version == 3 || b[4] != 1) {
		return inode{}, "no magic number"
	}
	n := inode{
		ino:      ino,
		mode:     be.Uint16(b[2:]),
		format:   b[5],
		size:     int64(be.Uint64(b[56:])),
		blocks:   be.Uint64(b[64:]),
		nextents: uint64(be.Uint32(b[76:])),
	}
	flags := be.Uint16(b[90:])
	if version == 3 {
		switch why := sumIsWrong(b, crcInode); {
		case why != "":
			return inode{}, why
		case be.Uint64(b[152:]) != ino:
			return inode{}, fmt.Sprintf("it is inode %d", be.Uint64(b[152:]))
		case !bytes.Equal(b[160:176], s.metaUUID):
			return inode{}, "it is that of another filesystem"
		}
		flags2 := be.Uint64(b[120:])
		if flags2&flag2NRExt64 != 0 {
			n.nextents = be.Uint64(b[24:])
		}
		if flags2&flag2Meta != 0 {
			return inode{}, "it is the filesystem's own"
		}
	}
	end := len(b)
	if off := int(b[82]) * 8; off > 0 {
		end = core + off
	}
	switch {
	case end > len(b):
		return inode{}, "its fork of attributes lies behind it"
	case flags&(flagRealtime|flagRTBitmap) != 0:
		return inode{}, "its data are in a realtime section, which there is not"
	case n.size < 0:
		return inode{}, "impossible size"
	}
	n.fork = b[core:end]
	return n, ""
}
