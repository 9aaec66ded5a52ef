#!/bin/bash
# The main job on a small disk with an operating system on it, each step shown as
# it would be typed: what `make demo` runs.
#
#   testdata/demo.sh          DEMO_BOOT=1 boots the qcow2 copy at the end, too
#
# Needs root (it starts itself again through sudo), build/migimg and the programs
# of `testdata/install.sh demo`. Works in build/demo; the disk stays in
# build/disks for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo env "PATH=$PATH" ${DEMO_BOOT:+"DEMO_BOOT=$DEMO_BOOT"} "$0" "$@"
fi
export PATH="$PWD/build:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
[ -x build/migimg ] || { echo "demo.sh: no build/migimg: run make build" >&2; exit 1; }

disk=build/disks/demo.img
work=build/demo
M=$work/mnt # as short as the lines below want it
C=$work/copies
D=
cleanup() {
    # A run that was killed leaves the mount and the loop device of its disk.
    if mountpoint -q "$M" 2>/dev/null; then
        migimg umount "$M" 2>/dev/null || umount -l "$M" || true
    fi
    losetup -j "$disk" 2>/dev/null | cut -d: -f1 | while read -r l; do
        partx -d "$l" 2>/dev/null || true
        losetup -d "$l" || true
    done
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
step() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
run() { # run "COMMAND": shows it and does it
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    eval "$1"
}

step "A disk as a server has it: MBR, ext4 with an operating system on it, swap (a minute, the first time)"
run "testdata/disks/demo.sh $disk"
cleanup
mkdir -p "$M" "$C"
D=$(losetup --find --show --read-only "$disk")
partx -a "$D" 2>/dev/null || partx -u "$D" 2>/dev/null || true
run "sfdisk -l $D"
start=$SECONDS

step "What an image has to carry"
run "migimg map $D"

step "The disk is an image already: nothing is copied here, no second disk is needed"
run "migimg mount $D $M"
run "ls -ls $M"

step "Will the cloud take it, and will it boot there?"
rc=0
run "migimg preflight $M --target tencent,kvm" || rc=$?
case $rc in
0 | 2 | 3) echo "(exit code $rc: 0 ready, 2 something blocks, 3 warnings)" ;;
*) exit "$rc" ;;
esac

step "The four images, copied as any file is"
for f in disk.qcow2 disk.vhd disk.vmdk disk.raw; do
    run "time cp $M/$f $C/"
    [ "$(stat -c %s "$M/$f")" = "$(stat -c %s "$C/$f")" ] || { echo "demo.sh: the size of the copy of $f is not what the mount said" >&2; exit 1; }
done
run "ls -ls $C"

step "A second opinion: QEMU's"
run "qemu-img info -f qcow2 $C/disk.qcow2"
run "qemu-img info -f vpc $C/disk.vhd"
run "qemu-img info -f vmdk $C/disk.vmdk"
run "qemu-img info -f raw $C/disk.raw"
run "qemu-img check -f qcow2 $C/disk.qcow2"
run "qemu-img check -f vmdk $C/disk.vmdk"
run "qemu-img compare -f raw -F qcow2 $M/disk.raw $C/disk.qcow2"
run "qemu-img compare -f raw -F vpc $M/disk.raw $C/disk.vhd"
run "qemu-img compare -f raw -F vmdk $M/disk.raw $C/disk.vmdk"
run "qemu-img compare -f raw -F raw $M/disk.raw $C/disk.raw"

step "migimg's own: decoded by other code, compared with the device"
run "migimg verify $M"
run "migimg verify $C/disk.qcow2 --source $M"

step "Deleted files stay on the server: how often a deleted record is on the device, and in the image"
run "tr -d '\\0' <$D | grep -ac deleted-customer-record" || true
rc=0
run "tr -d '\\0' <$C/disk.qcow2 | grep -ac deleted-customer-record" || rc=$?
[ "$rc" = 1 ] || { echo "demo.sh: deleted data is in the image" >&2; exit 1; }

run "migimg status $M"
run "migimg umount $M"
echo
echo "demo.sh: all of it in $((SECONDS - start)) s, without the disk's making"

if [ "${DEMO_BOOT:-0}" = 1 ]; then
    step "The copy boots (QEMU, without KVM: a minute)"
    run "testdata/boot.sh qcow2 $C/disk.qcow2 login:"
fi
