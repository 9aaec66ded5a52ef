#!/bin/bash
# Proves that what `make dist` makes can be installed, used and removed: the same bytes
# come out of a second clone; lintian finds no error; and in fresh Debians, first as
# containers, then started with their own kernels in QEMU, the deb and the rpm install,
# mount by unit, by fstab and by automount, and leave nothing behind.
#
#   packaging/tests/packages.sh [SUITE]...      (default: bullseye bookworm trixie)
#
# PACKAGES_IN=containers leaves QEMU out: a suite then takes half a minute, and otherwise
# many, on an emulated processor.
# Runs as root. The disks stay in build/disks for the next time, what the systems said in
# build/packages-SUITE.log.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin:$PWD/build/bin" LC_ALL=C
if [ "$(id -u)" != 0 ]; then
    go mod download
    exec sudo env "PATH=$PATH" "PACKAGES_IN=${PACKAGES_IN:-}" "GOMODCACHE=$(go env GOMODCACHE)" "GOPROXY=$(go env GOPROXY)" "$0" "$@"
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

passed() { # passed LOG SUITE HOW: a line for each thing that was done; the last only if all went well
    grep -a '^guest.sh: ' "$1" | tr -d '\r' | sed "s/^guest.sh:/  $2:/" || true
    grep -aq '^guest.sh: all of it' "$1" || {
        echo "packages.sh: $2 failed $3; $1 has all of it; its end:" >&2
        tail -n 40 "$1" >&2
        return 1
    }
}

contain() { # contain SUITE
    local log=build/packages-$1.log start=$SECONDS
    packaging/tests/container.sh "build/disks/packages-$1.img" "$work/data.img" "$work/job" >"$log" 2>&1 || true
    passed "$log" "$1" "as a container"
    say "$1 as a container: $((SECONDS - start)) s"
}

boot() { # boot SUITE
    local disk=build/disks/packages-$1.img log=build/packages-$1.log start=$SECONDS
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
    while kill -0 "$qemu" 2>/dev/null && [ $((SECONDS - start)) -lt "${BOOT_TIMEOUT:-3600}" ]; do sleep 1; done
    kill "$qemu" 2>/dev/null || true
    wait "$qemu" || true
    qemu=
    passed "$log" "$1" "in QEMU"
    say "$1 in QEMU: $((SECONDS - start)) s"
}

for suite; do
    packaging/tests/root.sh "$suite" "build/disks/packages-$suite.img"
    contain "$suite"
done
[ "${PACKAGES_IN:-}" != containers ] || exit 0
for suite; do
    boot "$suite"
done
