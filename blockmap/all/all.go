// Package all lists the scanners that exist. To add one, add a line.
package all

import (
	"migimg/blockmap"
	"migimg/blockmap/ext4"
	"migimg/blockmap/ptable"
	"migimg/blockmap/swap"
)

// Scanners are all scanners. The order does not matter: a volume that two of
// them claim is carried whole.
func Scanners() []blockmap.Scanner {
	return []blockmap.Scanner{
		ptable.Scanner{},
		ext4.Scanner{},
		swap.Scanner{},
	}
}
