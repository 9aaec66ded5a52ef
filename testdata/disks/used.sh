#!/bin/bash
# Builds a disk that looks like a used server's, for measurements.
#
#   testdata/disks/used.sh OUT.img
#
# 4 GiB, MBR: 1 ext4 /boot (512 MiB), 2 swap (512 MiB), 3 ext4 / (3 GiB). About a
# third of it is files, big and small, compressible and not; nearly all the rest
# is not zero either: deleted files lie in the filesystems' free space and old
# pages in the swap. There is no operating system on it.
#
# Needs root and loop devices. An image that this script made before is kept.
set -euo pipefail

out=${1:?usage: used.sh OUT.img}
[ "$(id -u)" = 0 ] || { echo "used.sh: needs root" >&2; exit 1; }
if [ -z "${USED_UNSHARED:-}" ]; then
    USED_UNSHARED=1 exec "$(dirname "$0")/alone.sh" "$0" "$@"
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
    umount "$work/"* 2>/dev/null || true
    losetup -j "$part" | cut -d: -f1 | while read -r l; do losetup -d "$l" || true; done
    rm -rf --one-file-system "$work"
    rm -f "$part"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
cleanup
rm -f "$out" "$out.stamp"
mkdir -p "$work/boot" "$work/root"

mib=$((1 << 20))
truncate -s 4G "$part"
sfdisk --quiet "$part" <<'TABLE'
label: dos
label-id: 0x75736564
start=2048, size=1048576, type=83, bootable
start=1050624, size=1048576, type=82
start=2099200, size=6289408, type=83
TABLE

random() { head -c "$(($1 * mib))" /dev/urandom; }
text() { # text MiB: log lines, which compress well
    seq -f '2024-03-01T10:15:%012.0f host sshd[811]: Accepted publickey for deploy from 192.0.2.7' 1 100000000 |
        head -c "$(($1 * mib))" || true
}

# Old swap, then its header.
{ random 200; text 290; } | dd of="$part" bs=1M seek=520 iflag=fullblock conv=notrunc status=none
area=$(losetup --find --show --offset $((513 * mib)) --sizelimit $((512 * mib)) "$part")
mkswap -U 75736564-0000-4000-8000-000000000002 "$area" >/dev/null
losetup -d "$area"

attach() { # attach NAME OFFSET SIZE UUID (MiB): a new ext4, mounted
    local loop
    loop=$(losetup --find --show --offset $(($2 * mib)) --sizelimit $(($3 * mib)) "$part")
    mkfs.ext4 -q -U "$4" -E lazy_itable_init=0 "$loop"
    mount "$loop" "$work/$1"
    losetup -d "$loop" # it goes with the mount
}
attach boot 1 512 75736564-0000-4000-8000-000000000001
attach root 1025 3071 75736564-0000-4000-8000-000000000003

# What is deleted later fills the disk first; the files that stay come between.
mkdir "$work/boot/old" "$work/root/old"
random 30 >"$work/boot/vmlinuz"
random 300 >"$work/boot/old/1"
random 60 >"$work/boot/initrd.img"
random 80 >"$work/boot/old/2"
r=$work/root
mkdir -p "$r/usr/lib" "$r/var/lib/db" "$r/var/log" "$r/home"
for i in 1 2 3 4; do
    random 130 >"$r/var/lib/db/table$i"
    random 180 >"$r/old/dump$i"
    text 140 >"$r/var/log/log$i"
    text 150 >"$r/old/log$i"
    # Small files, as in a tree of source code, kept and deleted ones interleaved.
    for d in "$r/usr/lib/part$i" "$r/old/part$i"; do
        mkdir "$d"
    done
    text 24 | split --bytes=3k --suffix-length=5 - "$r/usr/lib/part$i/f"
    random 10 | split --bytes=5k --suffix-length=5 - "$r/old/part$i/f"
done
random 40 >"$r/home/photo.raw"
# The rest of the free space, to the last block.
head -c 4G /dev/urandom >"$r/old/rest" 2>/dev/null || true
sync -f "$r"; sync -f "$work/boot"
rm -r "$work/boot/old" "$r/old"
df --output=used,size -BM "$work/boot" "$r" >&2
umount "$work/boot" "$r"
sync "$part"
mv "$part" "$out"
echo "$stamp" >"$out.stamp"
echo "used.sh: $out: $SECONDS s, $(du -m "$out" | cut -f1) MiB on disk" >&2
