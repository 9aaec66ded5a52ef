#!/bin/bash
# Runs a command in a mount namespace of its own: what it mounts goes with it,
# even if it is killed.
#
#   testdata/disks/alone.sh COMMAND ARGUMENT...
#
# A new namespace begins with a copy of every mount, and a copy keeps a filesystem,
# its loop device or a FUSE server alive after its owner has unmounted it: of what
# stands in the folder for temporary files (tests run beside this one) no copy is kept,
# unless an argument or the current folder lies in it. Of the others, what their owner
# unmounts goes here as well, where mounts are shared (systemd has them so).
set -euo pipefail

if [ "${1:?usage: alone.sh COMMAND ARGUMENT...}" != --inside ]; then
    exec unshare --mount --propagation slave "$0" --inside "$@"
fi
shift
while read -r _ dir _; do
    for path in "$PWD" "$@"; do
        case $(realpath -m -- "$path")/ in "$dir"/*) continue 2 ;; esac
    done
    umount -l "$dir" 2>/dev/null || true # it may be below one that has gone already
done < <(awk -v d="${TMPDIR:-/tmp}/" '($1 ~ "^/dev/loop" || $3 ~ "^fuse") && index($2, d) == 1' /proc/self/mounts)
exec "$@"
