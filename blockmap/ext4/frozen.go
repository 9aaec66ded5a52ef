package ext4

import (
	"context"
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

var _ blockmap.FreezableScanner = Scanner{}

// WhenFrozen maps filesystems that are mounted and frozen. A freeze writes the
// journal's blocks home, empties it and takes needs_recovery away (kernel,
// ext4_freeze in fs/ext4/super.c), so that the disk is as that of an unmounted
// filesystem but for files that were deleted while they are open. What still bears
// the marks of one that is being written is not frozen, and is carried whole.
func (Scanner) WhenFrozen() blockmap.Scanner { return Scanner{frozen: true} }

// thawedMark takes the mark of a mounted filesystem for what it is: without a
// journal the kernel clears the valid bit as it mounts, and a freeze does not set it
// (ext4_setup_super). With a journal the bit stays, and its absence means trouble.
func (s *superblock) thawedMark() (warning string) {
	if s.state != 0 || s.compat&compatHasJournal != 0 {
		return ""
	}
	s.state = stateValid
	return "the filesystem has no journal and is mounted: its copy is marked as not unmounted cleanly, and is checked when it starts"
}

// files says of every regular file where its data lies. Where it is unsure, or
// could not read, it says nothing, and what is not named is pinned.
func (f *fsys) files(ctx context.Context, t *table, static runs, s blockmap.Sink) (warnings []string, err error) {
	c := &claims{f: f}
	if err := c.inodes(ctx, t); err != nil {
		return nil, err
	}
	if err := c.trees(ctx); err != nil {
		return nil, err
	}
	metadata := append(c.meta, static...).joined()
	clash, hint, size := int64(0), 0, f.sb.blockSize
	for x := range c.all() {
		end := x.block + int64(x.n)
		if hint = metadata.search(x.block, hint); hint < len(metadata) && metadata[hint].from < end {
			clash++
			continue
		}
		if err := s.Data(x.block*size, int64(x.n)*size, blockmap.FileID{Inode: uint64(x.ino)}, int64(x.at)*size); err != nil {
			return nil, err
		}
	}
	if clash > 0 {
		warnings = append(warnings, fmt.Sprintf("%d extents of files are metadata, too: run e2fsck -f", clash))
	}
	if c.failed > 0 {
		warnings = append(warnings, fmt.Sprintf("%d blocks of inodes, or that say where files lie, could not be read or are broken: run e2fsck -f", c.failed))
	}
	return warnings, nil
}

// special says whether the inode is no file of a user's, whatever its mode: the
// reserved ones and those that the superblock names. ea says it of one that holds an
// attribute's value.
func (s *superblock) special(ino uint32) bool {
	le := binary.LittleEndian
	first := uint32(11)
	if le.Uint32(s.raw[0x4c:]) > 0 {
		first = max(first, le.Uint32(s.raw[0x54:]))
	}
	if ino < first {
		return true
	}
	// The journal, a snapshot, three quotas, the orphan file.
	for _, at := range []int{0xe0, 0x180, 0x240, 0x244, 0x26c, 0x280} {
		if le.Uint32(s.raw[at:]) == ino {
			return true
		}
	}
	return false
}
