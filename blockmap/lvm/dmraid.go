package lvm

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"migimg/blockmap"
)

// The metadata volume of a RAID's copy begins with a superblock of dm-raid (kernel,
// drivers/md/dm-raid.c, struct dm_raid_superblock), little-endian, without a
// checksum; places and sizes in sectors of 512 bytes:
//
//	0    magic "DmRd"            64   reshape_position, 64 bits
//	4    compatible features     72   new level, layout, stripe size, 32 bits each
//	8    number of devices       84   delta_disks
//	12   this one's position     88   array_sectors, 64 bits
//	16   events, 64 bits         96   data_offset, new_data_offset, 64 bits each
//	24   failed devices          112  sectors, 64 bits
//	32   disk_recovery_offset    120  failed devices from 64 on, 3 times 64 bits
//	40   array_resync_offset     144  incompatible features
//	48   level, layout, stripe   148  zeros to the end of the sector
//	60   flags
//
// What is at 60 and behind is there with compatible feature 1, otherwise zeros. At
// byte 4096 lies md's bitmap of what is being written (drivers/md/md-bitmap.h,
// bitmap_super_t): at 24 events, at 40 sync_size, at 48 state, at 52 the bytes of a
// chunk; from 256 on a bit for each chunk.
//
// array_resync_offset says nothing of writes under way: unlike md itself, dm-raid
// writes "in sync" into the superblock of a running array, too (super_sync), and
// after a crash reads from any copy. What may differ says the bitmap alone: a bit
// is on the disk before anything is written to its chunk, and goes when all copies
// have it, which it does not where one of them failed (md_bitmap_startwrite,
// md_bitmap_endwrite).
const (
	dmMagic       = "DmRd"
	dmExtended    = 1
	dmBitmapAt    = 4096
	dmBitmapHead  = 256
	dmBitmapMagic = "bitm"
	// dmBitmapVersion has its bits in little-endian order. Others are of clusters,
	// of very old machines or hold more than bits.
	dmBitmapVersion = 4
	dmNone          = math.MaxUint64
	// mostBits is that of a volume of 64 TiB in regions of 512 KiB.
	mostBits = 1 << 27
)

// raidMeta is what a copy's metadata volume says.
type raidMeta struct {
	events uint64
	// doubt is why the copy may not be the volume's contents; empty where it is.
	doubt string
}

// doubtful notes the first reason.
func (m *raidMeta) doubtful(format string, a ...any) {
	if m.doubt == "" {
		m.doubt = fmt.Sprintf(format, a...)
	}
}

// readRaidMeta reads the metadata volume meta of copy number position of devices,
// of a RAID1 of size bytes.
func readRaidMeta(meta blockmap.Volume, position, devices int, size int64) (raidMeta, error) {
	var m raidMeta
	b := make([]byte, dmBitmapAt+dmBitmapHead)
	if meta.Size() < int64(len(b)) {
		m.doubtful("its metadata volume is too small")
		return m, nil
	}
	if err := readFull(meta, b, 0, "RAID superblock"); err != nil {
		return m, err
	}
	m.superblock(b[:sectorSize], position, devices, size)
	chunk := m.bitmapHeader(b[dmBitmapAt:], size)
	if m.doubt != "" {
		return m, nil
	}
	chunks := (size + chunk - 1) / chunk
	if chunks > mostBits || (chunks+7)/8 > meta.Size()-int64(len(b)) {
		m.doubtful("the bitmap of what is being written is larger than its metadata volume")
		return m, nil
	}
	clean, err := allZero(meta, int64(len(b)), chunks)
	if err == nil && !clean {
		m.doubtful("its copies may differ: it was being written to, or was not deactivated before a crash; activate and deactivate it once, with all of its disks")
	}
	return m, err
}

// superblock checks a superblock; it must be as the kernel would write it for a
// RAID1 without any trouble.
func (m *raidMeta) superblock(b []byte, position, devices int, size int64) {
	le := binary.LittleEndian
	extended := le.Uint32(b[4:]) == dmExtended
	m.events = le.Uint64(b[16:])
	failed := strings.Trim(string(b[24:32])+string(b[120:144]), "\x00") != ""
	sectors := uint64(size / sectorSize)
	switch {
	case string(b[:4]) != dmMagic:
		m.doubtful("it has no RAID superblock, so it was not activated yet, or is damaged")
	case le.Uint32(b[4:])&^uint32(dmExtended) != 0 || le.Uint32(b[144:]) != 0:
		m.doubtful("its RAID superblock has features that are not known (%#x, %#x)", le.Uint32(b[4:]), le.Uint32(b[144:]))
	case strings.Trim(string(b[148:]), "\x00") != "" || !extended && strings.Trim(string(b[60:]), "\x00") != "":
		m.doubtful("its RAID superblock has contents that are not known")
	case failed:
		m.doubtful("its RAID superblock counts a copy as failed: see lvconvert --repair and lvchange --refresh")
	case le.Uint32(b[48:]) != 1 || extended && le.Uint32(b[72:]) != 1:
		m.doubtful("its RAID superblock is that of another level, or it is being converted")
	case le.Uint32(b[8:]) != uint32(devices) || le.Uint32(b[12:]) != uint32(position):
		m.doubtful("its RAID superblock is that of copy %d of %d", le.Uint32(b[12:]), le.Uint32(b[8:]))
	case le.Uint64(b[32:]) != dmNone:
		m.doubtful("a copy is being recovered: wait until that is done (lvs -o sync_percent)")
	case le.Uint64(b[40:]) != dmNone:
		m.doubtful("its copies are being synchronised: wait until that is done (lvs -o sync_percent)")
	case !extended:
	case le.Uint32(b[60:]) != 0 || le.Uint64(b[64:]) != dmNone || le.Uint32(b[52:]) != le.Uint32(b[76:]) ||
		le.Uint32(b[56:]) != le.Uint32(b[80:]) || le.Uint32(b[84:]) != 0:
		m.doubtful("its copies are being reshaped: wait until that is done (lvs -o sync_percent)")
	case le.Uint64(b[96:]) != 0 || le.Uint64(b[104:]) != 0:
		m.doubtful("its data does not begin where its copies do")
	case le.Uint64(b[88:]) != sectors:
		// The size at 112 is that of before the volume was last extended.
		m.doubtful("its RAID superblock says that it has %d sectors of 512 bytes, not %d", le.Uint64(b[88:]), sectors)
	}
}

// bitmapHeader checks a bitmap's header and returns how many bytes a bit stands
// for. The kernel takes the bitmap for stale where its events are fewer than the
// superblock's (md_bitmap_read_sb); it writes both at once.
func (m *raidMeta) bitmapHeader(b []byte, size int64) int64 {
	le := binary.LittleEndian
	chunk := int64(le.Uint32(b[52:]))
	switch {
	case string(b[:4]) != dmBitmapMagic || le.Uint32(b[4:]) != dmBitmapVersion:
		m.doubtful("it has no bitmap of what is being written, or one of a kind that is not known")
	case le.Uint32(b[48:]) != 0 || le.Uint64(b[24:]) != m.events:
		m.doubtful("its bitmap of what is being written is out of date")
	case chunk < sectorSize || chunk&(chunk-1) != 0 || le.Uint64(b[40:]) != uint64(size/sectorSize):
		m.doubtful("its bitmap of what is being written is that of a volume of another size")
	}
	return chunk
}

// allZero says that the n bits from byte at on are zeros. What follows in the last
// byte belongs to no chunk: the kernel leaves ones there.
func allZero(v blockmap.Volume, at, n int64) (bool, error) {
	b := make([]byte, 64<<10)
	for n > 0 {
		p := b[:min(int64(len(b)), (n+7)/8)]
		if err := readFull(v, p, at, "RAID bitmap"); err != nil {
			return false, err
		}
		if n < int64(len(p))*8 {
			p[len(p)-1] &= 1<<(n%8) - 1
		}
		for _, x := range p {
			if x != 0 {
				return false, nil
			}
		}
		at, n = at+int64(len(p)), n-int64(len(p))*8
	}
	return true, nil
}
