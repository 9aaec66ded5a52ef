#!/bin/bash
# Runs every fuzz target for a while: twice as many at a time as there are CPUs,
# each with one worker (fuzzing waits much for its own bookkeeping).
#
#   testdata/fuzz.sh [FUZZTIME [PACKAGE]...]        (default 30s ./...)
#
# The address space is limited to 4 GiB: an input that makes a parser take more
# ends the run as a crash does. Findings are kept by go test in the package's
# testdata/fuzz/; what each run printed in build/fuzz/.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin"

if [ "${1:-}" = --one ]; then # PACKAGE TARGET FUZZTIME
    log=build/fuzz/$(tr / _ <<<"${2#*/}")-$3.log
    ulimit -v 4194304
    fuzz() { go test -run '^$' -fuzz "^$2\$" -fuzztime "$3" -parallel 1 -fuzzminimizetime 1x "$1" >"$log" 2>&1; }
    # When the time is over, Go's coordinator may take its own deadline for an error
    # (golang/go#75804). Nothing was found then, and it is run again.
    over() { grep -qx ' *context deadline exceeded' "$log" && ! grep -qE 'Failing input written|panic:|terminated unexpectedly' "$log"; }
    shift
    if fuzz "$@" || { over && fuzz "$@"; } || { over && fuzz "$@"; }; then
        echo "ok    $1 $2: $(grep -oE 'execs: [0-9]+' "$log" | tail -n 1)"
        exit 0
    fi
    echo "FAIL  $1 $2: $log"
    tail -n 20 "$log"
    exit 1
fi

duration=${1:-30s}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- ./...
rm -rf build/fuzz
mkdir -p build/fuzz

# "package target" a line: go test -list names the targets, then their package.
list=$(go test -list '^Fuzz' "$@")
targets=$(awk '/^Fuzz/ {name[++n] = $1} /^ok/ {for (i = 1; i <= n; i++) print $2, name[i]; n = 0}' <<<"$list")
[ -n "$targets" ] || { echo "fuzz.sh: no fuzz targets in $*" >&2; exit 1; }

awk -v d="$duration" '{print $0, d}' <<<"$targets" | xargs -P "$((2 * $(nproc)))" -L 1 "$0" --one ||
    { echo "fuzz.sh: some failed" >&2; exit 1; }
echo "fuzz.sh: $(wc -l <<<"$targets") targets, $duration each, none failed, $SECONDS s"
