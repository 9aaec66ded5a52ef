package btrfs

import (
	"fmt"
	"strings"

	"migimg/blockmap"
)

// The superblock lies at 64 KiB, with copies at 64 MiB and 256 GiB where the
// device reaches there, and is 4 KiB long, little-endian (kernel, struct
// btrfs_super_block in include/uapi/linux/btrfs_tree.h, and fs/btrfs/disk-io.c):
//
//	0x00 checksum[32]        0x20 fsid[16]            0x30 its own address
//	0x38 flags               0x40 magic[8]            0x48 generation
//	0x50 root                0x58 chunk root          0x60 log root
//	0x70 total bytes         0x78 bytes used          0x88 number of devices
//	0x90 sector size (32)    0x94 node size (32)      0x98 leaf size (32)
//	0xa0 length of the system chunk array (32)        0xa4 chunk root generation
//	0xb4 ro_compat           0xbc incompat            0xc4 checksum type (16)
//	0xc6 root level (8)      0xc7 chunk root level    0xc8 log root level
//	0xc9 this device's item[98]                       0x12b label[256]
//	0x23b metadata UUID[16]  0x32b system chunk array[2048]
const (
	superOffset = 64 << 10
	superSize   = 4096
	superMagic  = "_BHRfS_M"

	// reserved is what no chunk is made in, at the start of each device (kernel,
	// fs/btrfs/fs.h, BTRFS_DEVICE_RANGE_RESERVED). Boot loaders live in it.
	reserved = 1 << 20

	maxLevel = 7
	// maxSize bounds addresses, so that sums of two do not overflow.
	maxSize = 1 << 61
)

// mirrors is where the copies of the superblock are.
func mirrors() [2]int64 { return [2]int64{64 << 20, 256 << 30} }

// superblock is the parsed superblock. It is immutable after parseSuper, but for
// device.allocated, which is the chunk tree's to say.
type superblock struct {
	raw                             []byte // the 4096 bytes
	fsid, metaID                    [16]byte
	flags, generation               uint64
	chunkGeneration                 uint64
	root, chunkRoot, logRoot        int64 // logical addresses
	rootLevel, chunkLevel, logLevel byte
	used, numDevices                int64
	sectorSize, nodeSize            int64 // bytes
	roCompat, incompat              uint64
	csum                            uint16
	device                          device
	array                           []byte // of system chunks
}

// readSuper reads the superblock, or answers blockmap.ErrNotMine.
func readSuper(v blockmap.Volume) ([]byte, error) {
	if v.Size() < superOffset+superSize {
		return nil, blockmap.ErrNotMine
	}
	b := make([]byte, superSize)
	if err := blockmap.ReadFull(v, b, superOffset); err != nil {
		return nil, fmt.Errorf("btrfs: superblock at byte %d: %w", superOffset, err)
	}
	if string(b[0x40:][:len(superMagic)]) != superMagic {
		return nil, blockmap.ErrNotMine
	}
	return b, nil
}

// size is a 64-bit field that is an address or a length; one that is too large
// for either becomes -1, which no check lets pass.
func size(b []byte) int64 {
	if n := le.Uint64(b); n <= maxSize {
		return int64(n)
	}
	return -1
}

// parseSuper reads the fields of b. Nothing is trusted before check.
func parseSuper(b []byte) *superblock {
	s := &superblock{
		raw:             b,
		fsid:            [16]byte(b[0x20:]),
		flags:           le.Uint64(b[0x38:]),
		generation:      le.Uint64(b[0x48:]),
		root:            size(b[0x50:]),
		chunkRoot:       size(b[0x58:]),
		logRoot:         size(b[0x60:]),
		used:            size(b[0x78:]),
		numDevices:      size(b[0x88:]),
		sectorSize:      int64(le.Uint32(b[0x90:])),
		nodeSize:        int64(le.Uint32(b[0x94:])),
		chunkGeneration: le.Uint64(b[0xa4:]),
		roCompat:        le.Uint64(b[0xb4:]),
		incompat:        le.Uint64(b[0xbc:]),
		csum:            le.Uint16(b[0xc4:]),
		rootLevel:       b[0xc6],
		chunkLevel:      b[0xc7],
		logLevel:        b[0xc8],
		device:          parseDevice(b[0xc9:][:deviceItemSize]),
		array:           b[0x32b:][:min(2048, le.Uint32(b[0xa0:]))],
	}
	s.metaID = s.fsid
	if s.incompat&incompatMetadataUUID != 0 {
		s.metaID = [16]byte(b[0x23b:])
	}
	return s
}

func (s *superblock) report() blockmap.Report {
	label, _, _ := strings.Cut(string(s.raw[0x12b:][:256]), "\x00")
	return blockmap.Report{
		Type:      "btrfs",
		UUID:      uuidString(s.fsid),
		Label:     label,
		BlockSize: s.sectorSize,
		Features:  s.features(),
	}
}

// check refuses superblocks whose filesystem cannot be mapped. The conditions
// are those of the kernel's btrfs_validate_super (fs/btrfs/disk-io.c), and more.
func (s *superblock) check(v blockmap.Volume) error {
	if s.csum >= csumTypes {
		return refuse("unknown checksum type %d: a newer migimg may know it", s.csum)
	}
	if !checksumOK(s.csum, s.raw) {
		return refuse("the superblock at byte %d has a wrong checksum: see btrfs rescue super-recover", superOffset)
	}
	if err := s.checkFeatures(); err != nil {
		return err
	}
	if err := s.checkFlags(); err != nil {
		return err
	}
	if why := s.geometry(); why != "" {
		return refuse("the superblock is damaged, %s: see btrfs rescue super-recover and btrfs check", why)
	}
	switch {
	case s.device.fsid != s.metaID:
		return refuse("this device belongs to another filesystem, %s", uuidString(s.device.fsid))
	case s.device.id == 0:
		return refuse("this device is the target of a device replacement that has not ended: let it end, or cancel it")
	case s.device.total > v.Size():
		return refuse("the filesystem takes %d bytes of this device, which has only %d: it was cut off", s.device.total, v.Size())
	}
	return s.checkMirrors(v)
}

// geometry checks the fields that others are computed with.
func (s *superblock) geometry() string {
	power := func(n, from, to int64) bool { return n >= from && n <= to && n&(n-1) == 0 }
	addresses := s.root > 0 && s.chunkRoot > 0 && s.logRoot >= 0
	switch {
	case le.Uint64(s.raw[0x30:]) != superOffset:
		return "its address is wrong"
	case !power(s.sectorSize, 4096, 65536):
		return fmt.Sprintf("sectors of %d bytes", s.sectorSize)
	case !power(s.nodeSize, s.sectorSize, 65536) || int64(le.Uint32(s.raw[0x98:])) != s.nodeSize:
		return fmt.Sprintf("nodes of %d bytes", s.nodeSize)
	case !addresses || (s.root|s.chunkRoot|s.logRoot)%s.sectorSize != 0:
		return "an address of a tree is wrong"
	case s.rootLevel > maxLevel || s.chunkLevel > maxLevel || s.logLevel > maxLevel:
		return "a tree is too high"
	case s.chunkGeneration > s.generation || s.generation > maxSize:
		return "generations do not fit"
	case le.Uint32(s.raw[0xa0:]) > 2048:
		return "the array of system chunks is too long"
	case s.numDevices < 1 || s.used <= 0 || s.device.total < 0:
		return "a count is wrong"
	}
	return ""
}

// checkMirrors refuses a filesystem that has a newer superblock than the first:
// the kernel takes the first, repair tools take the newest. Older ones are what
// a crash leaves, and those of other filesystems are remains.
func (s *superblock) checkMirrors(v blockmap.Volume) error {
	for _, off := range mirrors() {
		if off+superSize > s.device.total {
			continue
		}
		b := make([]byte, superSize)
		if err := blockmap.ReadFull(v, b, off); err != nil {
			return fmt.Errorf("btrfs: copy of the superblock at byte %d: %w", off, err)
		}
		m := parseSuper(b)
		mine := string(b[0x40:][:len(superMagic)]) == superMagic && checksumOK(m.csum, b) &&
			m.fsid == s.fsid && m.device.uuid == s.device.uuid
		if mine && m.generation > s.generation {
			return refuse("the superblock at byte %d is older than its copy at byte %d: run btrfs rescue super-recover", superOffset, off)
		}
	}
	return nil
}
