package blockmap

import "encoding/binary"

// Members of RAIDs and mirrors are known by metadata at the volume's end. What
// lies at such a volume's start may look like a filesystem or a partition table,
// and be one piece of it. The places are those of libblkid's probers
// (util-linux, libblkid/src/superblocks/*_raid.c, drbd.c) and, for md, of the
// kernel's include/uapi/linux/raid/md_p.h.

// raidMark is a mark at off in the sector that lies back sectors before the end.
type raidMark struct {
	name      string
	back, off int64
	bytes     string
}

var raidMarks = []raidMark{
	{"isw_raid_member", 2, 0, "Intel Raid ISM Cfg Sig. "},
	{"ddf_raid_member", 1, 0, "\xde\x11\xde\x11"},
	{"ddf_raid_member", 1, 0, "\x11\xde\x11\xde"},
	{"ddf_raid_member", 257, 0, "\xde\x11\xde\x11"},
	{"ddf_raid_member", 257, 0, "\x11\xde\x11\xde"},
	{"adaptec_raid_member", 1, 0, "\x37\xfc\x4d\x1e"},
	{"lsi_mega_raid_member", 1, 0, "$XIDE$"},
	{"nvidia_raid_member", 2, 0, "NVIDIA"},
	{"hpt45x_raid_member", 11, 0, "\xf3\x16\x78\x5a"},
	{"hpt45x_raid_member", 11, 0, "\xfd\x16\x78\x5a"},
}

// promiseBack is where Promise's metadata may lie, in sectors before the end.
var promiseBack = []int64{16, 63, 255, 256, 399, 591, 675, 735, 911, 951, 974, 991, 3087}

// raidMembers finds the marks of RAID members at the volume's end.
func raidMembers(e *ends) (found []mark, err error) {
	sectors := e.size / 512
	look := func(name string, off int64, n int64, is func(b []byte) bool) {
		b, readErr := e.bytes(off, n)
		if readErr != nil && err == nil {
			err = readErr
		}
		if int64(len(b)) == n && is(b) {
			found = append(found, mark{name, off, true})
		}
	}
	equal := func(want string) func([]byte) bool { return func(b []byte) bool { return string(b) == want } }
	if e.size < 64<<10 {
		return nil, nil // too small for any of them
	}
	for _, m := range raidMarks {
		look(m.name, (sectors-m.back)*512+m.off, int64(len(m.bytes)), equal(m.bytes))
	}
	for _, back := range promiseBack {
		look("promise_fasttrack_raid_member", (sectors-back)*512, 24, equal("Promise Technology, Inc."))
	}
	look("drbd", e.size-4096+60, 4, func(b []byte) bool { // 8.x, 8.4 unclean, 9
		m := binary.BigEndian.Uint32(b)
		return m >= 0x8374026b && m <= 0x8374026d
	})
	look("via_raid_member", (sectors-1)*512, 51, viaRAID)
	look("silicon_medley_raid_member", (sectors-1)*512, 512, siliconRAID)
	look("jmicron_raid_member", (sectors-1)*512, 128, jmicronRAID)
	// md 0.90 lies in the last whole 64 KiB before the last 64 KiB, 1.0 from 8 KiB
	// to 12 KiB before the end.
	md := func(b []byte) bool {
		return binary.LittleEndian.Uint32(b) == 0xa92b4efc || binary.BigEndian.Uint32(b) == 0xa92b4efc
	}
	look("linux_raid_member", e.size&^(64<<10-1)-64<<10, 4, md)
	look("linux_raid_member", (sectors-16)&^7*512, 4, md)
	return found, err
}

// The marks of these three are two to four bytes, so their checksums count.

func viaRAID(b []byte) bool {
	sum := byte(0)
	for _, x := range b[:50] {
		sum += x
	}
	return b[0] == 0x55 && b[1] == 0xaa && b[2] <= 2 && sum == b[50]
}

func siliconRAID(b []byte) bool {
	le := binary.LittleEndian
	sum := uint16(0)
	for i := 0; i < 0x13e; i += 2 {
		sum += le.Uint16(b[i:])
	}
	return le.Uint32(b[0x60:]) == 0x2f000000 && b[0x116] < 8 && -sum == le.Uint16(b[0x13e:])
}

func jmicronRAID(b []byte) bool {
	sum := uint16(0)
	for i := 0; i < len(b); i += 2 {
		sum += binary.LittleEndian.Uint16(b[i:])
	}
	return b[0] == 'J' && b[1] == 'M' && sum <= 1
}
