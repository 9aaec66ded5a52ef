#!/bin/bash
# Measures migimg report --merge on the reports of many hosts, which are varied from
# the tests' samples: time, processor time and memory as the kernel counts them for the
# process, and the sizes of what it writes. Prints Markdown.
#
#   testdata/bench-merge.sh      HOSTS=5000 TARGETS="2 22"
#
# Needs 300 KiB of TMPDIR for each host, and root, as all integration tests do.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    go mod download
    exec sudo env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" ${HOSTS:+"HOSTS=$HOSTS"} ${TARGETS:+"TARGETS=$TARGETS"} ${TMPDIR:+"TMPDIR=$TMPDIR"} "$0" "$@"
fi
export PATH="$PATH:/usr/local/go/bin"
echo "Linux $(uname -r), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
echo
echo "| hosts | targets in each report | reports | wall s | CPU s | peak MiB | page | CSV | JSON |"
echo "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
for n in ${TARGETS:-2 22}; do
    MIGIMG_FLEET=${HOSTS:-5000} MIGIMG_FLEET_TARGETS=$n go test -tags integration -count=1 -timeout 1h -v -run '^TestReportScale$' ./cmd/migimg |
        grep -o '| .*|$\|.*FAIL.*\|.*\.go:.*: [^|]*$'
done
