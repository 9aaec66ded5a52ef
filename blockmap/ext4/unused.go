package ext4

import "encoding/binary"

// flagInodeUninit: no inode of the group was ever used.
const flagInodeUninit = 0x1

// unusedTables lists the blocks of inode tables in which no inode ever was:
// bg_itable_unused (0x1c, and 0x32 with 64-byte descriptors) counts the inodes at
// the end of a group's table that are. The kernel and e2fsck never look at them:
// a block that an inode is first put into is filled with zeros before (kernel,
// __ext4_get_inode_loc in fs/ext4/inode.c; Documentation/filesystems/ext4,
// "Lazy Block Group Initialization"). On a large disk with few files they are
// most of what it carries: 16 GiB of each TiB.
//
// The count means something only where descriptors have checksums. The list is
// empty where a block of a table could be something else's as well: with
// bigalloc, which puts tables and other blocks into one cluster, where two
// pieces of metadata overlap, and while a journal holds other descriptors.
func (f *fsys) unusedTables(t *table, apart bool) runs {
	s := f.sb
	if !s.hasDescCsum() || s.ratio != 1 || f.log != nil || !apart {
		return nil
	}
	var out runs
	perBlock := s.blockSize / s.inodeSize
	for g := range s.groups {
		d := t.desc(g)
		unused := d.half(0x1c, 0x32)
		if binary.LittleEndian.Uint16(d[0x12:])&flagInodeUninit != 0 {
			unused = s.inodesPerGroup
		}
		if unused <= 0 || unused > s.inodesPerGroup {
			continue
		}
		used := ceil(s.inodesPerGroup-unused, perBlock)
		if n := s.tableBlocks() - used; n > 0 {
			out.add(d.inodeTable()+used, n)
		}
	}
	return out
}
