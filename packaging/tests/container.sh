#!/bin/bash
# Runs a job in a system that root.sh has made, started as a container: its systemd is
# process 1 of namespaces of its own, on this machine's kernel. It has no udev, so that
# systemd knows of no devices.
#
#   packaging/tests/container.sh ROOT.img DATA.img JOB
#
# JOB is a folder that becomes /run/job; its script run is run there. ROOT.img is copied.
# Needs root, loop devices and cgroup v2, mounted anywhere. Nothing outlives it: the
# processes, mounts and loop devices go with it, even if it is killed with SIGTERM.
set -euo pipefail

[ $# = 3 ] || { echo "usage: container.sh ROOT.img DATA.img JOB" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "container.sh: needs root" >&2; exit 1; }
if [ -z "${CONTAINER_UNSHARED:-}" ]; then
    CONTAINER_UNSHARED=1 exec "$(dirname "$0")/../../testdata/disks/alone.sh" "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
image=$(realpath "$1") job=$(realpath "$3")
work=$(mktemp -d)
root=$work/root
unified=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
[ -n "$unified" ] || { echo "container.sh: no cgroup v2 is mounted" >&2; exit 1; }
group=$unified/migimg-packages-$$
init=

# shellcheck disable=SC2317,SC2329 # the trap calls it
cleanup() {
    [ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
    [ -z "$init" ] || wait "$init" 2>/dev/null || true
    for _ in $(seq 100); do
        grep -q 'populated 1' "$group/cgroup.events" 2>/dev/null || break
        sleep 0.1
    done
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    umount -R -l "$root" 2>/dev/null || true
    losetup -j "$work/root.img" | cut -d: -f1 | while read -r l; do losetup -d "$l"; done
    losetup -j "$work/data.img" | cut -d: -f1 | while read -r l; do losetup -d "$l"; done
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

cp --sparse=always "$image" "$work/root.img"
cp --sparse=always "$2" "$work/data.img"
rootdev=$(losetup --find --show "$work/root.img")
datadev=$(losetup --find --show "$work/data.img")
mkdir "$root"
mount "$rootdev" "$root"
rm "$root/etc/systemd/system/default.target.wants/job.service" "$root/etc/fstab"
echo "$rootdev / ext4 defaults 0 1" >"$root/etc/fstab"

# --- what a container sees: its own devices, /sys and the kernel's settings read-only
mount -t tmpfs -o mode=755,size=8M tmpfs "$root/dev"
for n in null zero full random urandom tty fuse loop-control; do
    cp -a "/dev/$n" "$root/dev/"
done
autofs=$(awk '$2 == "autofs" {print $1}' /proc/misc) # systemd's automounts need it
[ -z "$autofs" ] || mknod "$root/dev/autofs" c 10 "$autofs"
for n in $(seq 0 63); do mknod "$root/dev/loop$n" b 7 "$n"; done
mkdir -p "$root/dev/disk/by-id" "$root/dev/shm" "$root/dev/pts"
ln -s "../../${rootdev##*/}" "$root/dev/disk/by-id/virtio-ROOT"
ln -s "../../${datadev##*/}" "$root/dev/disk/by-id/virtio-DATA"
ln -s /proc/self/fd "$root/dev/fd"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/job"
cp -a "$job/." "$root/run/job/"

mkdir "$group"
start() { # the rest of this script's process becomes process 1
    echo $BASHPID >"$group/cgroup.procs"
    # shellcheck disable=SC2016 # the inner shell's
    exec unshare --mount --propagation private --pid --ipc --uts --cgroup --fork --kill-child sh -c '
        mount -t proc proc "$1/proc"
        mount --bind "$1/proc/sys" "$1/proc/sys"
        mount -o remount,bind,ro "$1/proc/sys"
        [ ! -e "$1/proc/sysrq-trigger" ] || mount --bind /dev/null "$1/proc/sysrq-trigger"
        mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
        mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts"
        ln -s pts/ptmx "$1/dev/ptmx"
        exec unshare --root="$1" --wd=/ env -i container=migimg PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            /lib/systemd/systemd --unit=multi-user.target --log-target=console --show-status=no' sh "$root"
}
start </dev/null >"$work/console" 2>&1 &
init=$!

# The process that is 1 in there: unshare's child.
for _ in $(seq 300); do
    one=$(pgrep -P "$init" | head -n 1 || true)
    [ -z "$one" ] || ! nsenter -t "$one" -m -p -u -i -C -r -w sh -c 'systemctl is-system-running 2>/dev/null | grep -Eqx "running|degraded"' 2>/dev/null || break
    kill -0 "$init" 2>/dev/null || { cat "$work/console" >&2; echo "container.sh: systemd has ended" >&2; exit 1; }
    sleep 0.2
done
nsenter -t "$one" -m -p -u -i -C -r -w env -i HOME=/root sh /run/job/run </dev/null || { rc=$?; tail -n 30 "$work/console" >&2; exit "$rc"; }
