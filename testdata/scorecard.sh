#!/bin/bash
# The suites of docs/reliability.md: runs them and prints their table.
#
#   testdata/scorecard.sh [--long] [SUITE]...      (default: all)
#
# A suite is a set of tests, of several packages as a rule, and passes when they do,
# none skipped. --long runs what takes hours as well: it has the suites' long parts,
# which are programs of their own. Runs as root. The table is kept in
# build/scorecard.md, each suite's output in build/scorecard/SUITE.log.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin:$PWD/build/bin"

# A row: suite; packages; the tests in them (go test -run); what it shows. With several
# sets of packages there are several rows.
suites() {
    cat <<'ROWS'
oracle;./encoders/encodertest;^Test(Readers|LargeReaders|PackedReaders|Unpackers|OVA|LargeOVA)$;other programs read the same disk out of every format
oracle;./cmd/migimg;^Test(Formats|Devices|DemoDisk)$;
oracle;./blockmap/...;^Test(Disks|Whole|WholeDisks|Matrix)$/./^oracle$;
size;./encoders/...;^Test(Sizes?|PlannedSize|Limits|PlanCost|LargeDisks)$;sizes are exact before a byte is read, or refused with the limit
punch;./blockmap/...;^Test(Disks|Live|Whole|WholeDisks)$/./^(punch|restore|leak)$;what is not carried may be anything: every file is whole
punch;./cmd/migimg;^Test(Punch|NoLeak)$;
torture;./cmd/migimg;^Test(Pinned|PinnedBeside|Frozen|Sync|SyncIsExact)$;copies made under writers are sound and exact but for what is listed
torture;./blockmap/...;^Test(Disks|Live)$/./^frozen$;
nth-read;./cmd/migimg;^Test(NthReadOfPlanning|NthReadOfServing|BadSector|BadSectorInFreeSpace|ShrunkenDevice|VanishedDevice|SlowDevice)$;a failed read makes a map larger, or is its reader's error
nth-read;./blockmap/...;^Test(Disks|Live|Whole|WholeDisks)$/./^faults$;
nth-read;./encoders/layout ./fusefs ./blockmap/pins;^Test(ReaderErrors|FollowerErrors|ErrorsHitOnlyTheirRange|BadSector|TakeFails)$;
kill;./cmd/migimg;^Test(Killed|Crash|ExportResumed|SyncInterrupted|VerifyBootKilled)$;whoever is killed leaves nothing behind, frozen least of all
kill;./blockmap/device/... ./fusefs;^Test(Killed|Ends|Stopped|Watchdog.*|KilledWhileFreezing|DeadlineWhileFreezing|Emergency|Sweep|KillReaderOfPausedDevice|KilledReaderIsLetGo)$;
resume;./cmd/migimg;^Test(Resumed|ExportResumed|S3)$;what was interrupted goes on to the same bytes, or is refused
determinism;./encoders/...;^Test(Conformance|Sparse|Fixed|Packed)$;whatever order, whoever reads: the same bytes
determinism;./fusefs ./verify;^Test(RandomReads|ManyReaders)$;
determinism;./cmd/migimg;^Test(Clients|Attributes|SameBytes)$;
torn;./blockmap/ext4 ./blockmap/xfs ./blockmap/btrfs;^TestLive$/./^frozen$;a moving filesystem crashes no scanner
memory;./cmd/migimg;^TestMemory$;at most 64 MiB and the map, with 64 readers
memory;./blockmap ./encoders/all;^Test(MapMemory|PlanCost)$;
mutate;./cmd/migimg;^TestMutations$;verify finds every change that makes a difference
mutate;./verify/...;^Test(Mutations|Flips.*|Truncations|AppendedAndSwapped|ShortCopies)$;
boot;./cmd/migimg;^Test(Boot|Guests)$;images boot, and guests that preflight blocks do not
upload;./cmd/migimg;^Test(S3|Fleet)$;images arrive in object storage as they are
ROWS
}

# long SUITE: what takes long of it.
long() {
    case $1 in
    oracle) testdata/matrix.sh ;;
    torture) make torture ;;
    torn) MIGIMG_TORN=400 go test -tags integration -v -count=1 -timeout 4h -run '^TestLive$' ./blockmap/ext4 ./blockmap/xfs ./blockmap/btrfs ;;
    memory) MIGIMG_MEMORY_DISK=16T go test -tags integration -v -count=1 -run '^TestMemory$' ./cmd/migimg ;;
    fuzz) testdata/fuzz.sh 10m ;;
    mutate) make mutations ;;
    boot) testdata/guests.sh && testdata/boots.sh ;;
    upload) testdata/bench-s3.sh ;;
    esac
}

# run NAME PACKAGES TESTS LOG: the tests, with the tags that they may need.
run() {
    # shellcheck disable=SC2086 # packages are words
    MIGIMG_CI=1 go test -tags integration -v -count=1 -p=2 -timeout 60m -run "$3" $2 >>"$4" 2>&1
}

# count PASS|FAIL: how many tests and subtests of the suite did.
count() { grep -cE "^ *--- $1: " "$log" || true; }

if [ "$(id -u)" != 0 ]; then
    go mod download # as the user: root only reads the module cache
    exec sudo env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" \
        ${MIGIMG_CORPORA:+"MIGIMG_CORPORA=$MIGIMG_CORPORA"} "$0" "$@"
fi
long=
if [ "${1:-}" = --long ]; then
    long=1
    shift
fi
all=$(suites | cut -d';' -f1 | uniq)
all=${all/mutate/fuzz$'\n'mutate}
[ $# -gt 0 ] || mapfile -t all <<<"$all"
[ $# -eq 0 ] || all=("$@")
mkdir -p build/scorecard
table=build/scorecard.md
echo '| suite | shows | tests passed | failed | skipped | seconds | verdict |' >"$table"
echo '|---|---|---:|---:|---:|---:|---|' >>"$table"
failed=0
for name in "${all[@]}"; do
    log=build/scorecard/$name.log
    : >"$log"
    begin=$SECONDS rc=0 shows='' known=0
    while IFS=';' read -r suite packages tests what; do
        [ "$suite" = "$name" ] || continue
        known=1
        shows=${shows:-$what}
        before=$(count PASS)
        run "$name" "$packages" "$tests" "$log" || rc=1
        if [ "$(count PASS)" = "$before" ]; then # a test that was renamed shows nothing
            echo "scorecard.sh: $name: nothing ran of $tests in $packages" | tee -a "$log" >&2
            rc=1
        fi
    done < <(suites)
    if [ "$name" = fuzz ]; then
        known=1 shows='no input crashes a parser, or makes it take 4 GiB'
        [ -n "$long" ] || testdata/fuzz.sh "${FUZZTIME:-15s}" >>"$log" 2>&1 || rc=1
    fi
    [ "$known" = 1 ] || { echo "scorecard.sh: there is no suite $name" >&2; exit 1; }
    [ -z "$long" ] || long "$name" >>"$log" 2>&1 || rc=1
    passed=$(count PASS) bad=$(count FAIL) skipped=$(awk '/^ *--- SKIP: / && before !~ /: no corpora: / {n++} {before = $0} END {print n + 0}' "$log")
    if [ "$name" = fuzz ]; then
        passed=$(grep -c '^ok ' "$log" || true) bad=$(grep -c '^FAIL ' "$log" || true)
    fi
    # A suite of which nothing ran shows nothing.
    if [ "$rc" = 0 ] && [ "$passed" -gt 0 ] && [ "$bad" = 0 ] && [ "$skipped" = 0 ]; then
        verdict=pass
    else
        verdict="FAIL ($log)" failed=1
    fi
    echo "| $name | $shows | $passed | $bad | $skipped | $((SECONDS - begin)) | $verdict |" | tee -a "$table" >&2
done
echo
cat "$table"
exit "$failed"
