// Package all lists the scanners that exist. To add one, add a line.
package all

import (
	"migimg/blockmap"
	"migimg/blockmap/btrfs"
	"migimg/blockmap/erofs"
	"migimg/blockmap/exfat"
	"migimg/blockmap/ext4"
	"migimg/blockmap/f2fs"
	"migimg/blockmap/fat"
	"migimg/blockmap/iso9660"
	"migimg/blockmap/luks"
	"migimg/blockmap/lvm"
	"migimg/blockmap/md"
	"migimg/blockmap/ntfs"
	"migimg/blockmap/ptable"
	"migimg/blockmap/squashfs"
	"migimg/blockmap/swap"
	"migimg/blockmap/xfs"
)

// Scanners are all scanners. The order does not matter: a volume that two of
// them claim is carried whole.
func Scanners() []blockmap.Scanner {
	return []blockmap.Scanner{
		ptable.Scanner{},
		ext4.Scanner{},
		xfs.Scanner{},
		btrfs.Scanner{},
		fat.Scanner{},
		exfat.Scanner{},
		ntfs.Scanner{},
		f2fs.Scanner{},
		swap.Scanner{},
		lvm.Scanner{},
		md.Scanner{},
		luks.Scanner{},
		squashfs.Scanner{},
		erofs.Scanner{},
		iso9660.Scanner{},
	}
}
