#!/bin/bash
# Measures how long the map of a filesystem of 100 GiB with 200 000 files takes,
# and how many bytes are read for it, against the program of the filesystem's own
# tools, or of partclone's, that reads the same. Prints Markdown.
#
#   testdata/bench-maps.sh [FILESYSTEM]...    ROUNDS=5 SIZE=100G FILES=200000
#
# FILESYSTEM: ext4 xfs btrfs vfat exfat ntfs f2fs (disks/files.sh makes them, in
# build/disks: about 2 GiB each), on a loop device. Everything is warm in the page
# cache of the file below, which serves O_DIRECT reads of the device, too. Bytes are
# what the processes read with system calls (proc(5), io: rchar), so a program
# that maps files into memory would look better than it is; none here does. Each
# round runs both, in turns; the ratio is the median of the rounds' ratios.
#
# Needs root, build/migimg and the programs of `testdata/install.sh bench test`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo env "PATH=$PATH" ${ROUNDS:+"ROUNDS=$ROUNDS"} ${SIZE:+"SIZE=$SIZE"} ${FILES:+"FILES=$FILES"} "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
[ $# -gt 0 ] || set -- ext4 xfs btrfs vfat exfat ntfs f2fs
rounds=${ROUNDS:-5}
migimg=$PWD/build/migimg
[ -x "$migimg" ] || { echo "bench-maps.sh: no build/migimg: run make build" >&2; exit 1; }
gnutime=$(type -P time) || { echo "bench-maps.sh: no time program: run testdata/install.sh bench" >&2; exit 1; }
work=$(mktemp -d)
dev=
trap '[ -z "$dev" ] || losetup -d "$dev"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

oracle() { # oracle FILESYSTEM IMAGE: sets $command
    case $1 in
    ext4) command=(dumpe2fs "$2") ;;
    xfs) command=(xfs_db -r -c freesp "$2") ;;
    btrfs) command=(btrfs inspect-internal dump-tree -t extent "$2") ;;
    vfat) command=(partclone.fat32 -D -F -L "$work/partclone.log" -s "$2" -o "$work/domain") ;;
    exfat | ntfs | f2fs) command=("partclone.$1" -D -F -L "$work/partclone.log" -s "$2" -o "$work/domain") ;;
    *) echo "bench-maps.sh: no such filesystem: $1" >&2; exit 1 ;;
    esac
}
# measure COMMAND...: "seconds MiB-read peak-MiB". A shell's io counts what its
# children read once they have been waited for.
measure() {
    rm -f "$work/domain"
    # shellcheck disable=SC2016  # the inner shell's
    "$gnutime" -o "$work/time" -f '%e %M' bash -c '
        a=$(sed -n "s/^rchar: //p" /proc/$$/io); s=$(date +%s%N)
        "${@:2}" >/dev/null 2>"$1/log" || { cat "$1/log" >&2; exit 1; }
        t=$(date +%s%N); b=$(sed -n "s/^rchar: //p" /proc/$$/io)
        awk -v s=$((t - s)) -v b=$((b - a)) "BEGIN {printf \"%.4f %.2f\", s / 1e9, b / 1048576}"' - "$work" "$@"
    awk '{printf " %.0f\n", $2 / 1024}' "$work/time"
}

echo "$("$migimg" version), Linux $(uname -r), $(nproc) CPUs, ${SIZE:-100G}, ${FILES:-200000} files, $rounds rounds"
echo
echo "| filesystem | pieces carried | map s, least / median | MiB read | peak MiB | against | s, least / median | MiB read | ratio, median |"
echo "|---|---:|---|---:|---:|---|---|---:|---:|"
for fs in "$@"; do
    img=build/disks/files-$fs.img
    testdata/disks/files.sh "$fs" "${SIZE:-100G}" "${FILES:-200000}" "$img" >/dev/null
    dev=$(losetup --find --show --read-only "$img")
    oracle "$fs" "$dev"
    pieces=$("$migimg" map "$dev" --format ranges | wc -l)
    : >"$work/ours"
    : >"$work/theirs"
    for ((i = 0; i <= rounds; i++)); do # the first warms
        measure "$migimg" map "$dev" --format json >>"$work/ours"
        measure "${command[@]}" >>"$work/theirs"
    done
    losetup -d "$dev"
    dev=
    paste -d' ' "$work/ours" "$work/theirs" | tail -n +2 | awk -v fs="$fs" -v pieces="$pieces" -v with="${command[*]:0:4}" '
        function median(a, n,   i, j, t) {
            for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j - 1] > a[j]; j--) {t = a[j]; a[j] = a[j - 1]; a[j - 1] = t}
            return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
        }
        {s[NR] = $1; r[NR] = $2; if ($3 > peak) peak = $3; o[NR] = $4; p[NR] = $5; q[NR] = $1 / $4}
        END {
            ms = median(s, NR); mo = median(o, NR)
            sub(/ build.*| -L.*/, "", with)
            printf "| %s | %d | %.3f / %.3f | %.1f | %d | `%s` | %.3f / %.3f | %.1f | %.2f |\n", fs, pieces, s[1], ms, r[1], peak, with, o[1], mo, p[1], median(q, NR)
        }'
done
echo
echo "Wanted: a ratio of at most 1.5, and at most 64 MiB besides the map."
