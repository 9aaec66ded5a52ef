package scantest

import (
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// The kernel alone writes the metadata of RAIDs: mdadm and lvm2 cannot without md
// and device-mapper. So tests that have neither build it from the kernel's structures.

// RaidMember is the superblock of member number (0 or 1) of two of a clean RAID1 of
// md, as the kernel and mdadm have it (include/uapi/linux/raid/md_p.h), for a member
// of size bytes: where it belongs, and where the array's data lies. The version is
// "1.0", "1.1" or "1.2".
func RaidMember(version string, number int, size int64) (super []byte, at int64, data blockmap.Range) {
	le := binary.LittleEndian
	const room = 1 << 20 // before the data, or behind it
	data = blockmap.Range{Off: room, Len: size - room}
	switch version {
	case "1.0":
		at = (size/sector - 16) &^ 7 * sector
		data = blockmap.Range{Len: size - room}
	case "1.1":
	case "1.2":
		at = 4096
	default:
		panic(fmt.Sprintf("version %q of RAID superblocks", version))
	}
	b := make([]byte, 4096)
	le.PutUint32(b, 0xa92b4efc)
	le.PutUint32(b[4:], 1)
	copy(b[16:], "0123456789abcdef")
	copy(b[32:], "host:0")
	le.PutUint32(b[72:], 1)
	le.PutUint64(b[80:], uint64(data.Len/sector))
	le.PutUint32(b[92:], 2)
	le.PutUint64(b[128:], uint64(data.Off/sector))
	le.PutUint64(b[136:], uint64(data.Len/sector))
	le.PutUint64(b[144:], uint64(at/sector))
	le.PutUint32(b[160:], uint32(number))
	copy(b[168:], fmt.Sprintf("member %d        ", number))
	le.PutUint64(b[192:], 1700000000)
	le.PutUint64(b[200:], 17)
	le.PutUint64(b[208:], ^uint64(0))
	le.PutUint32(b[220:], 2)
	le.PutUint16(b[258:], 1)
	sum := uint64(0)
	for i := 0; i < 260; i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32))
	return b, at, data
}

// RaidMeta is what the metadata volume of copy position of devices of a raid1 of
// LVM begins with, as the kernel writes it where all is well (drivers/md/dm-raid.c,
// super_sync; drivers/md/md-bitmap.c, md_bitmap_new_disk_sb). The volume has size
// bytes, a bit of the bitmap stands for 512 KiB.
func RaidMeta(position, devices int, size int64) []byte {
	le := binary.LittleEndian
	b := make([]byte, 64<<10)
	copy(b, "DmRd")
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], uint32(devices))
	le.PutUint32(b[12:], uint32(position))
	le.PutUint64(b[16:], 20)
	for _, at := range []int{32, 40, 64} {
		le.PutUint64(b[at:], ^uint64(0))
	}
	le.PutUint32(b[48:], 1)
	le.PutUint32(b[72:], 1)
	le.PutUint64(b[88:], uint64(size/sector))
	le.PutUint64(b[112:], uint64(size/sector))
	m := b[4096:]
	copy(m, "bitm")
	le.PutUint32(m[4:], 4)
	le.PutUint64(m[24:], 20)
	le.PutUint64(m[32:], 20)
	le.PutUint64(m[40:], uint64(size/sector))
	le.PutUint32(m[52:], 512<<10)
	le.PutUint32(m[56:], 5)
	return b
}
