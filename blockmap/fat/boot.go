package fat

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"migimg/blockmap"
)

// The boot sector is the volume's first, little-endian (specification, "Boot
// Sector and BPB"):
//
//	0x00 jump[3]             0x03 OEM name[8]      0x0b bytes per sector (16 bits)
//	0x0d sectors per cluster (8)                   0x0e reserved sectors (16)
//	0x10 number of FATs (8)  0x11 root entries (16)
//	0x13 sectors (16), 0x20 sectors (32): the one that is not 0
//	0x15 media (8)           0x16 sectors of a FAT (16), 0 in FAT32
//
// FAT12 and FAT16:
//
//	0x25 state (8)           0x27 serial[4]        0x36 name of the type[8]
//
// FAT32:
//
//	0x24 sectors of a FAT (32)                     0x28 flags (16)
//	0x2a version (16)        0x2c root cluster     0x30 FSInfo's sector (16)
//	0x32 backup's sector (16)                      0x41 state (8)
//	0x43 serial[4]           0x52 name of the type[8]
//
// 0x1fe is 55 AA whatever the sector size is. The state is the kernel's (struct
// fat_boot_sector in include/uapi/linux/msdos_fs.h) and Windows'; to the
// specification it is reserved.
const (
	bootSize = 512

	stateDirty = 1 << 0
	stateError = 1 << 1

	// Of FAT32's flags: the copies of the table are not kept alike, and which one
	// is in use.
	flagNoMirror = 1 << 7
	maskActive   = 0xf

	firstCluster = 2
	dirEntry     = 32 // bytes

	// The most clusters that each kind of table has room for without using the
	// values that are reserved (specification, "FAT Type Determination"; MAX_FAT*
	// in fs/fat/fat.h).
	maxClusters12 = 4084
	maxClusters16 = 65524
	maxClusters32 = 0x0ffffff5
)

// boot is the parsed boot sector. It is immutable after parseBoot. Nothing of it
// is to be trusted before check.
type boot struct {
	raw         []byte
	sector      int64 // bytes
	cluster     int64 // bytes
	reserved    int64 // sectors before the first table
	fats        int64
	rootEntries int64 // of the root directory's fixed place; 0 in FAT32
	sectors     int64 // of the filesystem
	media       byte
	fatSectors  int64 // of one table
	flags       int64
	rootCluster int64 // FAT32 only
	state       byte
	bits        int   // of an entry: 12, 16 or 32
	dataStart   int64 // bytes: where cluster 2 lies
	clusters    int64
}

// readBoot reads the boot sector, or answers blockmap.ErrNotMine.
func readBoot(v blockmap.Volume) (*boot, error) {
	if v.Size() < bootSize {
		return nil, blockmap.ErrNotMine
	}
	raw := make([]byte, bootSize)
	if err := blockmap.ReadFull(v, raw, 0); err != nil {
		return nil, fmt.Errorf("vfat: boot sector: %w", err)
	}
	if !looksLike(raw) {
		return nil, blockmap.ErrNotMine
	}
	return parseBoot(raw), nil
}

// looksLike says whether raw can be a boot sector of FAT at all.
func looksLike(raw []byte) bool {
	le := binary.LittleEndian
	jump := raw[0] == 0xeb && raw[2] == 0x90 || raw[0] == 0xe9
	if !jump || raw[510] != 0x55 || raw[511] != 0xaa {
		return false
	}
	// NTFS, exFAT and BitLocker put zeros where FAT has none, but their names are
	// clearer. OS/2 writes a geometry as FAT's in front of JFS and HPFS (libblkid/
	// src/superblocks/vfat.c).
	if slices.Contains([]string{"NTFS    ", "EXFAT   ", "-FVE-FS-"}, string(raw[3:11])) ||
		slices.Contains([]string{"JFS     ", "HPFS    "}, string(raw[0x36:0x3e])) {
		return false
	}
	sector, perCluster, fats, media := le.Uint16(raw[0x0b:]), raw[0x0d], raw[0x10], raw[0x15]
	return sector >= 512 && sector <= 4096 && bits.OnesCount16(sector) == 1 &&
		bits.OnesCount8(perCluster) == 1 && le.Uint16(raw[0x0e:]) != 0 &&
		fats >= 1 && fats <= 4 && (media == 0xf0 || media >= 0xf8) &&
		(le.Uint16(raw[0x13:]) != 0 || le.Uint32(raw[0x20:]) != 0) &&
		(le.Uint16(raw[0x16:]) != 0 || le.Uint32(raw[0x24:]) != 0)
}

// named says whether the boot sector names the format: it need not.
func (b *boot) named() bool {
	old, wide := string(b.raw[0x36:0x3e]), string(b.raw[0x52:0x5a])
	return old[:3] == "FAT" || old[:5] == "MSDOS" || wide == "FAT32   " || wide[:5] == "MSWIN"
}

// parseBoot reads the fields of raw, for which looksLike holds.
//
// A table's kind follows from the number of clusters (specification, "FAT Type
// Determination"), but for FAT32, which all drivers know by the 16-bit size of
// a table being 0: mkfs.fat -F 32 makes such volumes with few clusters, and no
// driver can take them for anything else.
func parseBoot(raw []byte) *boot {
	le := binary.LittleEndian
	u16 := func(off int) int64 { return int64(le.Uint16(raw[off:])) }
	u32 := func(off int) int64 { return int64(le.Uint32(raw[off:])) }
	b := &boot{
		raw: raw, sector: u16(0x0b), reserved: u16(0x0e), fats: int64(raw[0x10]),
		rootEntries: u16(0x11), sectors: u16(0x13), media: raw[0x15], fatSectors: u16(0x16),
		state: raw[0x25],
	}
	b.cluster = b.sector * int64(raw[0x0d])
	if b.sectors == 0 {
		b.sectors = u32(0x20)
	}
	if b.fatSectors == 0 {
		b.bits = 32
		b.fatSectors, b.flags, b.rootCluster, b.state = u32(0x24), u16(0x28), u32(0x2c), raw[0x41]
	}
	b.dataStart = b.rootStart() + (b.rootEntries*dirEntry+b.sector-1)/b.sector*b.sector
	b.clusters = max(0, b.size()-b.dataStart) / b.cluster
	switch {
	case b.bits == 32:
	case b.clusters <= maxClusters12:
		b.bits = 12
	default:
		b.bits = 16
	}
	return b
}

// size is the filesystem's, in bytes.
func (b *boot) size() int64 { return b.sectors * b.sector }

// fatStart is the byte at which the first table lies.
func (b *boot) fatStart() int64 { return b.reserved * b.sector }

// rootStart is the byte behind the last table, where FAT12 and FAT16 have the
// root directory.
func (b *boot) rootStart() int64 { return b.fatStart() + b.fats*b.fatSectors*b.sector }

// offset is the byte at which cluster c lies.
func (b *boot) offset(c int64) int64 { return b.dataStart + (c-firstCluster)*b.cluster }

// valid says that there is a cluster c.
func (b *boot) valid(c int64) bool { return c >= firstCluster && c < b.clusters+firstCluster }

// tableBytes is how much of a table is in use.
func (b *boot) tableBytes() int64 {
	return ((b.clusters+firstCluster)*int64(b.bits) + 7) / 8
}

// check says why the filesystem's map cannot be trusted, or nothing. size is the
// volume's in bytes. The conditions are those under which the kernel refuses to
// mount (fat_fill_super in fs/fat/inode.c), or clusters would lie elsewhere for
// some driver, and more.
func (b *boot) check(size int64) string {
	most := map[int]int64{12: maxClusters12, 16: maxClusters16, 32: maxClusters32}[b.bits]
	wide := b.bits == 32
	switch {
	case bitLocker(b.raw):
		return "it is encrypted with BitLocker To Go, behind a small FAT32 that explains it"
	case wide && binary.LittleEndian.Uint16(b.raw[0x2a:]) != 0:
		return fmt.Sprintf("FAT32 of version %d.%d, which is not known", b.raw[0x2b], b.raw[0x2a])
	case wide && b.rootEntries != 0:
		return fmt.Sprintf("FAT32 with a root directory of %d entries outside the clusters", b.rootEntries)
	case !wide && (b.rootEntries == 0 || b.rootEntries*dirEntry%b.sector != 0):
		return fmt.Sprintf("the root directory's %d entries do not fill its sectors of %d bytes", b.rootEntries, b.sector)
	case b.clusters == 0:
		return fmt.Sprintf("there are no clusters: the first would begin at byte %d of %d", b.dataStart, b.size())
	case b.clusters > most:
		return fmt.Sprintf("FAT%d with %d clusters; there cannot be more than %d", b.bits, b.clusters, most)
	case b.tableBytes() > b.fatSectors*b.sector:
		return fmt.Sprintf("a FAT of %d bytes is too small for %d clusters: run fsck.fat", b.fatSectors*b.sector, b.clusters)
	case b.size() > size:
		return fmt.Sprintf("the filesystem has %d bytes, the volume only %d", b.size(), size)
	case wide && !b.valid(b.rootCluster):
		return fmt.Sprintf("the root directory's first cluster is %d, of %d: run fsck.fat", b.rootCluster, b.clusters)
	case b.flags&flagNoMirror != 0 && b.flags&maskActive >= b.fats:
		return fmt.Sprintf("FAT number %d is the one in use, of %d: run fsck.fat", b.flags&maskActive, b.fats)
	}
	return ""
}

// bitLocker: BitLocker To Go's volumes bear one of two GUIDs, 4967D63B-2E29-...
// and 92A84D3B-DD80-..., at byte 424 (libbde, BitLocker Drive Encryption format).
func bitLocker(raw []byte) bool {
	return slices.Contains([]string{
		"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01",
		"\x3b\x4d\xa8\x92\x80\xdd\x0e\x4d\x9e\x4e\xb1\xe3\x28\x4e\xae\xd8",
	}, string(raw[424:440]))
}

// report is what the boot sector alone says of the volume.
func (b *boot) report() blockmap.Report {
	serial := b.raw[0x27:0x2b]
	if b.bits == 32 {
		serial = b.raw[0x43:0x47]
	}
	r := blockmap.Report{Type: "vfat", BlockSize: b.cluster, Features: []string{fmt.Sprintf("FAT%d", b.bits)}}
	if n := binary.LittleEndian.Uint32(serial); n != 0 { // to blkid, 0 is none
		r.UUID = fmt.Sprintf("%04X-%04X", n>>16, n&0xffff)
	}
	return r
}

// geometry is what of a boot sector says where things are.
func (b *boot) geometry() [7]int64 {
	return [7]int64{b.sector, b.cluster, b.reserved, b.fats, b.fatSectors, b.rootEntries, b.sectors}
}

// checkBackup compares the geometry with that of FAT32's backup boot sector, the
// only second word on it that there is. It says where they contradict.
func (f *fsys) checkBackup() (string, error) {
	at := int64(binary.LittleEndian.Uint16(f.raw[0x32:]))
	if f.bits != 32 || at == 0 || at >= f.reserved { // none: it is optional
		return "", nil
	}
	raw := make([]byte, bootSize)
	if err := blockmap.ReadFull(f.v, raw, at*f.sector); err != nil {
		return "", fmt.Errorf("vfat: backup boot sector at byte %d: %w", at*f.sector, err)
	}
	if looksLike(raw) {
		if was := parseBoot(raw); was.geometry() != f.geometry() {
			return fmt.Sprintf("the backup boot sector at byte %d has another geometry than the boot sector: run fsck.fat", at*f.sector), nil
		}
	}
	return "", nil
}
