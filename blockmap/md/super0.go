package md

import (
	"encoding/binary"

	"migimg/blockmap"
)

// Superblocks of version 0.90 are 1024 words of 32 bits in the byte order of the
// machine that made them (kernel, include/uapi/linux/raid/md_p.h, mdp_super_t):
//
//	0   md_magic         8   size, in KiB         38   sb_csum
//	1   major_version    10  raid_disks           128  disks[27]
//	2   minor_version    12  not_persistent       992  this_disk
//	5   set_uuid0        13  set_uuid1, 2 and 3
//	7   level            33  state
//
// A disk has 32 words: number, major, minor, raid_disk, state. The data begins
// at the member's first byte.
const (
	words0         = superSize / 4
	disk0          = 128
	disks0         = 27
	this0          = 992
	diskWords      = 32
	stateClean     = 1 << 0
	stateBitmap    = 1 << 8
	diskFaulty     = 1 << 0
	diskActive     = 1 << 1
	diskSync       = 1 << 2
	diskRemoved    = 1 << 3
	diskMostly     = 1 << 9
	diskFailFast   = 1 << 10
	bitmapReserved = reserved - superSize
)

// parse0 reads a superblock of version 0.90 at byte at, or answers nil.
func parse0(b []byte, at int64) *member {
	var order binary.ByteOrder = binary.LittleEndian
	if binary.BigEndian.Uint32(b) == magic {
		order = binary.BigEndian
	}
	w := make([]uint32, words0)
	sum := uint64(0)
	for i := range w {
		w[i] = order.Uint32(b[4*i:])
		sum += uint64(w[i])
	}
	if w[0] != magic || w[1] != 0 || w[2] < 90 {
		return nil
	}
	id := make([]byte, 0, 16)
	for _, i := range []int{5, 13, 14, 15} {
		id = binary.BigEndian.AppendUint32(id, w[i])
	}
	m := &member{
		uuid: formatUUID(id), level: int32(w[7]), disks: int64(w[10]),
		data: blockmap.Range{Len: int64(w[8]) << 10},
		own:  []blockmap.Range{{Off: at, Len: superSize}},
	}
	sum -= uint64(w[38])
	if uint32(sum)+uint32(sum>>32) != w[38] {
		m.damaged = true
		return m
	}
	m.checkLevel()
	switch {
	case w[2] == 91:
		m.refuse("the array is being reshaped: wait until that is done (mdadm --wait)")
	case w[2] != 90 || w[12] != 0:
		m.refuse("version 0.%d of RAID superblocks is not known", w[2])
	case w[33]&^(stateClean|stateBitmap) != 0:
		m.refuse("the array is in a state that is not known (%#x)", w[33])
	}
	if w[33]&stateBitmap != 0 {
		m.own = append(m.own, blockmap.Range{Off: at + superSize, Len: bitmapReserved})
	}
	m.checkDisk(w)
	return m
}

// checkDisk looks what the member is in the array, in the list of its disks as
// the kernel does (super_90_validate).
func (m *member) checkDisk(w []uint32) {
	number := w[this0]
	if number >= disks0 {
		m.refuse("the RAID superblock does not list its own member")
		return
	}
	disk := func(i int) []uint32 { return w[disk0+diskWords*i:][:diskWords] }
	own := disk(int(number))
	state := own[4]
	switch {
	case own[0] != number || own[3] != w[this0+3]:
		m.refuse("the RAID superblock contradicts itself about its own member")
	case state&(diskFaulty|diskRemoved) != 0:
		m.refuse("the array counts this member as faulty, so its data is old: export another member")
	case state&diskSync == 0:
		m.refuse("a spare disk of an array, or one that is being recovered (mdadm --wait)")
	case state&^(diskActive|diskSync|diskMostly|diskFailFast) != 0 || state&diskActive == 0:
		m.refuse("the member is in a state that is not known (%#x)", state)
	}
	a := active{
		role: int64(own[3]), first: true, alone: true, clean: w[33]&stateClean != 0,
		writeMostly: state&diskMostly != 0, bitmap: w[33]&stateBitmap != 0,
	}
	for i := range disks0 {
		d := disk(i)
		if i != int(number) && d[4]&diskSync != 0 && d[4]&(diskFaulty|diskRemoved) == 0 {
			a.alone, a.first = false, a.first && int64(d[3]) > a.role
		}
	}
	m.checkSync(a)
}
