#!/bin/bash
# Measures `migimg verify` of warm copies against their manifest, in turns with
# `sha256sum` of the same files; and its memory, on a disk of 1 TiB as well. What it
# takes with the programs that it asks besides (qemu-img check, gzip -t ...) is a column
# of its own: that is their time. Prints Markdown.
#
#   testdata/bench-verify.sh      ROUNDS=5 DEST=/dev/shm FORMATS="qcow2 vhd"
#
# The copies are of a disk that looks used (disks/used.sh); one at a time lies in DEST.
# The mount, the exporter and the source are gone by then: copy and manifest suffice.
# Needs root, build/migimg and the programs of `testdata/install.sh bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo env "PATH=$PATH" ${ROUNDS:+"ROUNDS=$ROUNDS"} ${DEST:+"DEST=$DEST"} ${FORMATS:+"FORMATS=$FORMATS"} "$0" "$@"
fi
migimg=$PWD/build/migimg
export PATH="$PWD/build:$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
rounds=${ROUNDS:-5} dest=${DEST:-/dev/shm}
formats=${FORMATS:-raw qcow2 vhd vhd-fixed vhdx vmdk vmdk-sparse vdi ova raw.gz raw.zst tar tar.gz}
gnutime=$(type -P time) || { echo "bench-verify.sh: no time program: run testdata/install.sh bench" >&2; exit 1; }
testdata/disks/used.sh build/disks/used.img
work=$(mktemp -d "$dest/migimg-bench-verify.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
# timed RESULTS COMMAND...: adds a line of seconds, processor seconds and KiB
timed() {
    local to=$1
    shift
    "$gnutime" -a -o "$to" -f '%e %U %S %M' "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}
# row NAME DISK FORMAT: exports it, and measures
row() {
    local copy=$work/copy.$3 i
    rm -f "$work"/ours "$work"/theirs "$work"/all
    "$migimg" export --image-format "$3" --manifest "$work/manifest.json" "$2" "$copy" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    cat "$copy" >/dev/null
    for ((i = 0; i < rounds; i++)); do
        timed "$work/theirs" sha256sum "$copy"
        timed "$work/ours" env PATH=/none "$migimg" verify --manifest "$work/manifest.json" "$copy"
        timed "$work/all" "$migimg" verify --manifest "$work/manifest.json" "$copy"
    done
    paste -d' ' "$work/ours" "$work/theirs" | awk '{ print $1 / ($5 > 0 ? $5 : 0.01) }' >"$work/wall"
    paste -d' ' "$work/ours" "$work/theirs" | awk '{ print ($2 + $3) / ($6 + $7 > 0 ? $6 + $7 : 0.01) }' >"$work/cpu"
    cut -d' ' -f1 "$work/ours" >"$work/seconds"
    cut -d' ' -f1 "$work/theirs" >"$work/seconds.theirs"
    printf '| %s | %s | %.0f | %.2f | %.2f | %.2f | %.2f | %.0f | %.2f |\n' "$1" "$3" "$(($(stat -c %s "$copy") / 1000000))" \
        "$(median "$work/seconds")" "$(median "$work/seconds.theirs")" "$(median "$work/wall")" "$(median "$work/cpu")" \
        "$(sort -n -k4 "$work/ours" | tail -n 1 | awk '{ print $4 / 1024 }')" \
        "$(cut -d' ' -f1 "$work/all" | sort -n | head -n 1)"
    rm "$copy" "$work/manifest.json"
}

echo "Linux $(uname -r), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg), $rounds rounds in turns, medians"
echo
echo "| disk | format | copy MB | verify s | sha256sum s | wall to sha256sum's | CPU to sha256sum's | verify's peak MiB | with other programs, least s |"
echo "|---|---|---:|---:|---:|---:|---:|---:|---:|"
for format in $formats; do
    row "4 GiB, used" build/disks/used.img "$format"
done
truncate -s 1T "$work/large.img"
mkfs.ext4 -q -E lazy_itable_init=1 "$work/large.img"
row "1 TiB, empty ext4" "$work/large.img" qcow2
