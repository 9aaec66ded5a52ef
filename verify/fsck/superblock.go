package fsck

import (
	"encoding/binary"
	"strings"
)

// Numbers in the superblock of btrfs, at 64 KiB (kernel, struct btrfs_super_block in
// include/uapi/linux/btrfs_tree.h).
const (
	logRoot    = 0x60
	numDevices = 0x88
)

// btrfs is a number of the superblock of a btrfs; 0 of another filesystem, or where it
// cannot be read, which the checker will say.
func (v *Volume) btrfs(at int64) uint64 {
	if v.Type != "btrfs" {
		return 0
	}
	var n [8]byte
	v.superblock(n[:], 64<<10+at)
	return binary.LittleEndian.Uint64(n[:])
}

// orphans says that an ext3 or ext4 has files that were deleted while they were open,
// which the next mount will remove: a list of them that begins in the superblock, or a
// file that is not empty (kernel, Documentation/filesystems/ext4/super.rst: s_last_orphan,
// RO_COMPAT_ORPHAN_PRESENT).
func (v *Volume) orphans() bool {
	const present = 0x10000
	if !strings.HasPrefix(v.Type, "ext") {
		return false
	}
	var last, features [4]byte
	v.superblock(last[:], 1024+0xe8)
	v.superblock(features[:], 1024+0x64)
	return binary.LittleEndian.Uint32(last[:]) != 0 || binary.LittleEndian.Uint32(features[:])&present != 0
}

// superblock fills p, with zeros where that cannot be read.
func (v *Volume) superblock(p []byte, at int64) {
	if n, _ := v.Reader.ReadAt(p, at); n < len(p) {
		clear(p)
	}
}
