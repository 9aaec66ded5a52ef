#!/bin/bash
# Proves that what `make dist` makes can be installed, used and removed: the same bytes
# come out of a second clone; lintian finds no error; and in fresh Debians, started in
# QEMU, the deb and the rpm install, mount by unit, by fstab and by automount, and leave
# nothing behind.
#
#   packaging/tests/packages.sh [SUITE]...      (default: bullseye bookworm trixie)
#
# Runs as root; a suite takes some minutes on an emulated processor. The disks stay in
# build/disks for the next time, what the guests said in build/packages-SUITE.log.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin:$PWD/build/bin" LC_ALL=C
if [ "$(id -u)" != 0 ]; then
    go mod download
    exec sudo env "PATH=$PATH" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" "$0" "$@"
fi
[ $# -gt 0 ] || set -- bullseye bookworm trixie
here=$PWD
work=$(mktemp -d)
qemu=
cleanup() {
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
say() { echo "packages.sh: $*"; }
git() { command git -c safe.directory='*' "$@"; }

say "the packages, and again out of a clone in another folder, with nothing in Go's cache"
packaging/dist.sh build/dist >/dev/null
if [ -z "$(git status --porcelain)" ]; then
    git clone -q "$here" "$work/clone"
    mkdir -p "$work/clone/build"
    ln -s "$here/build/bin" "$work/clone/build/bin"
    GOCACHE=$work/cache "$work/clone/packaging/dist.sh" "$work/again" >/dev/null
    diff -r build/dist "$work/again"
    rm -rf "$work/clone" "$work/again" "$work/cache"
    say "$(wc -l <build/dist/SHA256SUMS) files, bit for bit the same"
else
    say "not compared with a second build: the work tree has changes"
fi

lintian --allow-root --fail-on error build/dist/*.deb
say "lintian: no errors"

# --- a disk to show: a partition with known files
truncate -s 64M "$work/data.img"
echo 'start=2048, type=83' | sfdisk --quiet --label dos "$work/data.img"
mkdir "$work/files"
seq 1 200000 >"$work/files/numbers"
head -c 5M /dev/urandom >"$work/files/noise"
(cd "$work/files" && sha256sum numbers noise >SUMS)
mkfs.ext4 -q -L data -d "$work/files" -E offset=1048576 "$work/data.img" 63M

mkdir "$work/job"
cp packaging/tests/guest.sh "$work/job/run"
cp build/dist/*_amd64.deb "$work/job/migimg.deb"
cp build/dist/*.x86_64.rpm "$work/job/migimg.rpm"
tar -C "$work/job" --format=gnu -cf "$work/job.tar" .

boot() { # boot SUITE: runs the job in it
    local disk=build/disks/packages-$1.img log=build/packages-$1.log start=$SECONDS
    packaging/tests/root.sh "$1" "$disk"
    : >"$log"
    # -icount: a guest whose clock runs on while its processor waits for others gives up
    # what is only slow. -snapshot: its scratch files go below TMPDIR.
    qemu-system-x86_64 -machine pc -accel tcg -icount shift=2 -cpu max -m 768 -display none -vga none -nic none -no-reboot -monitor none \
        -serial "file:$log" -snapshot -kernel "$disk.vmlinuz" -initrd "$disk.initrd" \
        -append "root=LABEL=root rw console=ttyS0 quiet" \
        -drive "file=$disk,format=raw,if=none,id=root" -device virtio-blk-pci,drive=root,serial=ROOT \
        -drive "file=$work/data.img,format=raw,if=none,id=data" -device virtio-blk-pci,drive=data,serial=DATA \
        -drive "file=$work/job.tar,format=raw,if=none,id=job" -device virtio-blk-pci,drive=job,serial=JOB </dev/null &
    qemu=$!
    # It powers off at the end, or is taken away.
    while kill -0 "$qemu" 2>/dev/null && [ $((SECONDS - start)) -lt "${BOOT_TIMEOUT:-2400}" ]; do sleep 1; done
    kill "$qemu" 2>/dev/null || true
    wait "$qemu" || true
    qemu=
    # The guest says what it did, a line each; the last one only if all went well.
    grep -a '^guest.sh: ' "$log" | tr -d '\r' | sed "s/^guest.sh:/  $1:/" || true
    if ! grep -aq '^guest.sh: all of it' "$log"; then
        echo "packages.sh: $1 failed; $log has all of it; its end:" >&2
        tail -n 30 "$log" >&2
        return 1
    fi
    say "$1: $((SECONDS - start)) s"
}
for suite; do
    boot "$suite"
done
