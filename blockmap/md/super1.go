package md

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"migimg/blockmap"
)

// Superblocks of version 1 are little-endian (kernel, include/uapi/linux/raid/
// md_p.h, struct mdp_superblock_1); offsets in bytes, places in sectors of 512
// bytes:
//
//	0    magic            72   level            152  recovery_offset
//	4    major_version    80   size             160  dev_number
//	8    feature_map      92   raid_disks       184  devflags
//	12   pad0             96   bitmap_offset    186  bblog_size
//	16   set_uuid[16]     128  data_offset      188  bblog_offset
//	32   set_name[32]     136  data_size        208  resync_offset
//	                      144  super_offset     216  sb_csum
//	220  max_dev          224  logical_block_size, since Linux 6.19, and padding
//	256  dev_roles[max_dev], 16 bits each
//
// bitmap_offset and bblog_offset are signed and count from the superblock.
const (
	maxDevices     = (superSize - 256) / 2
	featureBitmap  = 1
	featureLayout  = 4096 // of a RAID0: the layout says how members of different size are used
	flagMostly     = 1
	flagFailFast   = 2
	roleMax        = 0xff00
	roleJournal    = 0xfffd
	roleFaulty     = 0xfffe
	roleSpare      = 0xffff
	everythingSync = math.MaxUint64
)

// features1 are the bits of feature_map that stand in the way, with what they
// mean. Without exception, for a bit that is not known stands in the way, too.
var features1 = []struct {
	bit  uint32
	what string
}{
	{2, "the member is being recovered: wait until that is done (mdadm --wait)"},
	{4, "the array is being reshaped: wait until that is done (mdadm --wait)"},
	{8, "the member has bad blocks, whose contents are on the other members only: replace it, or see mdadm --examine-badblocks"},
	{16, "the member is replacing another one: wait until that is done (mdadm --wait)"},
	{32, "the array is being reshaped: wait until that is done (mdadm --wait)"},
	{64, "the array is being reshaped: wait until that is done (mdadm --wait)"},
	{128, "the member is being recovered: wait until that is done (mdadm --wait)"},
	{256, "the array is shared between machines, so another one may write to it"},
	{512, "the array has a journal, which is on another device"},
	{1024, "the array keeps partial parity"},
	{2048, "the array keeps partial parity"},
}

// parse1 reads a superblock of version 1 at byte at, or answers nil. The version's
// last digit is the place, so a superblock that says that it is elsewhere is not
// one of this volume.
func parse1(b []byte, at int64) *member {
	le := binary.LittleEndian
	if le.Uint32(b) != magic || le.Uint32(b[4:]) != 1 || le.Uint64(b[144:]) != uint64(at/sectorSize) {
		return nil
	}
	m := &member{
		uuid: formatUUID(b[16:32]), level: int32(le.Uint32(b[72:])), disks: int64(le.Uint32(b[92:])),
		own: []blockmap.Range{{Off: at, Len: superSize}},
	}
	m.name, _, _ = strings.Cut(string(b[32:64]), "\x00")
	devices := int(le.Uint32(b[220:]))
	if devices > maxDevices || checksum1(b, devices) != le.Uint32(b[216:]) {
		m.damaged = true
		m.refuse("the RAID superblock has a wrong checksum: see mdadm --examine")
		return m
	}
	m.events, m.chunk, m.roles = le.Uint64(b[200:]), int64(le.Uint32(b[88:]))*sectorSize, b[256:256+2*devices]
	m.checkLevel()
	m.checkFeatures(b)
	m.places1(b, at)
	m.checkRole(b, devices)
	return m
}

// checksum1 is calc_sb_1_csum (kernel, drivers/md/md.c) with n roles.
func checksum1(b []byte, n int) uint32 {
	le := binary.LittleEndian
	sum := -uint64(le.Uint32(b[216:]))
	size := 256 + 2*n
	for i := 0; i+4 <= size; i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	if size%4 == 2 {
		sum += uint64(le.Uint16(b[size-2:]))
	}
	return uint32(sum) + uint32(sum>>32)
}

// checkFeatures looks at the features, and at what the padding may have become in
// versions that are not known.
func (m *member) checkFeatures(b []byte) {
	le := binary.LittleEndian
	rest := le.Uint32(b[8:]) &^ featureBitmap
	if m.level == 0 {
		rest &^= featureLayout
	}
	for _, f := range features1 {
		if rest&f.bit != 0 {
			m.refuse("%s", f.what)
			rest &^= f.bit
		}
	}
	if rest != 0 || le.Uint32(b[12:]) != 0 || b[184]&^(flagMostly|flagFailFast) != 0 || strings.Trim(string(b[228:256]), "\x00") != "" {
		m.refuse("the RAID superblock has features that are not known (%#x)", rest)
	}
	if le.Uint32(b[224:]) != 0 {
		m.refuse("the array has a logical block size of its own (%d bytes), which is not supported", le.Uint32(b[224:]))
	}
}

// places1 reads where things lie. check compares them.
func (m *member) places1(b []byte, at int64) {
	le := binary.LittleEndian
	size, off, room := le.Uint64(b[80:]), le.Uint64(b[128:]), le.Uint64(b[136:])
	if off > mostSectors || room > mostSectors || size > room {
		m.refuse("the RAID superblock says that the array has %d sectors from %d on, in a place of %d", size, off, room)
		return
	}
	m.data = blockmap.Range{Off: int64(off) * sectorSize, Len: int64(size) * sectorSize}
	if m.spread() { // kernel, drivers/md/md.c, super_1_load: such members may differ in size
		m.data.Len = int64(room) * sectorSize
	}
	if n := int64(le.Uint16(b[186:])); n > 0 {
		m.own = append(m.own, blockmap.Range{Off: at + int64(int32(le.Uint32(b[188:])))*sectorSize, Len: n * sectorSize})
	}
	if le.Uint32(b[8:])&featureBitmap != 0 {
		m.bitmap = blockmap.Range{Off: at + int64(int32(le.Uint32(b[96:])))*sectorSize, Len: bitmapHeader}
	}
}

// checkRole looks what the member is in the array.
func (m *member) checkRole(b []byte, devices int) {
	le := binary.LittleEndian
	role := func(i int) int64 { return int64(le.Uint16(b[256+2*i:])) }
	own := le.Uint32(b[160:])
	if int64(own) >= int64(devices) {
		m.refuse("the RAID superblock does not list its own member")
		return
	}
	a := active{
		role: role(int(own)), first: true, alone: true, clean: le.Uint64(b[208:]) == everythingSync,
		writeMostly: b[184]&flagMostly != 0, bitmap: le.Uint32(b[8:])&featureBitmap != 0,
	}
	switch {
	case a.role == roleSpare:
		m.refuse("a spare disk of an array: it holds no data of it")
	case a.role == roleFaulty:
		m.refuse("the array counts this member as faulty, so its data is old: export another member")
	case a.role == roleJournal:
		m.refuse("the journal of an array")
	case a.role >= roleMax:
		m.refuse("the member's role %#x in the array is not known", a.role)
	}
	for i := range devices {
		r := role(i)
		if r < roleMax {
			m.actors++
		}
		if i != int(own) && r < roleMax {
			a.alone, a.first = false, a.first && r > a.role
		}
	}
	m.checkSync(a)
}

// formatUUID is as blkid prints it.
func formatUUID(u []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
