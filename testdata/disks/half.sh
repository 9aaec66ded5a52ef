#!/bin/bash
# Builds a disk that is half full, for measurements of uploads.
#
#   testdata/disks/half.sh OUT.img
#
# 4 GiB, MBR, one ext4 with about 2 GiB of files: 8 of 200 MiB, 18700 of 20 KiB,
# with free space between them. There is no operating system on it.
#
# Needs root and loop devices. An image that this script made before is kept.
set -euo pipefail

out=${1:?usage: half.sh OUT.img}
[ "$(id -u)" = 0 ] || { echo "half.sh: needs root" >&2; exit 1; }
if [ -z "${HALF_UNSHARED:-}" ]; then
    HALF_UNSHARED=1 exec "$(dirname "$0")/alone.sh" "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")
stamp=$(sha256sum <"$0" | cut -d' ' -f1)
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

truncate -s 4G "$part"
sfdisk --quiet "$part" <<'TABLE'
label: dos
label-id: 0x68616c66
start=2048, type=83, bootable
TABLE
loop=$(losetup --find --show --offset $((1 << 20)) "$part")
mkfs.ext4 -q -U 68616c66-0000-4000-8000-000000000001 -E lazy_itable_init=0 "$loop"
mount "$loop" "$work"
losetup -d "$loop" # it goes with the mount

for i in 1 2 3 4 5 6 7 8; do
    head -c 200M /dev/urandom >"$work/big$i"
    # Three in ten are deleted again.
    mkdir "$work/small$i"
    (cd "$work/small$i" && head -c $((3334 * 20480)) /dev/urandom | split --bytes=20480 --suffix-length=4 --numeric-suffixes - f)
    find "$work/small$i" -name 'f*[048][0-9]' -delete
done
sync -f "$work"
df --output=used,size -BM "$work" >&2
umount "$work"
sync "$part"
mv "$part" "$out"
echo "$stamp" >"$out.stamp"
echo "half.sh: $out: $SECONDS s, $(du -m "$out" | cut -f1) MiB on disk" >&2
