package xfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"migimg/blockmap"
)

// The superblock is the volume's first sector, big-endian (kernel,
// fs/xfs/libxfs/xfs_format.h, struct xfs_dsb; offsets in bytes):
//
//	0 magic            4 blocksize        8 dblocks (64 bits)
//	16 rblocks (64)    24 rextents (64)   32 uuid[16]      48 logstart (64)
//	84 agblocks        88 agcount         96 logblocks     100 versionnum (16)
//	102 sectsize (16)  108 fname[12]      120 blocklog (8) 121 sectlog (8)
//	124 agblklog (8)   126 inprogress (8) 144 fdblocks (64)
//	179 shared_vn (8)  196 logsunit       200 features2    204 bad_features2
//	208 compat         212 ro_compat      216 incompat     220 log_incompat
//	224 crc            248 meta_uuid[16]
const (
	superMagic = "XFSB"
	superSize  = 512 // as much of it as has fields
	crcSuper   = 224

	minBlock, maxBlock   = 512, 64 << 10
	minSector, maxSector = 512, 32 << 10
	minGroup, maxGroup   = 16 << 20, 1 << 40 // bytes of an allocation group
	minLastGroup         = 64                // blocks of the last one
	maxLog               = 2 << 30           // bytes
)

// superblock is the parsed superblock. It is immutable after parseSuper and
// check.
type superblock struct {
	raw                   []byte // the first sector
	version               uint16 // of the format: 4, 5
	versionNum            uint16 // with the feature bits of version 4
	features2             uint32
	compat, roCompat      uint32 // zero before version 5, like the next two
	incompat, logIncompat uint32
	blockSize, sector     int64 // bytes
	blocks                int64 // of the filesystem
	groupBlocks, groups   int64 // blocks of a group but the last, number of groups
	headerBlocks          int64 // blocks that a group's headers take
	logStart, logBlocks   int64
	free                  int64 // blocks, as counted
	uuid, metaUUID        []byte
}

// readMagic reads the first bytes, or answers blockmap.ErrNotMine.
func readMagic(v blockmap.Volume) ([]byte, error) {
	if v.Size() < superSize {
		return nil, blockmap.ErrNotMine
	}
	b := make([]byte, superSize)
	if err := blockmap.ReadFull(v, b, 0); err != nil {
		return nil, fmt.Errorf("xfs: superblock at byte 0: %w", err)
	}
	if string(b[:4]) != superMagic {
		return nil, blockmap.ErrNotMine
	}
	return b, nil
}

// readSuper reads the superblock's whole sector: that is what its checksum
// covers.
func readSuper(v blockmap.Volume) (*superblock, error) {
	b, err := readMagic(v)
	if err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint16(b[102:]))
	if n > superSize && n <= maxSector && n <= v.Size() {
		b = make([]byte, n)
		if err := blockmap.ReadFull(v, b, 0); err != nil {
			return nil, fmt.Errorf("xfs: superblock at byte 0: %w", err)
		}
	}
	return parseSuper(b), nil
}

// parseSuper reads the fields of b. Nothing is trusted before check.
func parseSuper(b []byte) *superblock {
	be := binary.BigEndian
	s := &superblock{
		raw:         b,
		versionNum:  be.Uint16(b[100:]),
		features2:   be.Uint32(b[200:]),
		blockSize:   int64(be.Uint32(b[4:])),
		sector:      int64(be.Uint16(b[102:])),
		blocks:      int64(be.Uint64(b[8:])),
		groupBlocks: int64(be.Uint32(b[84:])),
		groups:      int64(be.Uint32(b[88:])),
		logStart:    int64(be.Uint64(b[48:])),
		logBlocks:   int64(be.Uint32(b[96:])),
		free:        int64(be.Uint64(b[144:])),
		uuid:        b[32:48],
	}
	s.metaUUID = s.uuid
	s.version = s.versionNum & versionMask
	if s.version == 5 {
		s.compat, s.roCompat = be.Uint32(b[208:]), be.Uint32(b[212:])
		s.incompat, s.logIncompat = be.Uint32(b[216:]), be.Uint32(b[220:])
		if s.incompat&incompatMetaUUID != 0 {
			s.metaUUID = b[248:264] // the UUID was changed after mkfs
		}
	} else {
		// Kernels of old wrote the word four bytes too far on some machines; those
		// of today take both (xfs_sb.c, xfs_sb_has_mismatched_features2).
		s.features2 |= be.Uint32(b[204:])
	}
	return s
}

// check says why the filesystem's free space cannot be trusted, or nothing.
// size is the volume's in bytes. The conditions are those under which the
// kernel does not mount (fs/xfs/libxfs/xfs_sb.c, xfs_validate_sb_common), and
// more. Not looked at are the quota flags, which may ask for a quotacheck, and
// the flag for read-only mounts: they say how much of what is in use is whose,
// not what is in use.
func (s *superblock) check(size int64) string {
	b, be := s.raw, binary.BigEndian
	if s.version != 4 && s.version != 5 {
		return fmt.Sprintf("XFS of version %d, which is not known", s.version)
	}
	if s.sector < minSector || s.sector > maxSector || s.sector != 1<<(b[121]&31) {
		return fmt.Sprintf("impossible sector size %d", s.sector)
	}
	if int64(len(b)) < s.sector {
		return fmt.Sprintf("the filesystem has sectors of %d bytes, the volume only %d bytes", s.sector, size)
	}
	if s.version == 5 {
		if why := sumIsWrong(b, crcSuper); why != "" {
			return "superblock at byte 0: " + why + ": run xfs_repair"
		}
	}
	if why := s.unknownFeatures(); why != "" {
		return why
	}
	switch {
	case b[126] != 0:
		// mkfs, xfs_copy and xfs_mdrestore set it until they are done.
		return "the filesystem is marked as still being made: mkfs.xfs, xfs_copy or xfs_mdrestore did not finish"
	case s.incompat&incompatNeedsRepair != 0:
		return "the filesystem is marked as needing repair: run xfs_repair"
	case b[179] != 0:
		return fmt.Sprintf("shared filesystem of version %d, which is not known", b[179])
	case be.Uint64(b[16:]) != 0 || be.Uint64(b[24:]) != 0:
		return "the filesystem has a realtime section, which is not supported"
	case s.logStart == 0:
		return "the filesystem's log is on another device, so whether it is clean cannot be seen"
	}
	least := int64(minBlock)
	if s.version == 5 {
		least = 1024
	}
	switch {
	case s.blockSize < least || s.blockSize > maxBlock || s.blockSize != 1<<(b[120]&31):
		return fmt.Sprintf("impossible block size %d", s.blockSize)
	case s.sector > s.blockSize:
		return fmt.Sprintf("impossible sector size %d with blocks of %d bytes", s.sector, s.blockSize)
	case s.groupBlocks < minGroup/s.blockSize || s.groupBlocks > maxGroup/s.blockSize:
		return fmt.Sprintf("impossible allocation groups of %d blocks", s.groupBlocks)
	case int(b[124]) != bits.Len64(uint64(s.groupBlocks-1)):
		return fmt.Sprintf("allocation groups of %d blocks, but block numbers for 2^%d: run xfs_repair", s.groupBlocks, b[124])
	case s.blocks <= 0:
		return fmt.Sprintf("impossible size of %d blocks", s.blocks)
	case s.blocks > size/s.blockSize:
		return fmt.Sprintf("the filesystem has %d blocks of %d bytes, the volume only %d bytes", s.blocks, s.blockSize, size)
	case s.groups != (s.blocks+s.groupBlocks-1)/s.groupBlocks:
		return fmt.Sprintf("%d allocation groups of %d blocks do not make %d blocks: run xfs_repair", s.groups, s.groupBlocks, s.blocks)
	case s.groupLen(s.groups-1) < minLastGroup:
		return fmt.Sprintf("impossible last allocation group of %d blocks", s.groupLen(s.groups-1))
	}
	s.headerBlocks = (headerSectors*s.sector + s.blockSize - 1) / s.blockSize
	group, at := s.logPlace()
	switch {
	case s.logBlocks < 1 || s.logBlocks > maxLog/s.blockSize || s.logBlocks*s.blockSize < minLogBlocks*logBlock:
		return fmt.Sprintf("impossible log of %d blocks", s.logBlocks)
	case s.logStart < 0 || group >= s.groups || at < s.headerBlocks || at+s.logBlocks > s.groupLen(group):
		return fmt.Sprintf("impossible log of %d blocks at block %#x", s.logBlocks, s.logStart)
	}
	return ""
}

// groupLen is how many blocks group g has.
func (s *superblock) groupLen(g int64) int64 {
	return min(s.groupBlocks, s.blocks-g*s.groupBlocks)
}

// logPlace is the group in which the log lies, and the block of the group at
// which it begins: filesystem block numbers have the group in their upper bits.
func (s *superblock) logPlace() (group, at int64) {
	shift := s.raw[124] & 63
	return s.logStart >> shift, s.logStart & (1<<shift - 1)
}

// offset is the byte of the volume at which block b of group g lies.
func (s *superblock) offset(g, b int64) int64 { return (g*s.groupBlocks + b) * s.blockSize }

// lazy says that the counters in the superblock are written only when the log
// is covered or the filesystem is unmounted, and that the AGFs count the blocks
// of the trees.
func (s *superblock) lazy() bool {
	return s.version == 5 || s.versionNum&versionMoreBits != 0 && s.features2&features2LazyCount != 0
}

// report is what can be said of the filesystem without knowing its free space.
func (s *superblock) report() blockmap.Report {
	r := blockmap.Report{Type: "xfs", BlockSize: s.blockSize, Features: s.features()}
	if u := s.uuid; !bytes.Equal(u, make([]byte, 16)) {
		r.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	name, _, _ := strings.Cut(string(s.raw[108:120]), "\x00")
	r.Label = strings.TrimRight(name, " \t\n")
	return r
}
