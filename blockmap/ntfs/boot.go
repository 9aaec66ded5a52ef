package ntfs

import (
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// The boot sector (ntfs-3g, include/ntfs-3g/layout.h, NTFS_BOOT_SECTOR),
// little-endian:
//
//	3     "NTFS    "
//	11    bytes per sector, 16 bits
//	13    sectors per cluster, 8 bits; above 128 it is 256 - log2
//	14    fields that FAT has and NTFS leaves zero: 14 (16 bits), 16 (8),
//	      17 (16), 19 (16), 22 (16), 32 (32)
//	40    sectors of the volume, 64 bits, without the copy of this one at the end
//	48    first cluster of $MFT, 64 bits
//	56    first cluster of $MFTMirr, 64 bits
//	64    clusters per MFT record, 8 bits; negative: -log2 of its bytes
//	68    clusters per index block, likewise
//	72    serial number, 64 bits
//	510   0x55 0xaa
const (
	bootSize = 512
	bootMark = "NTFS    "
	// bootBytes is the part of the volume that $Boot takes, boot code and the
	// header of shadow copies included.
	bootBytes = 8192
)

// Bounds on the geometry: those of Windows.
const (
	minSector  = 512
	maxSector  = 4096
	maxCluster = 2 << 20
	minRecord  = 512
	maxRecord  = 64 << 10
	// maxClusters is Windows' limit.
	maxClusters = 1 << 32
)

// boot is the parsed boot sector. It is immutable after check.
type boot struct {
	raw      []byte
	sector   int64 // bytes
	cluster  int64 // bytes
	record   int64 // bytes of an MFT record
	clusters int64 // how many there are
	mft      int64 // first cluster
	mirror   int64 // first cluster
}

// readBoot reads the boot sector, or answers blockmap.ErrNotMine.
func readBoot(v blockmap.Volume) (*boot, error) {
	if v.Size() < bootSize {
		return nil, blockmap.ErrNotMine
	}
	b := make([]byte, bootSize)
	if err := blockmap.ReadFull(v, b, 0); err != nil {
		return nil, fmt.Errorf("ntfs: boot sector at byte 0: %w", err)
	}
	if string(b[3:3+len(bootMark)]) != bootMark {
		return nil, blockmap.ErrNotMine
	}
	return &boot{raw: b}, nil
}

// serial is the volume's serial number as blkid prints it.
func (b *boot) serial() string {
	return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(b.raw[72:]))
}

// check derives the geometry and says why it cannot be used, or nothing. size
// is the volume's in bytes.
func (b *boot) check(size int64) string {
	const advice = ": the boot sector is damaged, or another format has taken this volume's place: run chkdsk /f"
	le := binary.LittleEndian
	b.sector = int64(le.Uint16(b.raw[11:]))
	if b.sector < minSector || b.sector > maxSector || b.sector&(b.sector-1) != 0 {
		return fmt.Sprintf("impossible sector size %d", b.sector) + advice
	}
	perCluster := int64(b.raw[13])
	if perCluster > 128 {
		if perCluster = 256 - perCluster; perCluster > 12 {
			return fmt.Sprintf("impossible cluster size %#02x", b.raw[13]) + advice
		}
		perCluster = 1 << perCluster
	}
	b.cluster = perCluster * b.sector
	if perCluster == 0 || perCluster&(perCluster-1) != 0 || b.cluster > maxCluster {
		return fmt.Sprintf("impossible cluster of %d sectors", perCluster) + advice
	}
	if le.Uint16(b.raw[14:])|le.Uint16(b.raw[17:])|le.Uint16(b.raw[19:])|le.Uint16(b.raw[22:]) != 0 ||
		b.raw[16] != 0 || le.Uint32(b.raw[32:]) != 0 {
		return "fields of the boot sector that must be zero are not" + advice
	}
	if b.raw[510] != 0x55 || b.raw[511] != 0xaa {
		return "the boot sector has lost its signature" + advice
	}
	b.record = b.recordSize(int8(b.raw[64]))
	if b.record < minRecord || b.record > maxRecord || b.record&(b.record-1) != 0 {
		return fmt.Sprintf("impossible size of MFT records %#02x", b.raw[64]) + advice
	}
	sectors := le.Uint64(b.raw[40:])
	if sectors == 0 || sectors > uint64(size/b.sector) {
		return fmt.Sprintf("the filesystem has %d sectors of %d bytes, the volume only %d bytes: it was cut short, or is a piece of a larger one", sectors, b.sector, size)
	}
	b.clusters = int64(sectors) / perCluster
	mft, mirror := le.Uint64(b.raw[48:]), le.Uint64(b.raw[56:])
	switch {
	case b.clusters == 0 || b.clusters > maxClusters || b.clusters*b.cluster < bootBytes:
		return fmt.Sprintf("impossible size of %d clusters", b.clusters) + advice
	case mft == 0 || mft >= uint64(b.clusters) || mirror == 0 || mirror >= uint64(b.clusters) || mft == mirror:
		return fmt.Sprintf("impossible places of $MFT and $MFTMirr: clusters %d and %d of %d", mft, mirror, b.clusters) + advice
	}
	b.mft, b.mirror = int64(mft), int64(mirror)
	return ""
}

// recordSize is what n, clusters or a negative power of two, stands for, or 0.
func (b *boot) recordSize(n int8) int64 {
	if n >= 0 {
		return int64(n) * b.cluster
	}
	if n < -30 {
		return 0
	}
	return 1 << -n
}

// clustersOf is how many clusters n bytes take.
func (b *boot) clustersOf(n int64) int64 { return (n + b.cluster - 1) / b.cluster }
