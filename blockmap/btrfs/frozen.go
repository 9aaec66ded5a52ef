package btrfs

import "migimg/blockmap"

// A freeze commits the running transaction before it ends (kernel,
// fs/btrfs/super.c, btrfs_freeze), and a commit empties the log tree, writes
// every tree block and then the superblock. So a frozen btrfs is one that was
// unmounted, but for nothing: the map is made as of a volume that is still, and
// with the same checks. What has to be read for it are the trees of the roots,
// chunks, devices, block groups and extents, which also say whose each extent
// of data is.
//
// What the map carries and is no file's data then are the used tree blocks, both
// of them where the profile has two copies, and the superblocks.

var _ blockmap.FreezableScanner = Scanner{}

// WhenFrozen maps, and names the data of files. Of an extent that is compressed
// it names what is on the disk; the file's bytes in it are more. The offset in
// the file is that of the extent's first byte, which a file that has only a
// later part of the extent does not have: the offset may then be negative. The
// zero FileID is that of data whose file is not known: that which only a
// snapshot has, by a block of its tree that it shares with others.
func (Scanner) WhenFrozen() blockmap.Scanner { return Scanner{Frozen: true} }
