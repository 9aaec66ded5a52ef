#!/bin/bash
# Starts a bootable disk by BIOS and by UEFI on each disk bus, and copies of it that are
# broken, with `migimg verify --boot`, and prints in Markdown what came of it, beside
# what preflight had said. Takes about forty minutes where the processor is emulated.
#
#   testdata/boots.sh
#
# Runs as root. The tables are kept in build/boots.md, the output in build/boots.log.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin"
if [ "$(id -u)" != 0 ]; then
    go mod download
    exec sudo env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" "$0" "$@"
fi
mkdir -p build
rm -f build/boots.md
rc=0
MIGIMG_CI=1 MIGIMG_BOOTS_OUT=$PWD/build/boots.md \
    go test -tags integration,boots -count=1 -timeout 180m -v -run '^TestBoots$' ./cmd/migimg >build/boots.log 2>&1 || rc=$?
cat build/boots.md || rc=1
if [ "$rc" != 0 ]; then
    echo "boots.sh: something failed; build/boots.log has all of it; failed:" >&2
    grep -E '^ *--- FAIL: ' build/boots.log >&2 || tail -n 20 build/boots.log >&2
    exit 1
fi
