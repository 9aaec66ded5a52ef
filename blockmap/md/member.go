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
	whole  string // why the member cannot be followed
}

// refuse notes the first reason.
func (m *member) refuse(format string, a ...any) {
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

// checkLevel refuses all but RAID1.
func (m *member) checkLevel() {
	switch {
	case m.level == 1:
	case slices.Contains([]int32{-1, 0, 4, 5, 6, 10}, m.level):
		m.refuse("a member of a RAID of the kind %s, whose data is spread over all of its members; to copy what is in it, export the assembled array (/dev/md...) instead", levelName(m.level))
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
	clean       bool // no writes were under way, and no resync
	writeMostly bool
}

// checkSync refuses a member whose data may not be the array's. Where the members
// may differ, the kernel reads from the first that is in sync and not "write
// mostly", and copies it to the others (drivers/md/raid1.c, raid1_sync_request).
func (m *member) checkSync(a active) {
	if a.role < 0 || a.role >= m.disks {
		m.refuse("the member has the role %d in an array of %d", a.role, m.disks)
	}
	if a.clean || a.first && !a.writeMostly {
		return
	}
	m.refuse("the array was being written to or resynchronised, and this is not the member that the others are made like: export the first member, or wait until the array is idle and clean (mdadm --wait, mdadm --wait-clean) or stop it (mdadm --stop)")
}

func (m *member) features() []string {
	return []string{"metadata=" + m.version, levelName(m.level), fmt.Sprintf("raid_devices=%d", m.disks)}
}
