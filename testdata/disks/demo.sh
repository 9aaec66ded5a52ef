#!/bin/bash
# Builds a small disk with a real operating system on it, as a server that is to
# be moved would have it.
#
#   testdata/disks/demo.sh OUT.img [KERNEL-PACKAGE]
#
# 4 GiB (a sparse file), MBR: 1 ext4 /, 2 swap. The distribution is the one this
# script runs on (Debian or Ubuntu), from this machine's own apt sources and
# keys: the distribution's kernel for clouds, which has few drivers, or the one
# that is named, and its initramfs, GRUB in the MBR, root= and fstab by UUID, a console on ttyS0 (root's password: migimg), OpenSSH.
#
# It is made to show something: deleted files and old swap lie in its free space
# (each line of them says "deleted-customer-record"), its network configuration
# names the interface a VMware guest has (ens192), and there is no cloud-init.
#
# Needs root, loop devices and the packages of testdata/install.sh. An image that
# this same script made before is kept. A loop device of a run that was killed is
# taken away by the next one; mounts outlive no run.
set -euo pipefail

out=${1:?usage: demo.sh OUT.img [KERNEL-PACKAGE]} kernel=${2:-}
[ "$(id -u)" = 0 ] || { echo "demo.sh: needs root" >&2; exit 1; }
if [ -z "${DEMO_UNSHARED:-}" ]; then
    DEMO_UNSHARED=1 exec "$(dirname "$0")/alone.sh" "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C DEBIAN_FRONTEND=noninteractive
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")

# The same ids in every build: two builds differ in times and package versions only.
root_uuid=6d696769-6d67-4000-8000-000000000001
swap_uuid=6d696769-6d67-4000-8000-000000000002
disk_id=0x6d696769

# shellcheck source=/dev/null
. /etc/os-release
stamp="$(sha256sum <"$0" | cut -d' ' -f1) $ID $VERSION_ID $kernel"
exec 9>"$out.lock"
flock 9 # several tests may want the same disk
if [ -f "$out" ] && [ "$(cat "$out.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
say() { echo "demo.sh: $*" >&2; }

part=$out.part
work=$out.work
root=$work/root
dev=$work/dev # the guest's /dev while it is being set up: these nodes and no others

unmount_below() { # the deepest first
    awk -v d="$1" '$5 == d || index($5, d "/") == 1 {print $5}' /proc/self/mountinfo | sort -r |
        while read -r m; do umount "$m" 2>/dev/null || umount -l "$m"; done
}
cleanup() {
    unmount_below "$work"
    losetup -j "$part" | cut -d: -f1 | while read -r l; do
        partx -d "$l" 2>/dev/null || true
        losetup -d "$l" || true
    done
    rm -rf --one-file-system "$work"
    rm -f "$part"
}
finish() {
    local rc=$?
    if [ "$rc" != 0 ]; then
        say "failed (exit $rc)"
        [ ! -f "$out.log" ] || tail -n 30 "$out.log" >&2
    fi
    cleanup
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
cleanup
rm -f "$out" "$out.stamp"
mkdir -p "$root" "$dev"

# --- the disk: a partition table, a filesystem, swap
truncate -s 4G "$part"
sfdisk --quiet "$part" <<TABLE
label: dos
label-id: $disk_id
start=2048, size=7340032, type=83, bootable
start=7342080, type=82
TABLE
loop=$(losetup --find --show "$part")
partx -a "$loop" 2>/dev/null || partx -u "$loop"
name=${loop##*/}
mount -t tmpfs -o mode=755,size=1M tmpfs "$dev"
for n in "$name" "${name}p1" "${name}p2"; do
    IFS=: read -r major minor <"/sys/class/block/$n/dev"
    mknod "$dev/$n" b "$major" "$minor"
    # A container's /dev does not show new partitions.
    [ -b "/dev/$n" ] || mknod "/dev/$n" b "$major" "$minor"
done
mknod "$dev/null" c 1 3
mknod "$dev/zero" c 1 5
mknod "$dev/full" c 1 7
mknod "$dev/random" c 1 8
mknod "$dev/urandom" c 1 9
mknod "$dev/tty" c 5 0
chmod 666 "$dev"/{null,zero,full,random,urandom,tty}
mkdir -p "$dev/disk/by-uuid" "$dev/shm"
ln -s fd/0 "$dev/stdin"; ln -s fd/1 "$dev/stdout"; ln -s fd/2 "$dev/stderr"; ln -s /proc/self/fd "$dev/fd"
# update-grub writes root=UUID= only where it finds this link.
ln -s "../../${name}p1" "$dev/disk/by-uuid/$root_uuid"

# Old swap first: mkswap writes its first page only, what was swapped out stays.
junk() { # junk MiB
    yes "deleted-customer-record: card 4000 0012 3456 7899, pin in the clear" | head -c "$1M" || true
}
junk 64 | dd of="$dev/${name}p2" bs=1M seek=8 iflag=fullblock conv=notrunc status=none
mkswap --quiet -U "$swap_uuid" "$dev/${name}p2" 2>/dev/null || mkswap -U "$swap_uuid" "$dev/${name}p2" >/dev/null
mkfs.ext4 -q -L root -U "$root_uuid" -E hash_seed="$root_uuid",lazy_itable_init=0 "$dev/${name}p1"
# By its name in /dev: grub-install looks for that name inside the guest.
mount "/dev/${name}p1" "$root"

# --- the operating system, from this machine's apt sources
sources() { # one-line sources: whatever form and mirror this machine uses
    # shellcheck disable=SC2016 # $(ORIGIN) is apt's own
    apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(SITE)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
        awk -F'|' -v code="$VERSION_CODENAME" '
            $1 !~ /^(Debian|Ubuntu)$/ || $5 != "main" {next}
            # Ubuntu gives all its pockets one code name: the release says which it is.
            $4 ~ /(backports|proposed)/ {next}
            $2 == code || index($2, code "-") == 1 {print "deb " $3 " " $4 " " $5}' | sort -u
}
list=$work/sources.list
sources >"$list"
if ! [ -s "$list" ]; then
    apt-get -qq -o DPkg::Lock::Timeout=600 update >&2
    sources >"$list"
fi
[ -s "$list" ] || { say "apt has no sources of $ID $VERSION_CODENAME: add them, run apt-get update"; exit 1; }
mkdir "$work/keys"
for k in /etc/apt/trusted.gpg.d/*.{gpg,asc} \
    /usr/share/keyrings/{debian-archive-*,ubuntu-archive-keyring}.gpg; do
    [ ! -s "$k" ] || cp -L "$k" "$work/keys/"
done
options=(--dpkgopt=force-unsafe-io --aptopt='APT::Install-Recommends "false"')
eval "$(apt-config shell http_p Acquire::http::Proxy https_p Acquire::https::Proxy valid Acquire::Check-Valid-Until)"
[ -z "${http_p:-}" ] || options+=(--aptopt="Acquire::http::Proxy \"$http_p\"")
[ -z "${https_p:-}" ] || options+=(--aptopt="Acquire::https::Proxy \"$https_p\"")
[ -z "${valid:-}" ] || options+=(--aptopt="Acquire::Check-Valid-Until \"$valid\"")

packages=apt,systemd-sysv,udev,dbus,initramfs-tools,grub-pc,openssh-server,iproute2,less,ca-certificates
case $ID in
debian) packages+=,${kernel:-linux-image-cloud-amd64},ifupdown ;;
ubuntu) packages+=,${kernel:-linux-image-virtual},netplan.io ;;
*) say "runs on Debian and Ubuntu only, this is $ID"; exit 1 ;;
esac
say "installing $PRETTY_NAME into $out"
# shellcheck disable=SC2016 # the hook's $1 is the new root
mmdebstrap --mode=root --variant=minbase --components=main --architectures=amd64 \
    --keyring="$work/keys" --include="$packages" "${options[@]}" \
    --essential-hook='echo grub-pc grub-pc/install_devices_empty boolean true | chroot "$1" debconf-set-selections' \
    "$VERSION_CODENAME" "$root" - <"$list" >"$out.log" 2>&1

# --- its configuration
echo migimg-demo >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 migimg-demo\n' >"$root/etc/hosts"
cat >"$root/etc/fstab" <<FSTAB
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=$root_uuid / ext4 errors=remount-ro 0 1
UUID=$swap_uuid none swap sw 0 0
FSTAB
case $ID in
debian)
    cat >"$root/etc/network/interfaces" <<'NET'
auto lo
iface lo inet loopback

allow-hotplug ens192
iface ens192 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
NET
    ;;
ubuntu)
    install -m 600 /dev/stdin "$root/etc/netplan/01-netcfg.yaml" <<'NET'
network:
  version: 2
  ethernets:
    ens192:
      optional: true
      addresses: [192.0.2.10/24]
      routes: [{to: default, via: 192.0.2.1}]
NET
    ;;
esac
# An emulated processor on a busy machine is slow: after 90 s systemd would give up
# waiting for the serial port, and there would be no login on it.
mkdir -p "$root/etc/systemd/system.conf.d"
cat >"$root/etc/systemd/system.conf.d/slow.conf" <<'SLOW'
[Manager]
DefaultTimeoutStartSec=900s
DefaultDeviceTimeoutSec=900s
SLOW
cat >"$root/etc/default/grub" <<'GRUB'
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=`( . /etc/os-release; echo $NAME )`
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_DISABLE_OS_PROBER=true
GRUB_TERMINAL=console
GRUB
mount --bind "$dev" "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
{
    echo root:migimg | chroot "$root" chpasswd
    chroot "$root" grub-install --target=i386-pc --no-floppy "/dev/$name"
    chroot "$root" update-grub
} >>"$out.log" 2>&1
umount "$root/sys" "$root/proc" "$root/dev"
grep -q "root=UUID=$root_uuid" "$root/boot/grub/grub.cfg" || { say "grub.cfg has no root=UUID=$root_uuid"; exit 1; }

# --- a server's files, and what was deleted
mkdir -p "$root/srv/www"
for i in 1 2 3; do
    head -c 24M /dev/urandom >"$root/srv/www/photo$i.raw"
done
seq -f '%012.0f GET /index.html HTTP/1.1 200' 1 1500000 >"$root/var/log/access.log"
mkdir "$root/srv/old"
for i in 1 2 3 4; do
    junk 128 >"$root/srv/old/customers$i.sql"
done
sync -f "$root"
rm -r "$root/srv/old"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
: >"$root/etc/machine-id"
used=$(df --output=used -BM "$root" | tail -n 1)
umount "$root"
e2fsck -fn "$dev/${name}p1" >>"$out.log" 2>&1
sync "$part"
unmount_below "$work"
partx -d "$loop"
losetup -d "$loop"
mv "$part" "$out"
echo "$stamp" >"$out.stamp"
rm -f "$out.log"
say "$out: $((SECONDS)) s, $(du -m "$out" | cut -f1) MiB on disk, $used in files"
