#!/bin/bash
# Measures an upload to an S3 server on this machine, straight from a mount and,
# for comparison, from a plain copy of the same file: rclone, parts of 64 MiB, four
# at a time. Every object is downloaded again, and its hash compared. What
# `make bench-s3` runs; prints Markdown.
#
#   testdata/bench-s3.sh          ROUNDS=3 DEST=build
#
# The disk (disks/half.sh: 4 GiB, about 2 GiB of files) is a loop device over a
# file that is warm in the page cache; so is the plain copy. Copy, objects and
# downloads lie in DEST, about 6 GiB. All that has been written is synced before
# each upload. rclone reads a file twice, first for its MD5; the last job is without that.
#
# Needs root (it starts itself again through sudo), build/migimg and the programs
# of `testdata/install.sh bench test`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo env "PATH=$PATH" ${ROUNDS:+"ROUNDS=$ROUNDS"} ${DEST:+"DEST=$DEST"} "$0" "$@"
fi
export PATH="$PATH:$PWD/build/bin:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
rounds=${ROUNDS:-3} dest=${DEST:-build}
migimg=$PWD/build/migimg
disk=build/disks/half.img
say() { echo "bench-s3.sh: $*" >&2; }
[ -x "$migimg" ] || { say "no build/migimg: run make build"; exit 1; }
gnutime=$(type -P time) || { say "no time program: run testdata/install.sh bench"; exit 1; }

work=$(mktemp -d "$(realpath "$dest")/migimg-bench-s3.XXXXXX")
mnt=$work/mnt
mkdir "$mnt" "$work/data" "$work/sidecar"
loop='' server=''
cleanup() {
    # bash says that it was killed, unless it is waited for so.
    [ -z "$server" ] || { kill -9 "$server" && wait "$server"; } 2>/dev/null || true
    ! mountpoint -q "$mnt" || "$migimg" umount "$mnt" || umount -l "$mnt" || true
    [ -z "$loop" ] || losetup -d "$loop" || true
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# The clients' settings are these and no others.
while read -r name; do
    unset "$name"
done < <(compgen -e | grep -E '^(AWS_|RCLONE_|VGW_)' || true)
AWS_ACCESS_KEY_ID=migimg AWS_SECRET_ACCESS_KEY=$(head -c 16 /dev/urandom | md5sum | cut -c 1-32)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY RCLONE_CONFIG=/dev/null RCLONE_S3_ENV_AUTH=true RCLONE_S3_REGION=us-east-1
rclone() { command rclone --s3-provider Other --s3-endpoint "http://127.0.0.1:$port" "$@"; }
ours() { # has our server the port? No other knows the key
    rclone --retries 1 --low-level-retries 1 mkdir :s3:bench 2>/dev/null
}
serve() {
    local i
    for port in $(shuf -i 20000-29999 -n 5); do
        ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY \
            setpriv --pdeathsig KILL versitygw --port "127.0.0.1:$port" posix --sidecar "$work/sidecar" "$work/data" >"$work/log" 2>&1 &
        server=$!
        for i in $(seq 100); do
            ! ours || return 0
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
    done
    cat "$work/log" >&2
    say "versitygw does not start ($i looks)"
    exit 1
}

upload() { # upload JOB FILE FLAG...: a line of results
    local job=$1 file=$2 sum
    shift 2
    say "round $round of $rounds: $job"
    sync
    "$gnutime" -o "$work/time" -f '%e %M' rclone --s3-provider Other --s3-endpoint "http://127.0.0.1:$port" \
        --s3-upload-cutoff 64Mi --s3-chunk-size 64Mi --s3-upload-concurrency 4 "$@" copyto "$file" :s3:bench/disk.qcow2
    rclone copyto :s3:bench/disk.qcow2 "$work/down"
    sum=$(sha256sum <"$work/down")
    [ "$sum" = "$want" ] || { say "$job: what comes back has another hash"; exit 1; }
    rm "$work/down"
    rclone deletefile :s3:bench/disk.qcow2
    awk -v job="$job" -v round="$round" '{print round "\t" job "\t" $1 "\t" $2 / 1024}' "$work/time" >>"$work/results"
}

testdata/disks/half.sh "$disk"
load=$(cut -d ' ' -f 1-3 /proc/loadavg)
loop=$(losetup --find --show --read-only "$disk")
"$migimg" mount "$loop" "$mnt" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
serve
cp --sparse=never "$mnt/disk.qcow2" "$work/copy"
size=$(stat -c %s "$work/copy")
want=$(sha256sum <"$work/copy")
[ "$(sha256sum <"$mnt/disk.qcow2")" = "$want" ] || { say "the copy has another hash"; exit 1; }
for round in $(seq "$rounds"); do
    upload "plain copy" "$work/copy"
    upload "mount" "$mnt/disk.qcow2"
    upload "mount, --s3-disable-checksum" "$mnt/disk.qcow2" --s3-disable-checksum
done

echo "$("$migimg" version), Linux $(uname -r), $(nproc) CPUs, $(rclone version | head -n 1), $(stat -f -c %T "$dest")"
echo
echo "disk.qcow2 of $((size >> 20)) MiB, $rounds rounds, load before $load. Every hash was the file's."
echo
awk -F'\t' -v mib=$((size >> 20)) '
    function sorted(list, a,   n, i, j, t) { # numbers in list, ascending, into a
        n = split(list, a, " ")
        for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) {t = a[j]; a[j] = a[j - 1]; a[j - 1] = t}
        return n
    }
    function least(list,   a) {sorted(list, a); return a[1]}
    function median(list,   a, n) {n = sorted(list, a); return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2}
    {
        if (!($2 in s)) name[++jobs] = $2
        s[$2] = s[$2] " " $3; w[$1, $2] = $3; rss[$2] = rss[$2] " " -$4
        if ($1 > rounds) rounds = $1
    }
    END {
        print "| rclone from | s, least / median | MiB/s, median | to the plain copy, least / median | rclone, peak MiB |"
        print "|---|---|---|---|---|"
        for (i = 1; i <= jobs; i++) {
            n = name[i]; ratio = ""
            for (r = 1; r <= rounds; r++) ratio = ratio " " w[r, n] / w[r, name[1]]
            printf "| %s | %.1f / %.1f | %.0f | %.2f / %.2f | %.0f |\n", n, least(s[n]), median(s[n]), mib / median(s[n]), least(ratio), median(ratio), -least(rss[n])
        }
    }' "$work/results"
