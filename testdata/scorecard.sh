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
oracle;./blockmap/...;^Test(Disks|Whole|WholeDisks|Composite|Matrix)$/./^oracle$;
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
