#!/bin/bash
# Builds a bootable disk that preflight finds nothing serious about: what the
# broken guests of the tests are broken copies of.
#
#   testdata/disks/guest.sh DEMO.img OUT.img [KERNEL-PACKAGE]
#
# The disk of disks/demo.sh (made if it is not there), with cloud-init, nftables and
# timesyncd installed, its network configured by DHCP whatever the card is called, and SSH's
# host keys made at boot. Needs root, loop devices and this machine's apt sources.
# An image that this script made of the same demo disk is kept.
set -euo pipefail

[ $# = 2 ] || [ $# = 3 ] || { echo "usage: guest.sh DEMO.img OUT.img [KERNEL-PACKAGE]" >&2; exit 1; }
demo=$1 out=$2
[ "$(id -u)" = 0 ] || { echo "guest.sh: needs root" >&2; exit 1; }
if [ -z "${GUEST_UNSHARED:-}" ]; then
    "$(dirname "$0")/demo.sh" "$demo" ${3:+"$3"}
    GUEST_UNSHARED=1 exec "$(dirname "$0")/alone.sh" "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C DEBIAN_FRONTEND=noninteractive
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")
stamp="$(cat "$demo.stamp") $(sha256sum <"$0" | cut -d' ' -f1)"
exec 9>"$out.lock"
flock 9
if [ -f "$out" ] && [ "$(cat "$out.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

part=$out.part
root=$out.work
cleanup() {
    local m
    for m in "$root/dev" "$root/proc" "$root"; do
        ! mountpoint -q "$m" || umount "$m" || umount -l "$m"
    done
    losetup -j "$part" | cut -d: -f1 | while read -r l; do losetup -d "$l" || true; done
    rm -rf --one-file-system "$root"
    rm -f "$part"
}
finish() {
    local rc=$?
    [ "$rc" = 0 ] || tail -n 30 "$out.log" >&2 || true
    cleanup
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
cleanup
rm -f "$out" "$out.stamp"
mkdir -p "$root"
: >"$out.log"

cp --reflink=auto --sparse=always "$demo" "$part"
mount -o loop,offset=1M,sizelimit=3584M "$part" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,size=1M tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/urandom" c 1 9
ln -s /proc/self/fd "$root/dev/fd"

options=(-qq -o APT::Install-Recommends=false -o APT::Sandbox::User=root)
eval "$(apt-config shell http_p Acquire::http::Proxy https_p Acquire::https::Proxy valid Acquire::Check-Valid-Until)"
[ -z "${http_p:-}" ] || options+=(-o "Acquire::http::Proxy=$http_p")
[ -z "${https_p:-}" ] || options+=(-o "Acquire::https::Proxy=$https_p")
[ -z "${valid:-}" ] || options+=(-o "Acquire::Check-Valid-Until=$valid")
[ -L "$root/etc/resolv.conf" ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
{
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # start nothing here
    chmod 755 "$root/usr/sbin/policy-rc.d"
    chroot "$root" apt-get "${options[@]}" update
    chroot "$root" apt-get "${options[@]}" -y install cloud-init nftables systemd-timesyncd
    rm "$root/usr/sbin/policy-rc.d"
    rm -f "$root/etc/netplan"/*.yaml
    printf 'auto lo\niface lo inet loopback\n' >"$root/etc/network/interfaces" || true
    printf '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/80-dhcp.network"
    chroot "$root" systemctl enable systemd-networkd.service ssh.service
    rm -f "$root/etc/resolv.conf"
    ln -s /run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"
} >>"$out.log" 2>&1
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
: >"$root/etc/machine-id"
umount "$root/dev" "$root/proc" "$root"
sync "$part"
mv "$part" "$out"
echo "$stamp" >"$out.stamp"
rm -f "$out.log"
echo "guest.sh: $out: $SECONDS s, $(du -m "$out" | cut -f1) MiB on disk" >&2
