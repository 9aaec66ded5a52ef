package ext4

import (
	"bytes"
	"encoding/binary"
)

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

// emptyJournal lists the blocks of a journal that holds no transaction, but those of
// its superblock. Nothing reads them before they are written: the kernel looks for
// transactions only where the journal's superblock says that there is a first one
// (jbd2_journal_recover in fs/jbd2/recovery.c), and when that is so again, after a
// crash of the copy, a block of zeros ends the search as any block does that has not
// the next number. It is what mke2fs makes of a journal. On a running server it is
// even better than what is there: that is written on, with the very numbers that the
// copy will use.
//
// The list is empty unless the superblock's own copy of the journal's inode
// (s_jnl_backup_type 0xfd, s_jnl_blocks 0x10c: block[15], size_hi, size_lo) agrees,
// and, as that of unusedTables, where a block could be something else's as well.
// Fast commits have a part of the journal that is read by rules of its own.
func (f *fsys) emptyJournal(j *journal, apart bool) runs {
	s := f.sb
	if j == nil || j.start != 0 || s.incompat&incompatRecover != 0 || f.log != nil || !apart || s.ratio != 1 || s.compat&compatFastCommit != 0 {
		return nil
	}
	le := binary.LittleEndian
	size := int64(le.Uint32(s.raw[0x10c+4*16:])) | int64(le.Uint32(s.raw[0x10c+4*15:]))<<32
	if s.raw[0xfd] != 1 || size != j.file.size || !bytes.Equal(s.raw[0x10c:][:60], j.file.root) {
		return nil
	}
	var out runs
	for n := j.first; n < j.len; {
		at, more := j.file.at(n)
		k := min(more+1, j.len-n)
		out.add(at, k)
		n += k
	}
	return out
}
