#!/bin/bash
# Breaks a bootable disk in many ways, one at a time, and prints in Markdown which
# check of preflight sees it, and whether the disk still boots: those that are
# said not to boot are started in QEMU. Takes about half an hour.
#
#   testdata/guests.sh [all|boot]      (default boot; all starts none)
#
# Runs as root. The table is kept in build/guests.md, the output in build/guests.log.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin"
if [ "$(id -u)" != 0 ]; then
    go mod download
    exec sudo env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" "$0" "$@"
fi
mkdir -p build
rm -f build/guests.md
rc=0
MIGIMG_CI=1 MIGIMG_GUESTS=${1:-boot} MIGIMG_GUESTS_OUT=$PWD/build/guests.md \
    go test -tags integration -count=1 -timeout 120m -v -run '^TestGuests$' ./cmd/migimg >build/guests.log 2>&1 || rc=$?
cat build/guests.md || rc=1
if [ "$rc" != 0 ]; then
    echo "guests.sh: something failed; build/guests.log has all of it; failed:" >&2
    grep -E '^ *--- FAIL: ' build/guests.log >&2 || tail -n 20 build/guests.log >&2
    exit 1
fi
