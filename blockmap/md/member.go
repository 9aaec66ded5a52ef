package md

import (
	"fmt"
	"slices"

	"migimg/blockmap"
)

const (
	magic      = 0xa92b4efc
	sectorSize = 512
	superSize  = 4096
	reserved   = 64 << 10 // at the end, with version 0.90
	minSize    = 2 * reserved
	// mostSectors keeps places within 2^62 bytes.
	mostSectors = 1<<62/sectorSize - 1
)

// member is what a superblock says of the member that it lies on.
type member struct {
	version    string
	uuid, name string
	level      int32
	disks      int64 // of the complete array
	damaged    bool  // the checksum is wrong
	// data is where the array's data lies; own is md's metadata, but for the
	// bitmap, of which only the beginning is known without reading it.
	data   blockmap.Range
	own    []blockmap.Range
	bitmap blockmap.Range
	whole  string // why the member cannot be followed by itself
	// apart is why it cannot be followed with all the others either.
	apart string

	// What the members of an array have to agree in, of version 1:
	events uint64
	roles  []byte // the table of them
	chunk  int64  // in bytes
	active active
	actors int // members that are active
}

// refuse notes the first reason.
func (m *member) refuse(format string, a ...any) {
	m.refuseAlone(format, a...)
	if m.apart == "" {
		m.apart = "md: " + fmt.Sprintf(format, a...)
	}
}

// refuseAlone notes a reason that goes where all members are there.
func (m *member) refuseAlone(format string, a ...any) {
	if m.whole == "" {
		m.whole = "md: " + fmt.Sprintf(format, a...)
	}
}

// levelName is as mdadm prints it.
func levelName(level int32) string {
	switch level {
	case 0, 1, 4, 5, 6, 10:
		return fmt.Sprintf("raid%d", level)
	case -1:
		return "linear"
	case -4:
		return "multipath"
	case -5:
		return "faulty"
	case -100:
		return "container"
	}
	return fmt.Sprintf("level %d", level)
}

// spread says that each byte of the array is on one member, and there is no parity.
func (m *member) spread() bool { return m.level == 0 || m.level == -1 }

// checkLevel refuses all but RAID1, and of what is followed with all members there.
func (m *member) checkLevel() {
	const over = "a member of a RAID of the kind %s, whose data is spread over all of its members; to copy what is in it, export "
	switch {
	case m.level == 1:
	case m.spread():
		m.refuseAlone(over+"all of them at once, or the assembled array (/dev/md...) instead", levelName(m.level))
	case slices.Contains([]int32{4, 5, 6, 10}, m.level):
		m.refuse(over+"the assembled array (/dev/md...) instead", levelName(m.level))
	default:
		m.refuse("a member of a RAID of the kind %s, which is not followed; export the assembled array (/dev/md...) instead", levelName(m.level))
	}
}

// check holds the places against the volume's size and each other.
func (m *member) check(size int64) {
	if m.data.Len <= 0 || m.data.Off < 0 || m.data.Off > size || m.data.Len > size-m.data.Off {
		m.refuse("the array's data (from byte %d, %d bytes) does not fit into the member of %d bytes; if this is an image, it may be truncated", m.data.Off, m.data.Len, size)
		return
	}
	for _, r := range append(m.own, m.bitmap) {
		if r.Len > 0 && r.Off < m.data.End() && r.End() > m.data.Off || r.Off < 0 || r.End() > size {
			m.refuse("the superblock places metadata at byte %d, where the array's data is, or outside of the member", r.Off)
		}
	}
}

// active is what a superblock says of one member's part in the array.
type active struct {
	role        int64
	first       bool // no other member has this role or one before it
	alone       bool // no other member is active
	clean       bool // no writes were under way, and no resync
	writeMostly bool
	bitmap      bool // the array keeps a bitmap of what is being written
}

// checkSync refuses a member whose data may not be the array's.
//
// A superblock is marked clean when the last write has reached all members, and not
// clean before the next one reaches any (drivers/md/md.c, md_write_start and
// set_in_sync), so the members of a clean array are equal. A member that is written
// a mark later than another is equal to it, too: nothing is written in between.
//
// Without the mark, a crash may have left them different. Until the kernel has made
// them equal again it reads from the first that is in sync and not "write mostly",
// and it copies that one to the others: drivers/md/raid1.c, raid1_sync_request, and
// read_balance from resync_offset on, which says how far that has got. A bitmap
// changes how much is copied, not which way. So the first one is followed.
//
// But a member without the mark may as well have fallen out while the others went on.
// Without a bitmap all of it is written anew when it comes back. With one, only what
// was written since (super_1_validate, events_cleared): then a block whose data was
// on all members when it fell out, and which a filesystem entered into its books
// only afterwards, is free in this member and used in the array. Which of both it is
// this disk does not tell, unless no other member is active.
func (m *member) checkSync(a active) {
	if a.role < 0 || a.role >= m.disks {
		m.refuse("the member has the role %d in an array of %d", a.role, m.disks)
	}
	m.active = a
	const until = "wait until the array is idle and clean (mdadm --wait, mdadm --wait-clean) or stop it (mdadm --stop)"
	switch {
	case a.clean || a.alone:
	case !a.first || a.writeMostly:
		m.refuseAlone("the array was being written to or resynchronised, and this is not the member that the others are made like: export the first member, or %s", until)
	case a.bitmap:
		m.refuseAlone("the array was being written to or resynchronised, or this member fell out of it then; as the array has a bitmap, what is written to a member that comes back is not all of it: %s", until)
	}
}

func (m *member) features() []string {
	return []string{"metadata=" + m.version, levelName(m.level), fmt.Sprintf("raid_devices=%d", m.disks)}
}
