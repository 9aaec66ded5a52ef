//go:build integration

package xfs_test

import (
	"testing"

	"migimg/blockmap/scantest"
)

// Not every kernel mounts version 4 or case-insensitive names. mkfs.xfs can
// fill a filesystem from a list of files (xfsprogs, mkfs/proto.c), GRUB's driver
// reads it.
const (
	fromSource = `
proto() {
	for f in "$1"/*; do
		case "${f##*/}" in
		long) continue ;; # mkfs.xfs 6.1 writes it without a checksum
		1|2) [ -d "$f" ] && continue ;; # one process of GRUB's for each file is slow
		esac
		if [ -L "$f" ]; then echo "${f##*/} l--777 0 0 $(readlink "$f")"
		elif [ -d "$f" ]; then echo "${f##*/} d--755 0 0"; proto "$f"
		else echo "${f##*/} ---644 0 0 $f"
		fi
	done
	echo '$'
}
{ echo x; echo 1 1; echo d--755 0 0; proto "$SRC"; } >"$IMG.proto"
`
	withGRUB = `
copy() {
	for f in $(grub-fstest "$IMG" ls "(loop0)$1/"); do
		case "$f" in
		*/) mkdir "$DST$1/${f%/}"; copy "$1/${f%/}" ;;
		short|long) ;;
		*) grub-fstest "$IMG" cp "$1/$f" "$DST$1/$f" ;;
		esac
	done
}
copy ""
`
)

func unmounted(name string, size int64, options string) scantest.Disk {
	return scantest.Disk{
		Name: name, Size: size, Extract: withGRUB,
		Mkfs: small + fromSource + "mkfs.xfs -q -f " + options + ` -p "$IMG.proto" "$IMG"`,
	}
}

func TestUnmounted(t *testing.T) {
	s := suite(
		unmounted("v5-64k-blocks", 160*mib, "-b size=65536 -d agcount=2"),
		unmounted("ascii-ci-8k-blocks-4k-sectors", 64*mib, "-n version=ci -b size=8192 -s size=4096"),
		unmounted("v4", 64*mib, "-m crc=0"),
		unmounted("v4-512", 64*mib, "-m crc=0 -b size=512 -n ftype=0 -d agcount=3"),
		unmounted("v4-log-1-no-lazy-count", 64*mib, "-m crc=0 -b size=1024 -l version=1,lazy-count=0 -i attr=1,projid32bit=0"),
		unmounted("v4-32k-blocks-4k-sectors", 80*mib, "-m crc=0 -b size=32768 -s size=4096 -d agcount=2"),
	)
	s.Tools = append(s.Tools, "grub-fstest")
	scantest.Run(t, s)
}
