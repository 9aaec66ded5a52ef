#!/bin/bash
# Measures what the write tracker costs a server: 4 KiB random direct writes (fio,
# 32 at a time) on a loop device over /dev/shm, with and without it. fio runs
# all the time while the tracker comes and goes, in pairs of 0.4 s each, so that
# what else the machine does hits both sides alike. Prints Markdown: the ratio of
# writes a second with its 95 % confidence interval, and how long the programs run
# for a write. Memory is the fastest disk there is: a real one shows less.
#
#   testdata/bench-tracker.sh      PAIRS=100
#
# Needs root and the programs of `testdata/install.sh bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo env "PATH=$PATH" ${PAIRS:+"PAIRS=$PAIRS"} "$0" "$@"
fi
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin"
echo "Linux $(uname -r), $(nproc) CPUs"
echo
MIGIMG_TRACK_PAIRS=${PAIRS:-100} go test -tags integration -count=1 -timeout 1h -v -run '^TestOverhead$' ./blockmap/device/track |
    grep '^|\|^In the programs\|^ *[a-z_]*\.go:\|FAIL'
echo
echo "Wanted: a ratio of at least 0.98."
