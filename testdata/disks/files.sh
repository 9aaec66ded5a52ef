#!/bin/bash
# Builds a filesystem with very many small files in a sparse file: no partition
# table, free space in as many pieces as deleting every fifth file leaves.
#
#   testdata/disks/files.sh FILESYSTEM SIZE COUNT OUT.img
#
# FILESYSTEM: ext4 xfs btrfs vfat exfat ntfs f2fs. SIZE as for truncate. COUNT is
# how many files are left, of 5000 bytes each, 1000 in a folder.
#
# ext4, XFS and btrfs are filled by the kernel; exFAT and NTFS by exfat-fuse and
# ntfs-3g, FAT by mtools, F2FS by sload.f2fs (nothing is deleted there).
# Needs root and loop devices. An image that this script made before is kept.
set -euo pipefail

[ $# = 4 ] || { echo "usage: files.sh FILESYSTEM SIZE COUNT OUT.img" >&2; exit 1; }
kind=$1 size=$2 count=$3 out=$4
[ "$(id -u)" = 0 ] || { echo "files.sh: needs root" >&2; exit 1; }
if [ -z "${FILES_UNSHARED:-}" ]; then
    FILES_UNSHARED=1 exec "$(dirname "$0")/alone.sh" "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")
stamp="$kind $size $count $(sha256sum <"$0" | cut -d' ' -f1)"
exec 9>"$out.lock"
flock 9
if [ -f "$out" ] && [ "$(cat "$out.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

part=$out.part
work=$out.work
cleanup() {
    umount "$work" 2>/dev/null || true
    losetup -j "$part" | cut -d: -f1 | while read -r l; do losetup -d "$l" || true; done
    rm -rf --one-file-system "$work"
    rm -f "$part"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
cleanup
rm -f "$out" "$out.stamp"
mkdir -p "$work"

folders=$(((count + 999) / 1000))
fill() { # fill DIR FILES: a folder after the other, FILES in each
    local i
    for ((i = 1; i <= folders; i++)); do
        mkdir "$1/d$i"
        (cd "$1/d$i" && head -c $((5000 * $2)) /dev/urandom | split --bytes=5000 --suffix-length=4 --numeric-suffixes - f)
    done
}
mounted() { # mounted COMMAND...: mounts, fills, deletes every fifth file
    "$@"
    fill "$work" 1250
    find "$work" -name "f*[05]" -delete # a fifth of all numbers
    umount "$work"
}

truncate -s "$size" "$part"
case $kind in
ext4) mkfs.ext4 -q -F "$part" && mounted mount -o loop,noinit_itable "$part" "$work" ;;
xfs) mkfs.xfs -q -f "$part" && mounted mount -o loop "$part" "$work" ;;
btrfs) mkfs.btrfs -q -f "$part" && mounted mount -o loop "$part" "$work" ;;
exfat)
    mkfs.exfat "$part" >/dev/null
    loop=$(losetup --find --show "$part") # it wants a device
    mounted mount.exfat-fuse "$loop" "$work" >/dev/null
    losetup -d "$loop"
    ;;
ntfs) mkfs.ntfs -q -Q -F "$part" >/dev/null && mounted ntfs-3g "$part" "$work" ;;
vfat)
    mkfs.vfat -F 32 "$part" >/dev/null
    fill "$work" 1000
    mcopy -s -Q -i "$part" "$work"/d* ::
    ;;
f2fs)
    mkfs.f2fs -q "$part"
    fill "$work" 1000
    sload.f2fs -f "$work" "$part" >/dev/null
    ;;
*) echo "files.sh: no such filesystem: $kind" >&2; exit 1 ;;
esac
sync "$part"
mv "$part" "$out"
echo "$stamp" >"$out.stamp"
echo "files.sh: $out: $SECONDS s, $(du -m "$out" | cut -f1) MiB on disk" >&2
