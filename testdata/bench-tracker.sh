#!/bin/bash
# Measures what the write tracker costs a server: 4 KiB random direct writes (fio,
# 32 at a time) on a loop device over /dev/shm, with and without it, in turns.
# Prints Markdown: the ratio of writes a second, its mean over the pairs and the
# 95 % confidence interval of that mean (Student's t). Memory is the fastest disk
# there is, so a real one shows less.
#
#   testdata/bench-tracker.sh      PAIRS=10 SECONDS_EACH=4 SIZE=1G
#
# Needs root and the programs of `testdata/install.sh bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo env "PATH=$PATH" ${PAIRS:+"PAIRS=$PAIRS"} ${SECONDS_EACH:+"SECONDS_EACH=$SECONDS_EACH"} ${SIZE:+"SIZE=$SIZE"} "$0" "$@"
fi
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
pairs=${PAIRS:-10} each=${SECONDS_EACH:-4}
work=$(mktemp -d)
file=$(mktemp /dev/shm/migimg-bench-XXXXXX)
dev=
trap '[ -z "$dev" ] || losetup -d "$dev"; rm -rf "$work" "$file"' EXIT
trap 'exit 130' INT TERM HUP

go test -c -tags integration -o "$work/track.test" ./blockmap/device/track
truncate -s "${SIZE:-1G}" "$file"
dev=$(losetup --find --show "$file")
dd if=/dev/zero of="$dev" bs=1M oflag=direct status=none || true # memory is given out before, not in the first run

writes() { # writes a second
    fio --name=w --filename="$dev" --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=32 \
        --time_based --runtime="$each" --randrepeat=0 --output-format=terse --terse-version=3 | cut -d';' -f49
}
tracked() {
    coproc hold { MIGIMG_TRACK_HOLD=$dev exec "$work/track.test" -test.run '^TestHold$' -test.v; }
    local line out=${hold[0]} in=${hold[1]} pid=$!
    while read -r line <&"$out" && [ "$line" != tracking ]; do :; done
    writes
    exec {in}>&-
    cat <&"$out" >"$work/log"
    wait "$pid" || { cat "$work/log" >&2; return 1; }
}

writes >/dev/null # warms
for ((i = 0; i < pairs; i++)); do
    if ((i % 2)); then
        b=$(tracked); a=$(writes)
    else
        a=$(writes); b=$(tracked)
    fi
    echo "$a $b"
done >"$work/pairs"
echo "Linux $(uname -r), $(nproc) CPUs, $pairs pairs of ${each} s"
echo
echo "| writes/s without | with | ratio, mean | 95 % |"
echo "|---:|---:|---:|---|"
awk '
    BEGIN {split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145 2.131 2.120 2.110 2.101 2.093", t, " ")}
    {a += $1; b += $2; r = $2 / $1; s += r; q += r * r}
    END {
        m = s / NR; e = NR > 1 ? (NR < 21 ? t[NR - 1] : 2) * sqrt(max0((q - NR * m * m) / (NR - 1)) / NR) : 0
        printf "| %.0f | %.0f | %.4f | %.4f to %.4f |\n", a / NR, b / NR, m, m - e, m + e
    }
    function max0(x) {return x > 0 ? x : 0}' "$work/pairs"
echo
echo "Wanted: at least 0.98."
