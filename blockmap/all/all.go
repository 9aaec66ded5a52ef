// Package all lists the scanners that exist. To add one, add a line.
package all

import (
	"migimg/blockmap"
	"migimg/blockmap/btrfs"
	"migimg/blockmap/erofs"
	"migimg/blockmap/ext4"
	"migimg/blockmap/iso9660"
	"migimg/blockmap/luks"
	"migimg/blockmap/lvm"
	"migimg/blockmap/md"
	"migimg/blockmap/ptable"
	"migimg/blockmap/squashfs"
	"migimg/blockmap/swap"
	"migimg/blockmap/xfs"
)

// Scanners are all scanners. The order does not matter: a volume that two of
// them claim is carried whole. still says that nothing can write to the device:
// then a journal that was not replayed is what a crash left, not what a mounted
// filesystem is writing, and can be read instead of giving up; and XFS and btrfs,
// which can look the same mounted or not, can be mapped at all.
func Scanners(still bool) []blockmap.Scanner {
	return []blockmap.Scanner{
		ptable.Scanner{},
		ext4.Scanner{Replay: still},
		xfs.Scanner{Still: still},
		btrfs.Scanner{Still: still},
		swap.Scanner{},
		lvm.Scanner{},
		md.Scanner{},
		luks.Scanner{},
		squashfs.Scanner{},
		erofs.Scanner{},
		iso9660.Scanner{},
	}
}
