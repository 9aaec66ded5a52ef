#!/bin/bash
# Builds a fresh Debian that boots under QEMU and runs what it is given: a filesystem
# without a partition table, and beside it the kernel and the initramfs to start it by.
#
#   packaging/tests/root.sh SUITE OUT.img      (bullseye, bookworm, trixie)
#
# The system is minimal: systemd, udev, dbus, the suite's cloud kernel, rpm. At the end of
# its start it unpacks its third disk, a tar archive, into /run/job, runs /run/job/run on
# the serial console, and powers off.
#
# Needs root, mmdebstrap and mkfs.ext4; no loop device. What this script made before is
# kept.
set -euo pipefail

[ $# = 2 ] || { echo "usage: root.sh SUITE OUT.img" >&2; exit 1; }
suite=$1 out=$2
[ "$(id -u)" = 0 ] || { echo "root.sh: needs root" >&2; exit 1; }
if [ -z "${ROOT_UNSHARED:-}" ]; then
    ROOT_UNSHARED=1 exec "$(dirname "$0")/../../testdata/disks/alone.sh" "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C DEBIAN_FRONTEND=noninteractive
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")
stamp="$(sha256sum <"$0" | cut -d' ' -f1) $suite"
exec 9>"$out.lock"
flock 9
if [ -f "$out" ] && [ "$(cat "$out.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

work=$out.work
root=$work/root
cleanup() {
    awk -v d="$work/" 'index($5, d) == 1 {print $5}' /proc/self/mountinfo | sort -r |
        while read -r m; do umount "$m" 2>/dev/null || umount -l "$m"; done
    rm -rf --one-file-system "$work"
}
finish() {
    local rc=$?
    if [ "$rc" != 0 ]; then
        echo "root.sh: $suite failed (exit $rc)" >&2
        [ ! -f "$out.log" ] || tail -n 30 "$out.log" >&2
    fi
    cleanup
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
cleanup
rm -f "$out" "$out.stamp"
mkdir -p "$root" "$work/conf.d"

# The mirror that this machine uses, whichever it is. The release as it is, without its
# security updates: mirrors drop those of old releases one by one.
# shellcheck disable=SC2016 # $(ORIGIN) is apt's own
mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(SITE)' 'Created-By: Packages' | awk -F'|' '$1 == "Debian" && $2 == "Debian" {print $3; exit}')
[ -n "$mirror" ] || { echo "root.sh: apt knows no Debian mirror: run apt-get update" >&2; exit 1; }
echo "deb $mirror $suite main" >"$work/sources.list"
options=(--dpkgopt=force-unsafe-io --aptopt='APT::Install-Recommends "false"')
eval "$(apt-config shell http_p Acquire::http::Proxy https_p Acquire::https::Proxy valid Acquire::Check-Valid-Until)"
[ -z "${http_p:-}" ] || options+=(--aptopt="Acquire::http::Proxy \"$http_p\"")
[ -z "${https_p:-}" ] || options+=(--aptopt="Acquire::https::Proxy \"$https_p\"")
[ -z "${valid:-}" ] || options+=(--aptopt="Acquire::Check-Valid-Until \"$valid\"")

# The initramfs carries what finds the disk and no more: an emulated processor unpacks it.
printf 'MODULES=list\nCOMPRESS=gzip\n' >"$work/conf.d/small"
echo "root.sh: installing Debian $suite into $out" >&2
mmdebstrap --mode=root --variant=minbase --components=main --architectures=amd64 \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "${options[@]}" \
    --include=systemd-sysv,udev,dbus,initramfs-tools,linux-image-cloud-amd64,rpm,man-db \
    --essential-hook="mkdir -p \"\$1/etc/initramfs-tools/conf.d\" && cp '$work/conf.d/small' \"\$1/etc/initramfs-tools/conf.d/\" && printf 'virtio_pci\nvirtio_blk\next4\n' >\"\$1/etc/initramfs-tools/modules\"" \
    "$suite" "$root" - <"$work/sources.list" >"$out.log" 2>&1

echo migimg-packages >"$root/etc/hostname"
echo 'LABEL=root / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
: >"$root/etc/machine-id"
cat >"$root/etc/systemd/system/job.service" <<'UNIT'
[Unit]
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'udevadm settle && mkdir -p /run/job && tar -C /run/job -xf /dev/disk/by-id/virtio-JOB && exec sh /run/job/run'
ExecStopPost=/bin/sh -c 'echo "job: $SERVICE_RESULT $EXIT_STATUS"; systemctl poweroff --force --no-block'
StandardInput=null
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
UNIT
# A getty hangs up the console when it starts.
ln -s /dev/null "$root/etc/systemd/system/serial-getty@ttyS0.service"
mkdir -p "$root/etc/systemd/system/default.target.wants" "$root/etc/systemd/system.conf.d"
ln -s ../job.service "$root/etc/systemd/system/default.target.wants/job.service"
# An emulated processor on a busy machine is slow.
printf '[Manager]\nDefaultTimeoutStartSec=900s\nDefaultDeviceTimeoutSec=900s\n' >"$root/etc/systemd/system.conf.d/slow.conf"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
cp "$root"/boot/vmlinuz-* "$out.vmlinuz"
cp "$root"/boot/initrd.img-* "$out.initrd"
truncate -s 3G "$work/disk"
mkfs.ext4 -q -L root -d "$root" "$work/disk" >>"$out.log" 2>&1
mv "$work/disk" "$out"
echo "$stamp" >"$out.stamp"
rm -f "$out.log"
echo "root.sh: $out: $SECONDS s, $(du -m "$out" | cut -f1) MiB on disk" >&2
