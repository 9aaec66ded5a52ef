#!/bin/bash
# A loop device on which some sectors cannot be read: EIO there and nowhere else.
#
#   testdata/faulty.sh start IMAGE SECTOR[+COUNT]...     prints the loop device
#   testdata/faulty.sh stop LOOP
#
# Sectors are of 512 bytes. Without device-mapper: nbdkit's ddrescue filter serves
# the image by a map of good and bad sectors, nbdfuse shows that as a file, and
# the loop device reads the file with direct I/O, so that a bad sector fails alone
# and not its page. Reads through the loop device's page cache (no O_DIRECT) still
# fail by the page: the kernel reads 4096 bytes at least. The device is read-only.
#
# Needs root, nbdkit, nbdfuse. State is kept below ${TMPDIR:-/tmp}/migimg-faulty.NAME.
set -euo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 1; }
die() { echo "faulty.sh: $*" >&2; exit 1; }
state_of() { echo "${TMPDIR:-/tmp}/migimg-faulty.${1##*/}"; }

teardown() { # teardown STATE: the file's mount, its server, the folder
    local state=$1 pid i
    pid=$(cat "$state/pid" 2>/dev/null || true)
    for i in 1 2 3 4 5 6 7 8 9 10; do
        mountpoint -q "$state/disk" 2>/dev/null || break
        # The loop device lets go of the file a moment after it is detached.
        fusermount3 -u "$state/disk" 2>/dev/null || umount "$state/disk" 2>/dev/null || sleep 0.2
    done
    ! mountpoint -q "$state/disk" 2>/dev/null || umount -l "$state/disk" || true
    if [ -n "$pid" ]; then
        for i in 1 2 3 4 5 6 7 8 9 10; do
            kill -0 "$pid" 2>/dev/null || break
            [ "$i" -lt 5 ] || kill "$pid" 2>/dev/null || true
            sleep 0.2
        done
    fi
    rm -rf --one-file-system "$state"
}

start() {
    [ $# -ge 2 ] || usage
    local image size state next=0 r sector count loop
    image=$(realpath "$1")
    shift
    for r in "$@"; do
        [[ $r =~ ^(0|[1-9][0-9]*)(\+[1-9][0-9]*)?$ ]] || die "$r is not SECTOR or SECTOR+COUNT"
    done
    # A size that is no multiple of a sector would lose its tail in a loop device anyway.
    if [ -b "$image" ]; then size=$(blockdev --getsize64 "$image"); else size=$(stat -c %s "$image"); fi
    [ "$size" -gt 0 ] || die "$image is empty"
    state=$(mktemp -d "${TMPDIR:-/tmp}/migimg-faulty.XXXXXX")
    # shellcheck disable=SC2064 # $state is this one
    trap "teardown '$state'" EXIT
    trap 'exit 130' INT TERM HUP

    # ddrescue's map file: a line of state, then runs of offset, length, + or -.
    {
        echo "0x0 + 1"
        while read -r sector count; do
            [ $((sector * 512)) -ge "$next" ] || die "sector $sector is given twice"
            [ $(((sector + count) * 512)) -le "$size" ] || die "sector $sector is beyond the end of $image ($size bytes)"
            [ $((sector * 512)) -eq "$next" ] || printf '0x%x 0x%x +\n' "$next" $((sector * 512 - next))
            printf '0x%x 0x%x -\n' $((sector * 512)) $((count * 512))
            next=$(((sector + count) * 512))
        done < <(for r in "$@"; do
            if [[ $r == *+* ]]; then echo "${r/+/ }"; else echo "$r 1"; fi
        done | sort -n)
        [ "$next" -eq "$size" ] || printf '0x%x 0x%x +\n' "$next" $((size - next))
    } >"$state/map"

    mkdir "$state/disk"
    # nbdfuse runs nbdkit on a socket pair and ends it when the mount goes.
    setsid nbdfuse --readonly "$state/disk" --command nbdkit -s --exit-with-parent --readonly \
        --filter=ddrescue file "$image" ddrescue-mapfile="$state/map" \
        </dev/null >"$state/log" 2>&1 &
    echo $! >"$state/pid"
    for r in $(seq 100); do
        [ ! -e "$state/disk/nbd" ] || break
        kill -0 "$(cat "$state/pid")" 2>/dev/null || { cat "$state/log" >&2; die "nbdfuse ended"; }
        sleep 0.05
    done
    [ -e "$state/disk/nbd" ] || { cat "$state/log" >&2; die "nbdfuse shows no file ($r looks)"; }
    loop=$(losetup --find --show --read-only --direct-io=on "$state/disk/nbd") || die "losetup failed"
    ln -sfn "$state" "$(state_of "$loop")"
    trap - EXIT
    echo "$loop"
}

stop() {
    [ $# = 1 ] || usage
    local link state
    link=$(state_of "$1")
    state=$(readlink "$link") || die "$1 was not made by faulty.sh start (no $link)"
    losetup -d "$1" 2>/dev/null || true
    teardown "$state"
    rm -f "$link"
}

case ${1:-} in
start | stop) "$@" ;;
*) usage ;;
esac
