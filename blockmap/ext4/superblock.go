package ext4

import (
	"encoding/binary"
	"fmt"
	"strings"

	"migimg/blockmap"
)

// The superblock lies at byte 1024 of the volume whatever the block size, and
// is 1024 bytes long, little-endian (kernel, Documentation/filesystems/ext4/
// super.rst; the offsets below are that document's):
//
//	0x00 inodes_count        0x04 blocks_count_lo    0x14 first_data_block
//	0x18 log_block_size      0x1c log_cluster_size   0x20 blocks_per_group
//	0x24 clusters_per_group  0x28 inodes_per_group   0x38 magic (16 bits)
//	0x3a state (16)          0x4c rev_level          0x58 inode_size (16)
//	0x5c compat  0x60 incompat  0x64 ro_compat       0x68 uuid[16]
//	0x78 volume_name[16]     0xce reserved_gdt_blocks (16)
//	0xe0 journal_inum        0xfe desc_size (16)     0x104 first_meta_bg
//	0x150 blocks_count_hi    0x168 mmp_block (64)    0x175 checksum_type (8)
//	0x194 error_count        0x24c backup_bgs[2]     0x270 checksum_seed
//	0x3fc checksum
const (
	superOffset = 1024
	superSize   = 1024
	superMagic  = 0xef53

	stateValid = 1 // cleanly unmounted, or never mounted
	stateError = 2

	checksumCRC32C = 1
)

// Bounds on what a superblock may make the scanner hold in memory: a
// filesystem of 128 TiB at 4 KiB blocks and 64-byte descriptors.
const (
	maxGroups    = 1 << 20
	maxDescBytes = 64 << 20
)

// superblock is the parsed superblock. It is immutable after parseSuper.
type superblock struct {
	raw                          []byte // the 1024 bytes
	compat, incompat, roCompat   uint32
	state                        uint16
	logBlock, logCluster         uint32
	blockSize                    int64 // bytes
	ratio                        int64 // blocks in a cluster, 1 without bigalloc
	blocks, firstData            int64 // in blocks
	blocksPerGroup               int64
	clustersPerGroup             int64
	inodes, inodesPerGroup       int64
	inodeSize, descSize          int64 // bytes
	reservedGDT, firstMeta       int64
	groups, descPerBlock, descBl int64 // descBl: blocks of the descriptor table
	seed                         uint32
	journalInode                 uint32
	mmpBlock                     int64
}

// looksLike says whether b, the 1024 bytes of a superblock, can be one at all.
// Two bytes of magic are too few to tell it from a boot loader's code.
func looksLike(b []byte) bool {
	le := binary.LittleEndian
	blocks := uint64(le.Uint32(b[4:])) | uint64(le.Uint32(b[0x150:]))<<32
	if le.Uint16(b[0x38:]) != superMagic || blocks == 0 || le.Uint32(b[0x18:]) > 6 || le.Uint32(b[0x4c:]) > 1 {
		return false
	}
	groups := le.Uint32(b[0x20:]) != 0 && le.Uint32(b[0x28:]) != 0
	return groups || le.Uint32(b[0x60:])&incompatJournalDev != 0 // which has none
}

// parseSuper reads the fields of b. Nothing is trusted before check.
func parseSuper(b []byte) *superblock {
	le := binary.LittleEndian
	u32 := func(off int) int64 { return int64(le.Uint32(b[off:])) }
	s := &superblock{
		raw:              b,
		state:            le.Uint16(b[0x3a:]),
		logBlock:         le.Uint32(b[0x18:]),
		logCluster:       le.Uint32(b[0x1c:]),
		ratio:            1,
		blocks:           u32(4),
		firstData:        u32(0x14),
		blocksPerGroup:   u32(0x20),
		clustersPerGroup: u32(0x20),
		inodes:           u32(0),
		inodesPerGroup:   u32(0x28),
		inodeSize:        128,
		descSize:         32,
		journalInode:     le.Uint32(b[0xe0:]),
	}
	s.compat, s.incompat, s.roCompat = le.Uint32(b[0x5c:]), le.Uint32(b[0x60:]), le.Uint32(b[0x64:])
	s.reservedGDT = int64(le.Uint16(b[0xce:]))
	if u32(0x4c) > 0 { // in revision 0 the size of inodes is fixed
		s.inodeSize = int64(le.Uint16(b[0x58:]))
	}
	if s.incompat&incompat64Bit != 0 {
		s.blocks |= u32(0x150) << 32
		s.descSize = int64(le.Uint16(b[0xfe:]))
	}
	if s.incompat&incompatMetaBG != 0 {
		s.firstMeta = u32(0x104)
	}
	if s.incompat&incompatMMP != 0 {
		s.mmpBlock = int64(le.Uint64(b[0x168:]))
	}
	if s.logBlock <= 6 {
		s.blockSize = 1024 << s.logBlock
	}
	if s.roCompat&roCompatBigalloc != 0 {
		s.clustersPerGroup = u32(0x24)
		if s.logCluster >= s.logBlock && s.logCluster-s.logBlock <= 20 {
			s.ratio = 1 << (s.logCluster - s.logBlock)
		}
	}
	s.seed = s.checksumSeed()
	return s
}

// check derives the geometry and says why the filesystem's maps cannot be
// trusted, or nothing. size is the volume's in bytes. The conditions are those
// under which the kernel's ext4 (fs/ext4/super.c) or e2fsck refuse, and more.
func (s *superblock) check(size int64) string {
	le := binary.LittleEndian
	if why := s.unknownFeatures(); why != "" {
		return why
	}
	if s.roCompat&roCompatMetadataCsum != 0 {
		if t := s.raw[0x175]; t != checksumCRC32C {
			return fmt.Sprintf("unknown checksum type %d", t)
		}
		if got, want := crc32c(^uint32(0), s.raw[:0x3fc]), le.Uint32(s.raw[0x3fc:]); got != want {
			return fmt.Sprintf("superblock at byte %d: checksum is %#08x, must be %#08x: run e2fsck", superOffset, want, got)
		}
	}
	switch {
	case s.state&stateError != 0:
		return "the filesystem is marked as having errors: run e2fsck -f"
	case s.state != stateValid:
		return "not unmounted cleanly: mount and unmount it once, or run e2fsck"
	}
	switch {
	case le.Uint32(s.raw[0x4c:]) == 0 && s.compat|s.incompat|s.roCompat != 0:
		return "features are set in a filesystem of revision 0: run e2fsck"
	case s.incompat&incompat64Bit == 0 && le.Uint32(s.raw[0x150:]) != 0:
		// The kernel reads the upper half anyway, e2fsprogs does not.
		return "the number of blocks has 64 bits, without the 64bit feature: run e2fsck"
	}
	bits := s.blockSize * 8 // of one block of bitmap
	bigalloc := s.roCompat&roCompatBigalloc != 0
	wantFirst := int64(0)
	if s.blockSize == 1024 && s.ratio == 1 {
		wantFirst = 1
	}
	switch {
	case s.blockSize == 0:
		return fmt.Sprintf("impossible block size 2^%d", 10+int64(s.logBlock))
	case bigalloc && (s.logCluster < s.logBlock || s.logCluster-s.logBlock > 20),
		!bigalloc && s.logCluster != s.logBlock:
		return fmt.Sprintf("impossible cluster size 2^%d", 10+int64(s.logCluster))
	case s.clustersPerGroup <= 0 || s.clustersPerGroup%8 != 0 || s.clustersPerGroup > bits,
		s.blocksPerGroup != s.clustersPerGroup*s.ratio:
		return fmt.Sprintf("impossible group of %d blocks, %d clusters", s.blocksPerGroup, s.clustersPerGroup)
	case s.firstData != wantFirst:
		return fmt.Sprintf("first data block is %d, must be %d", s.firstData, wantFirst)
	case s.blocks <= s.firstData || s.blocks < 0:
		return fmt.Sprintf("impossible size of %d blocks", s.blocks)
	case s.blocks > size/s.blockSize:
		return fmt.Sprintf("the filesystem has %d blocks of %d bytes, the volume only %d bytes", s.blocks, s.blockSize, size)
	case s.inodeSize < 128 || s.inodeSize > s.blockSize || s.inodeSize&(s.inodeSize-1) != 0:
		return fmt.Sprintf("impossible inode size %d", s.inodeSize)
	case s.inodesPerGroup <= 0 || s.inodesPerGroup > bits:
		return fmt.Sprintf("impossible number of inodes in a group: %d", s.inodesPerGroup)
	case s.incompat&incompat64Bit != 0 && (s.descSize < 64 || s.descSize > 1024 || s.descSize&(s.descSize-1) != 0):
		return fmt.Sprintf("impossible group descriptor size %d", s.descSize)
	}
	s.groups = ceil(s.blocks-s.firstData, s.blocksPerGroup)
	s.descPerBlock = s.blockSize / s.descSize
	s.descBl = ceil(s.groups, s.descPerBlock)
	switch {
	case s.groups > maxGroups || s.groups*s.descSize > maxDescBytes:
		return fmt.Sprintf("%d block groups are more than the %d that are read", s.groups, maxGroups)
	case s.groups*s.inodesPerGroup != s.inodes:
		return fmt.Sprintf("%d groups of %d inodes do not make %d inodes", s.groups, s.inodesPerGroup, s.inodes)
	case s.incompat&incompatMetaBG != 0 && s.firstMeta > s.descBl:
		return fmt.Sprintf("first meta block group %d is beyond the %d that there are", s.firstMeta, s.descBl)
	}
	return ""
}

func ceil(a, b int64) int64 { return (a + b - 1) / b }

// superBlock is the block in which the primary superblock lies.
func (s *superblock) superBlock() int64 { return superOffset / s.blockSize }

// groupStart is the first block of group g.
func (s *superblock) groupStart(g int64) int64 { return s.firstData + g*s.blocksPerGroup }

// groupBlocks is how many blocks group g has: the last one may be short.
func (s *superblock) groupBlocks(g int64) int64 {
	return min(s.blocksPerGroup, s.blocks-s.groupStart(g))
}

// groupClusters is how many bits of group g's bitmap stand for clusters.
func (s *superblock) groupClusters(g int64) int64 { return ceil(s.groupBlocks(g), s.ratio) }

// tableBlocks is how many blocks a group's inode table takes.
func (s *superblock) tableBlocks() int64 { return ceil(s.inodesPerGroup*s.inodeSize, s.blockSize) }

// report is what the superblock alone says of the volume.
func (s *superblock) report() blockmap.Report {
	r := blockmap.Report{
		Type:      s.kind(),
		UUID:      uuid(s.raw[0x68:0x78]),
		Label:     label(s.raw[0x78:0x88]),
		BlockSize: s.blockSize * s.ratio,
		Features:  s.features(),
	}
	if n := binary.LittleEndian.Uint32(s.raw[0x194:]); n > 0 && s.compat&compatHasJournal != 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the kernel has recorded %d errors in this filesystem since it was last checked: run e2fsck -f", n))
	}
	return r
}

// uuid is b as blkid prints it, or nothing where it is all zeros.
func uuid(b []byte) string {
	if strings.Trim(string(b), "\x00") == "" {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// label ends at the first NUL; blkid drops the spaces before it.
func label(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.TrimRight(s, " \t\n")
}

// backupGroup is the i-th group with a copy of the superblock under
// sparse_super2; 0 stands for none.
func (s *superblock) backupGroup(i int) int64 {
	return int64(binary.LittleEndian.Uint32(s.raw[0x24c+4*i:]))
}
