package f2fs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf16"

	"migimg/blockmap"
)

// The superblock lies at byte 1024 of blocks 0 and 1, is 3072 bytes long and
// little-endian (f2fs-tools, include/f2fs_fs.h, struct f2fs_super_block); words
// of 32 bits, unless said otherwise:
//
//	0     magic                  4     version, twice 16 bits
//	8     log2 sector size       12    log2 sectors per block
//	16    log2 block size        20    log2 blocks per segment
//	24    segments per section   28    sections per zone
//	32    place of the checksum  36    blocks, 64 bits
//	44    sections               48    segments
//	52    segments of the checkpoint area, 56 SIT, 60 NAT, 64 SSA, 68 main area
//	72    first block of segment 0, 76 of the checkpoint area, 80 SIT, 84 NAT,
//	      88 SSA, 92 main area
//	96    inode numbers: root 3, 100 node 1, 104 meta 2
//	108   UUID, 16 bytes         124   label, 512 characters of 16 bits
//	1664  checkpoint payload     2180  features
//	2201  8 devices: 64 bytes of path and a count of segments
//	2762  32 bytes: why checkpoints were stopped
//	2794  16 bytes: errors found
//	3068  checksum
const (
	superOffset = 1024
	superSize   = 3072
	superMagic  = 0xf2f52010

	superIdentity = 108 // what is before is geometry
	superFeatures = 2180
	superDevices  = 2201
	superStopped  = 2762
	superErrors   = 2794
	superReserved = 2810
	superChecksum = 3068
)

// maxSegments is what 32 bits of block numbers, of 4 KiB each, can hold.
const maxSegments = 1 << 32 / segmentBlocks

// super is the parsed superblock. It is immutable after check.
type super struct {
	raw      []byte
	cp       int64 // first block of the checkpoint area
	sit      int64 // first block of the SIT
	sitHalf  int64 // blocks of one half of it
	natHalf  int64
	main     int64 // first block of the main area
	segments int64 // of the main area
	payload  int64 // blocks behind a checkpoint's first one
}

func (s *super) u32(off int) int64 { return int64(binary.LittleEndian.Uint32(s.raw[off:])) }

// crc is F2FS's checksum: CRC-32 that begins with the magic number and is not
// inverted (f2fs-tools, lib/libf2fs.c, f2fs_cal_crc32).
func crc(seed uint32, b []byte) uint32 {
	return ^crc32.Update(^seed, crc32.IEEETable, b)
}

// readSuper reads the first superblock, or answers blockmap.ErrNotMine.
func readSuper(v blockmap.Volume) (*super, error) {
	if v.Size() < 2*blockSize {
		return nil, blockmap.ErrNotMine
	}
	b := make([]byte, superSize)
	if err := blockmap.ReadFull(v, b, superOffset); err != nil {
		return nil, fmt.Errorf("f2fs: superblock at byte %d: %w", superOffset, err)
	}
	if binary.LittleEndian.Uint32(b) != superMagic {
		return nil, blockmap.ErrNotMine
	}
	return &super{raw: b}, nil
}

// check derives the geometry and says why the filesystem cannot be understood,
// or nothing. size is the volume's in bytes. The conditions are those of
// f2fs-tools (fsck/mount.c, sanity_check_raw_super) and more.
func (s *super) check(size int64) string {
	const advice = ": run fsck.f2fs"
	if why := s.features(); why != "" {
		return why
	}
	if s.u32(superFeatures)&featureChecksum != 0 {
		if at := s.u32(32); at != superChecksum {
			return fmt.Sprintf("the superblock's checksum lies at its byte %d", at) + advice
		}
		if got, want := crc(superMagic, s.raw[:superChecksum]), uint32(s.u32(superChecksum)); got != want {
			return fmt.Sprintf("superblock at byte %d: checksum is %#08x, must be %#08x", superOffset, want, got) + advice
		}
	}
	switch {
	case s.u32(16) != 12:
		return fmt.Sprintf("blocks of 2^%d bytes, of which only 4096 are read", s.u32(16))
	case s.u32(20) != 9 || s.u32(8) < 9 || s.u32(8) > 12 || s.u32(8)+s.u32(12) != 12:
		return "impossible sizes of sectors, blocks and segments" + advice
	case s.u32(96) != 3 || s.u32(100) != 1 || s.u32(104) != 2:
		return "impossible numbers of the first inodes" + advice
	case s.raw[superDevices] != 0:
		return "the filesystem lies on several devices"
	case !zero(s.raw[superStopped:superErrors]):
		return "the kernel has stopped writing to this filesystem because of errors" + advice
	case !zero(s.raw[superErrors:superReserved]):
		return "the kernel has found errors in this filesystem" + advice
	}
	return s.areas(size)
}

// areas checks that the areas follow each other and fit.
func (s *super) areas(size int64) string {
	const advice = ": run fsck.f2fs"
	segments, blocks := s.u32(48), binary.LittleEndian.Uint64(s.raw[36:])
	perSection, perZone := s.u32(24), s.u32(28)
	if segments < 9 || segments > maxSegments || blocks > 1<<32 || uint64(segments) > blocks/segmentBlocks {
		return fmt.Sprintf("impossible size of %d segments, %d blocks", segments, blocks) + advice
	}
	if int64(blocks) > size/blockSize {
		return fmt.Sprintf("the filesystem has %d blocks of %d bytes, the volume only %d bytes: it was cut short, or is a piece of a larger one", blocks, blockSize, size)
	}
	if perSection == 0 || perSection > segments || perZone == 0 || s.u32(44) > segments/perSection || perZone > s.u32(44) {
		return fmt.Sprintf("impossible sections: %d of %d segments, %d in a zone", s.u32(44), perSection, perZone) + advice
	}
	at := s.u32(72)
	if at*blockSize < 2*blockSize || at != s.u32(76) {
		return fmt.Sprintf("segment 0 begins in block %d, the checkpoint area in block %d", at, s.u32(76)) + advice
	}
	for i, name := range []string{"checkpoint area", "SIT", "NAT", "SSA", "main area"} {
		if s.u32(76+4*i) != at {
			return fmt.Sprintf("the %s begins in block %d, must in %d", name, s.u32(76+4*i), at) + advice
		}
		at += s.u32(52+4*i) * segmentBlocks
	}
	s.cp, s.sit, s.main = s.u32(76), s.u32(80), s.u32(92)
	s.sitHalf, s.natHalf = s.u32(56)/2*segmentBlocks, s.u32(60)/2*segmentBlocks
	s.segments, s.payload = s.u32(68), s.u32(1664)
	switch {
	case at > s.u32(72)+segments*segmentBlocks || uint64(at) > blocks:
		return fmt.Sprintf("the main area ends behind the filesystem, with block %d", at) + advice
	case s.u32(52) != 2 || s.u32(56)%2 != 0 || s.u32(60)%2 != 0:
		return fmt.Sprintf("impossible areas of %d, %d and %d segments", s.u32(52), s.u32(56), s.u32(60)) + advice
	case s.segments == 0 || sitBlocks(s.segments) > s.sitHalf || s.segments > s.u32(64)*segmentBlocks:
		return fmt.Sprintf("the tables are too small for %d segments", s.segments) + advice
	case s.payload > segmentBlocks-2:
		return fmt.Sprintf("impossible checkpoint payload of %d blocks", s.payload) + advice
	}
	return ""
}

// checkCopy compares the second superblock with the first.
func (f *fsys) checkCopy() error {
	b := make([]byte, superSize)
	if err := blockmap.ReadFull(f.v, b, blockSize+superOffset); err != nil {
		return fmt.Errorf("f2fs: second superblock at byte %d: %w", blockSize+superOffset, err)
	}
	a := f.sb.raw
	same := func(from, to int) bool { return bytes.Equal(a[from:to], b[from:to]) }
	if !same(0, superIdentity) || !same(1664, 1668) || !same(superFeatures, superFeatures+4) || !same(superDevices, superReserved) {
		return damaged("the two superblocks differ")
	}
	return nil
}

// report is what the superblock alone says of the volume.
func (s *super) report() blockmap.Report {
	u := s.raw[108:124]
	r := blockmap.Report{Type: "f2fs", BlockSize: blockSize, Features: s.featureNames()}
	if !zero(u) {
		r.UUID = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	label := make([]uint16, 0, 512)
	for i := 124; i < 1148; i += 2 {
		c := binary.LittleEndian.Uint16(s.raw[i:])
		if c == 0 {
			break
		}
		label = append(label, c)
	}
	r.Label = strings.TrimRight(string(utf16.Decode(label)), " \t\n") // as blkid does
	return r
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
