#!/bin/bash
# Builds a huge ext4 filesystem in a sparse file: no partition table, 200 MiB of
# files, a few hundred MiB on disk whatever SIZE is.
#
#   testdata/disks/sparse.sh SIZE OUT          (SIZE as for truncate: 4G, 1T ...)
#
# The features are mkfs.ext4's own for such sizes (64bit, flex_bg, uninitialised
# groups), the journal is small. The file that holds it may itself be on an ext4,
# whose files end at 16 TiB - 4 KiB: "16T" there becomes that size, and it says so.
#
# Needs root and loop devices.
set -euo pipefail

[ $# = 2 ] || { echo "usage: sparse.sh SIZE OUT" >&2; exit 1; }
size=$1 out=$2
[ "$(id -u)" = 0 ] || { echo "sparse.sh: needs root" >&2; exit 1; }
if [ -z "${SPARSE_UNSHARED:-}" ]; then
    SPARSE_UNSHARED=1 exec "$(dirname "$0")/alone.sh" "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")
stamp="$size $(sha256sum <"$0" | cut -d' ' -f1)"
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

if ! truncate -s "$size" "$part" 2>/dev/null; then
    # ext4: at most 2^32 - 1 blocks of 4 KiB in a file.
    [ "$size" = 16T ] || { echo "sparse.sh: this filesystem holds no file of $size" >&2; exit 1; }
    truncate -s $(((1 << 44) - 4096)) "$part"
    echo "sparse.sh: 16T is 4 KiB less here: an ext4 file ends there" >&2
fi
# Inode tables and the journal are not written: 16 TiB have 256 GiB of the former.
mkfs.ext4 -q -F -J size=64 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$part"
loop=$(losetup --find --show "$part")
# The kernel would start to initialise inode tables in the background.
mount -o noinit_itable "$loop" "$work"
losetup -d "$loop" # it goes with the mount
for d in a b c d; do
    mkdir "$work/$d"
    head -c 40M /dev/urandom >"$work/$d/big"
    head -c 10M /dev/urandom | split --bytes=8k --suffix-length=5 - "$work/$d/small"
done
umount "$work"
sync "$part"
mv "$part" "$out"
echo "$stamp" >"$out.stamp"
echo "sparse.sh: $out: $SECONDS s, $(du -m "$out" | cut -f1) MiB on disk" >&2
