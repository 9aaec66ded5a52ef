#!/bin/bash
# Runs every fuzz target for a while, one after the other.
#
#   testdata/fuzz.sh [FUZZTIME [PACKAGE]...]        (default 30s ./...)
#
# The address space is limited to 4 GiB: an input that makes a parser take more
# ends the run as a crash does. Findings are kept by go test in the package's
# testdata/fuzz/.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin"

duration=${1:-30s}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- ./...

# "package target" a line: go test -list names the targets, then their package.
list=$(go test -list '^Fuzz' "$@")
targets=$(awk '/^Fuzz/ {name[++n] = $1} /^ok/ {for (i = 1; i <= n; i++) print $2, name[i]; n = 0}' <<<"$list")
[ -n "$targets" ] || { echo "fuzz.sh: no fuzz targets in $*" >&2; exit 1; }

failed=()
while read -r package target; do
    echo "== $package $target ($duration)"
    (ulimit -v 4194304 && exec go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 1x "$package") </dev/null ||
        failed+=("$package $target")
done <<<"$targets"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'fuzz.sh: failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "fuzz.sh: $(wc -l <<<"$targets") targets, none failed"
