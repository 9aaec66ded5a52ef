#!/bin/bash
# Compressed images of the demo disk: `migimg mount --compress` (also with --spool) and cp against
# `qemu-img convert -c`, both with as many threads as there are processors, in
# turns, from a loop device into memory. qemu-img packs free blocks as well; for the
# ratio of sizes it is given disk.raw, which has none.
#
#   testdata/bench-compress.sh        ROUNDS=3 DEST=/dev/shm
#
# Prints a line for each method: seconds (medians), sizes, ratios.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/build:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
rounds=${ROUNDS:-3}
dest=${DEST:-/dev/shm}
disk=build/disks/demo.img

testdata/disks/demo.sh "$disk" >/dev/null
work=$(mktemp -d "$dest/migimg-bench-compress.XXXXXX")
loop=
cleanup() {
    mountpoint -q "$work/mnt" && migimg umount "$work/mnt"
    [ -z "$loop" ] || losetup -d "$loop"
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
mkdir "$work/mnt"
loop=$(losetup --find --show --read-only "$disk")
dd if="$loop" of=/dev/null bs=1M status=none # both begin with a warm disk

seconds() { # seconds COMMAND...: how long it takes, on stdout
    local start=$EPOCHREALTIME
    "$@" >/dev/null
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", b - a }'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ours() { migimg mount --compress "$1" ${2:+--spool "$2"} "$loop" "$work/mnt" && cp "$work/mnt/disk.qcow2" "$work/ours.qcow2"; }
theirs() { # theirs METHOD SOURCE
    qemu-img convert -T none -c -m "$(nproc)" -W -f raw -O qcow2 -o "compression_type=$1" "$2" "$work/theirs.qcow2"
}

for method in zlib zstd; do
    : >"$work/a"
    : >"$work/b"
    : >"$work/c"
    for _ in $(seq "$rounds"); do
        rm -f "$work"/*.qcow2
        seconds ours "$method" "$work" >>"$work/c"
        migimg umount "$work/mnt"
        seconds ours "$method" >>"$work/a"
        mine=$(stat -c %s "$work/ours.qcow2")
        qemu-img check -q "$work/ours.qcow2"
        cp --sparse=always "$work/mnt/disk.raw" "$work/disk.raw"
        migimg umount "$work/mnt"
        seconds theirs "$method" "$loop" >>"$work/b"
        rm "$work/theirs.qcow2"
        theirs "$method" "$work/disk.raw"
        other=$(stat -c %s "$work/theirs.qcow2")
    done
    awk -v m="$method" -v a="$(median <"$work/a")" -v b="$(median <"$work/b")" -v c="$(median <"$work/c")" -v s="$mine" -v o="$other" 'BEGIN {
        printf "%s: migimg %.1f s, with --spool %.1f s, qemu-img %.1f s: ratios %.2f and %.2f; size %d and %d bytes: ratio %.3f\n",
            m, a, c, b, a / b, c / b, s, o, s / o }'
done
