#!/bin/bash
# Makes filesystems with their own tools, in all variants and at all levels, and
# disks of several volumes (partitions, LVM, RAID1, LUKS, in each other), and
# prints in Markdown what a map of each carries, against what another tool says is
# used, and whether the files survive: once with everything that is not carried
# overwritten (punch), once with nothing but what is carried (restore).
#
#   testdata/matrix.sh [FILESYSTEM|DISK]...      (default: all that have a scanner)
#
# FILESYSTEM: ext2 ext3 ext4 swap squashfs erofs iso9660 xfs btrfs vfat exfat ntfs
# f2fs (blockmap/scantest/matrixlist_test.go). One without a scanner is made when it
# is named, and is carried whole. DISK: gpt-md-lvm gpt-lvm mbr-logical gpt-ntfs
# gpt-4k gpt-md gpt-raid1 gpt-luks (compositelist_test.go there), or disks: all of
# them. Runs as root, on loop devices, in TMPDIR. The table is kept in
# build/matrix.md, the tests' output in build/matrix.log.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin"

if [ "$(id -u)" != 0 ]; then
    go mod download # as the user: root only reads the module cache
    exec sudo env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" \
        ${TMPDIR:+"TMPDIR=$TMPDIR"} "$0" "$@"
fi

mkdir -p build
rm -f build/matrix.md
rc=0
MIGIMG_CI=1 MIGIMG_MATRIX=${*:-all} MIGIMG_MATRIX_OUT=$PWD/build/matrix.md \
    go test -tags integration -count=1 -timeout 120m -v -run '^TestMatrix$' ./blockmap/scantest >build/matrix.log 2>&1 || rc=$?
cat build/matrix.md || rc=1
if [ "$rc" != 0 ]; then
    echo "matrix.sh: something failed; build/matrix.log has all of it; failed:" >&2
    grep -E '^ *--- FAIL: ' build/matrix.log >&2 || tail -n 20 build/matrix.log >&2
    exit 1
fi
echo "matrix.sh: $(($(wc -l <build/matrix.md) - 2)) rows, $SECONDS s" >&2
