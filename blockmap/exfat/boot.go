package exfat

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// The boot sector is the volume's first, little-endian (specification, section
// 3.1):
//
//	0 jump[3]             3 "EXFAT   "           11 zeros[53]
//	64 partition's place  72 sectors (64 bits)   80 FAT's sector (32)
//	84 sectors of a FAT   88 first sector of the clusters
//	92 clusters           96 root's cluster      100 serial number
//	104 revision[2]       106 flags (16)         108 log2 of the sector's bytes
//	109 log2 of a cluster's sectors              110 number of FATs
//	112 percent in use    510 55 AA
//
// Eleven sectors and one of checksums make a boot region. The backup follows.
const (
	bootSize      = 512
	regionSectors = 12
	firstFAT      = 2 * regionSectors // sectors; the least place of the first FAT

	flagActiveFAT    = 1 << 0 // the second FAT and bitmap are in use
	flagDirty        = 1 << 1
	flagMediaFailure = 1 << 2
	flagsKnown       = 0xf // with "clear to zero", which means nothing

	firstCluster = 2
	maxClusters  = 1<<32 - 11

	endOfChain = 0xffffffff
)

// boot is the parsed boot sector. It is immutable after parseBoot. Nothing of it
// is to be trusted before check.
type boot struct {
	raw         []byte
	sectors     int64
	fatOffset   int64 // sectors
	fatSectors  int64
	heapOffset  int64 // sectors: where cluster 2 lies
	clusters    int64
	rootCluster int64
	serial      uint32
	volumeFlags uint16
	sectorShift byte
	clusterBits byte // log2 of a cluster's sectors
	fats        byte
	percent     byte
	sector      int64 // bytes, as long as check finds it possible
	cluster     int64 // bytes
}

// readBoot reads the boot sector, or answers blockmap.ErrNotMine.
func readBoot(v blockmap.Volume) (*boot, error) {
	if v.Size() < bootSize {
		return nil, blockmap.ErrNotMine
	}
	raw := make([]byte, bootSize)
	if err := readFull(v, raw, 0, "boot sector"); err != nil {
		return nil, err
	}
	if string(raw[3:11]) != "EXFAT   " || raw[510] != 0x55 || raw[511] != 0xaa {
		return nil, blockmap.ErrNotMine
	}
	return parseBoot(raw), nil
}

func parseBoot(raw []byte) *boot {
	le := binary.LittleEndian
	u32 := func(off int) int64 { return int64(le.Uint32(raw[off:])) }
	b := &boot{
		raw: raw, sectors: int64(le.Uint64(raw[72:])),
		fatOffset: u32(80), fatSectors: u32(84), heapOffset: u32(88), clusters: u32(92),
		rootCluster: u32(96), serial: le.Uint32(raw[100:]), volumeFlags: le.Uint16(raw[106:]),
		sectorShift: raw[108], clusterBits: raw[109], fats: raw[110], percent: raw[112],
	}
	// Sectors of 512 to 4096 bytes, clusters of at most 32 MiB (specification,
	// sections 3.1.14 and 3.1.15).
	if b.sectorShift >= 9 && b.sectorShift <= 12 && b.clusterBits <= 25-b.sectorShift {
		b.sector = 1 << b.sectorShift
		b.cluster = b.sector << b.clusterBits
	}
	return b
}

// check says why the filesystem's map cannot be trusted, or nothing. size is the
// volume's in bytes. The conditions are the specification's, and those of the
// kernel (exfat_read_boot_sector in fs/exfat/super.c).
func (b *boot) check(size int64) string {
	raw := b.raw
	switch {
	case !bytes.Equal(raw[:3], []byte("\xeb\x76\x90")):
		return "the boot sector does not begin as one of exFAT: run fsck.exfat"
	case len(bytes.Trim(raw[11:64], "\x00")) > 0:
		return "there are remains of another filesystem in the boot sector: run fsck.exfat"
	case raw[105] != 1 || raw[104] > 99:
		return fmt.Sprintf("exFAT of revision %d.%02d, which is not known", raw[105], raw[104])
	case b.sector == 0:
		return fmt.Sprintf("impossible sectors of 2^%d bytes, clusters of 2^%d sectors", b.sectorShift, b.clusterBits)
	case b.fats == 2:
		return "it has two FATs and allocation bitmaps (TexFAT), which Linux cannot mount either"
	case b.fats != 1:
		return fmt.Sprintf("impossible number of FATs: %d", b.fats)
	case b.volumeFlags&flagActiveFAT != 0:
		return "the second FAT is the one in use, but there is only one: run fsck.exfat"
	case b.volumeFlags&^flagsKnown != 0:
		return fmt.Sprintf("unknown flags %#x", b.volumeFlags&^flagsKnown)
	case b.sectors < 0 || b.sectors > size/b.sector:
		return fmt.Sprintf("the filesystem has %d sectors of %d bytes, the volume only %d bytes", uint64(b.sectors), b.sector, size)
	case b.clusters == 0 || b.clusters > maxClusters:
		return fmt.Sprintf("impossible number of clusters: %d", b.clusters)
	case b.fatOffset < firstFAT:
		return fmt.Sprintf("the FAT begins in sector %d, within the boot regions: run fsck.exfat", b.fatOffset)
	case b.fatSectors*b.sector < (b.clusters+firstCluster)*4:
		return fmt.Sprintf("a FAT of %d sectors is too small for %d clusters: run fsck.exfat", b.fatSectors, b.clusters)
	case b.fatOffset+b.fatSectors > b.heapOffset:
		return fmt.Sprintf("the clusters begin in sector %d, before the FAT's end: run fsck.exfat", b.heapOffset)
	case b.heapOffset+b.clusters<<b.clusterBits > b.sectors:
		return fmt.Sprintf("%d clusters from sector %d on do not fit into %d sectors: run fsck.exfat", b.clusters, b.heapOffset, b.sectors)
	case !b.valid(b.rootCluster):
		return fmt.Sprintf("the root directory's first cluster is %d, of %d: run fsck.exfat", b.rootCluster, b.clusters)
	case b.percent > 100 && b.percent != 0xff:
		return fmt.Sprintf("%d %% of the clusters are in use, says the boot sector: run fsck.exfat", b.percent)
	}
	return ""
}

// valid says that there is a cluster c.
func (b *boot) valid(c int64) bool { return c >= firstCluster && c < b.clusters+firstCluster }

// offset is the byte at which cluster c lies.
func (b *boot) offset(c int64) int64 {
	return b.heapOffset<<b.sectorShift + (c-firstCluster)*b.cluster
}

// checkRegions verifies both boot regions: the first must be sound, the second
// may be unsound, but must not contradict the first.
func (f *fsys) checkRegions() (whole, warning string, err error) {
	n := regionSectors * f.sector
	b := make([]byte, 2*n)
	if err := readFull(f.v, b, 0, "boot regions"); err != nil {
		return "", "", err
	}
	main, backup := b[:n], b[n:]
	if !verified(main, f.sector) {
		return "the boot region's checksum is wrong: run fsck.exfat", "", nil
	}
	if !verified(backup, f.sector) {
		return "", fmt.Sprintf("the backup boot region at byte %d is damaged: run fsck.exfat", n), nil
	}
	if !bytes.Equal(main[64:104], backup[64:104]) || !bytes.Equal(main[108:111], backup[108:111]) {
		return fmt.Sprintf("the backup boot region at byte %d has another geometry than the first: run fsck.exfat", n), "", nil
	}
	return "", "", nil
}

// verified compares a boot region's checksum with its last sector, which is full
// of it (specification, section 3.4). Flags and percentage do not count.
func verified(region []byte, sector int64) bool {
	sum := uint32(0)
	for i, c := range region[:11*sector] {
		if i != 106 && i != 107 && i != 112 {
			sum = rotated(sum, c)
		}
	}
	for rest := region[11*sector:]; len(rest) >= 4; rest = rest[4:] {
		if binary.LittleEndian.Uint32(rest) != sum {
			return false
		}
	}
	return true
}

// rotated is one step of exFAT's 32-bit checksums.
func rotated(sum uint32, c byte) uint32 { return sum<<31 + sum>>1 + uint32(c) }

// report is what the boot sector alone says of the volume.
func (b *boot) report() blockmap.Report {
	r := blockmap.Report{Type: "exfat", BlockSize: b.cluster}
	if b.serial != 0 { // to blkid, 0 is none
		r.UUID = fmt.Sprintf("%04X-%04X", b.serial>>16, b.serial&0xffff)
	}
	return r
}
