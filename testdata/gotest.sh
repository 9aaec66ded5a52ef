#!/bin/bash
# Runs Go tests and fails where one was skipped, too.
#
#   testdata/gotest.sh unit|integration|fleet [PACKAGE]...      (default ./...)
#
# unit: everything without a build tag. integration: the packages that have tests
# with the tag `integration`, two at a time, as root (it starts itself again
# through sudo). fleet: the same with the tag `fleet` as well. MIGIMG_CI=1 makes internal/need fail a test that lacks something.
# Shown are failures and a line per package; build/test-KIND.log has all of it.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin:$PWD/build/bin"

kind=${1:?usage: gotest.sh unit|integration|fleet [PACKAGE]...}
shift
if [ $# -gt 0 ] && [ "$*" != ./... ]; then
    :
elif [ "$kind" = unit ]; then
    set -- ./...
else # the others' tests were run as unit tests
    # The longest first: the others run beside it.
    long=./cmd/migimg
    mapfile -t with < <(grep -rl --include='*_test.go' --exclude-dir=build '^//go:build integration$' . | sed 's,/[^/]*$,,' | sort -u | grep -vxF "$long")
    set -- "$long" "${with[@]}"
    echo "gotest.sh: go test shows nothing before $long is through: about a quarter of an hour"
fi
flags=(-count=1 -v)
case $kind in
unit) ;;
integration | fleet)
    # Two packages at a time: much of it is waiting for disks and programs.
    flags+=("-tags=integration,$kind" -p=2 -timeout=40m)
    if [ "$(id -u)" != 0 ]; then
        go mod download # as the user: root only reads the module cache
        exec sudo env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" \
            ${MIGIMG_CORPORA:+"MIGIMG_CORPORA=$MIGIMG_CORPORA"} ${TMPDIR:+"TMPDIR=$TMPDIR"} \
            "$0" "$kind" "$@"
    fi
    ;;
*) echo "gotest.sh: $kind is not unit, integration or fleet" >&2; exit 1 ;;
esac

mkdir -p build
log=build/test-$kind.log
export MIGIMG_CI=1
rc=0
# The passing tests' lines are many and say nothing: they stay in the log.
go test "${flags[@]}" "$@" 2>&1 | tee "$log" |
    { grep --line-buffered -vE '^ *(=== (RUN|PAUSE|CONT|NAME)|--- PASS:)|^PASS$|^\?|no test files' || true; } || rc=$?

# The reason stands in the line before. That the public corpora are not beside the
# project (internal/need) is the one that is no failure.
skips() {
    awk -v corpora="$1" '/^ *--- SKIP: / && (before ~ /: no corpora: /) == corpora; {before = $0}' "$log"
}
skipped=$(skips 0)
absent=$(skips 1 | wc -l)
passed=$(grep -cE '^ *--- PASS: ' "$log" || true)
if [ -n "$skipped" ]; then
    echo "gotest.sh: skipped, which counts as failed here:" >&2
    echo "$skipped" >&2
    rc=1
fi
if [ "$rc" != 0 ]; then
    echo "gotest.sh: $kind tests failed; $log has all of the output; failed:" >&2
    grep -E '^ *--- FAIL: |^FAIL\s' "$log" >&2 || true
    exit 1
fi
without=
[ "$absent" = 0 ] || without=", $absent left out: no public corpora in ${MIGIMG_CORPORA:-../shared/corpora}"
echo "gotest.sh: $kind: $passed tests passed, none skipped$without, $SECONDS s"
