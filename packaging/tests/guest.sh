#!/bin/sh
# Runs in a fresh Debian (root.sh), a guest or a container, with the virtio disk DATA to show: installs, mounts in every way,
# and removes, first the deb, then the rpm. Says on the console what it has seen, and at
# the end "all of it", or stops at the first thing that is wrong.
set -eu
cd /run/job
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
say() { echo "guest.sh: $*"; }
fail() {
    say "WRONG: $*"
    exit 1
}
ended() {
    [ "$1" != 0 ] || return 0
    say "stopped with exit code $1"
    systemctl --no-pager --full --failed 2>&1 || true
    journalctl --no-pager -b -n 60 2>&1 | grep -v ' kernel: ' || true
}
trap 'ended $?' EXIT

# Which is vda and which vdb is not the same at every start.
root=$(basename "$(readlink -f /dev/disk/by-id/virtio-ROOT)")
data=$(basename "$(readlink -f /dev/disk/by-id/virtio-DATA)")

# Everything that is on the root filesystem, but what package managers keep about
# themselves, logs, and systemd's state.
files() {
    find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/rpm -o -path /var/log -o -path /var/cache \
        -o -path /var/lib/systemd -o -path /usr/lib/sysimage -o -name .rpmdb -o -path /tmp -o -path /var/tmp \) -prune \
        -o -printf '%y %m %u:%g %s %p %l\n' | awk '$1 != "d" {print; next} {print $1, $2, $3, $5}' | sort
}

holds() { # holds MOUNTPOINT: the images are those of the disk
    for f in disk.qcow2 disk.vhd disk.vmdk disk.raw preflight.json; do
        [ -s "$1/$f" ] || fail "$1 has no $f"
    done
    mkdir -p /tmp/inside
    mount -o ro,loop,offset=1048576 "$1/disk.raw" /tmp/inside
    (cd /tmp/inside && sha256sum --quiet -c SUMS) || fail "the files in $1/disk.raw are not those of the disk"
    umount /tmp/inside
}
gone() { # gone MOUNTPOINT
    ! grep -q " $1 fuse.migimg " /proc/self/mounts || fail "$1 is still mounted"
    i=0
    while pidof migimg >/dev/null; do
        i=$((i + 1))
        [ $i -lt 60 ] || fail "a migimg still runs: $(pidof migimg)"
        sleep 1
    done
}

byunits() { # byunits WHAT: mnt-migimg.mount, and .automount
    systemctl daemon-reload
    systemctl start mnt-migimg.mount || fail "$1: mnt-migimg.mount"
    holds /mnt/migimg
    systemctl stop mnt-migimg.mount
    gone /mnt/migimg
    if systemd-detect-virt --quiet --container && ! [ -e /dev/autofs ]; then
        say "$1: mount (this machine's kernel has no autofs)"
        return
    fi
    systemctl start mnt-migimg.automount || fail "$1: mnt-migimg.automount"
    # Who looks waits for the mount; if that waits for itself, for ever.
    timeout 300 ls /mnt/migimg/disk.vhd >/dev/null || fail "$1: the automount does not mount"
    holds /mnt/migimg
    systemctl stop mnt-migimg.automount mnt-migimg.mount
    gone /mnt/migimg
    say "$1: mount and automount"
}

uses() { # all that an installed package is for
    migimg version --format json | tr -d '\n '
    echo
    man -w migimg mount.migimg >/dev/null || fail "no man page"

    # --- the unit
    systemctl start "migimg@$data.service" || fail "migimg@$data does not start"
    holds "/run/migimg/$data"
    case $(systemctl show -p StatusText "migimg@$data.service") in
    *"serving /dev/$data at /run/migimg/$data"*) ;;
    *) fail "the unit's status is $(systemctl show -p StatusText "migimg@$data.service")" ;;
    esac
    migimg verify "/run/migimg/$data" >/tmp/verify 2>&1 || fail "verify"
    systemctl reload "migimg@$data.service"
    systemctl stop "migimg@$data.service"
    [ "$(systemctl is-failed "migimg@$data.service")" = inactive ] || fail "migimg@$data ended as $(systemctl is-failed "migimg@$data.service")"
    gone "/run/migimg/$data"
    [ ! -e "/run/migimg/$data" ] || fail "/run/migimg/$data is left"
    say "unit: mounted, verified, reloaded, stopped"

    # A longer name, options, another mount point.
    mkdir -p /etc/migimg/disk/by-id
    printf '%s\n' 'MIGIMG_OPTIONS=--target tencent,kvm --bwlimit 500M' 'MIGIMG_MOUNTPOINT="/mnt/with space"' \
        >/etc/migimg/disk/by-id/virtio-DATA.conf
    unit='migimg@disk-by\x2did-virtio\x2dDATA.service'
    systemctl start "$unit" || fail "$unit does not start"
    [ -d '/mnt/with space/targets/tencent' ] || fail "the unit's own configuration had no effect"
    [ -d '/mnt/with space/targets/kvm' ] || fail "MIGIMG_OPTIONS is not taken whole"
    systemctl stop "$unit"
    [ -d '/mnt/with space' ] || fail "the admin's own mount point was removed"
    rmdir '/mnt/with space'
    rm -r /etc/migimg/disk
    systemctl start "$unit" || fail "$unit does not start without a configuration of its own"
    [ -s /run/migimg/disk/by-id/virtio-DATA/disk.raw ] || fail "nothing at /run/migimg/disk/by-id/virtio-DATA"
    systemctl stop "$unit"
    [ ! -e /run/migimg/disk ] || fail "/run/migimg/disk is left"
    say "unit: /dev/disk/by-id/virtio-DATA with options, at a path with a space"

    # The running root filesystem, in the unit's confinement: frozen for a moment.
    systemctl start "migimg@$root.service" || fail "migimg@$root does not start"
    migimg status "/run/migimg/$root" --format json >/tmp/status
    consistency=$(sed -n '/"consistency"/,/}/s/.*"level": "\(.*\)".*/\1/p' /tmp/status | head -n 1)
    # What lies on a loop device whose file is out of sight is not frozen.
    want=pinned
    ! systemd-detect-virt --quiet --container || want=live
    [ "$consistency" = $want ] || fail "the root filesystem is $consistency, not $want: $(head -c 2000 /tmp/status)"
    [ $want = live ] || say "unit: the running root filesystem, $consistency, drift: $(migimg status "/run/migimg/$root" | sed -n 's/^drift *//p')"
    # Its process is killed: nothing is left of the mount, and the unit can start again.
    systemctl kill -s KILL --kill-who=main "migimg@$root.service"
    i=0
    while [ "$(systemctl is-failed "migimg@$root.service")" != failed ]; do
        i=$((i + 1))
        [ $i -lt 60 ] || fail "the unit does not notice that it was killed"
        sleep 1
    done
    gone "/run/migimg/$root"
    touch /var/tmp/not-frozen && rm /var/tmp/not-frozen
    systemctl start "migimg@$root.service" || fail "migimg@$root does not start again"
    systemctl stop "migimg@$root.service"
    say "unit: killed, tidied up, started again"

    # --- mount(8), with all that fstab can say
    mkdir -p /mnt/migimg
    cp /etc/fstab /tmp/fstab
    echo "/dev/$data /mnt/migimg migimg nofail,target=\"tencent,kvm\",x-systemd.device-timeout=5min 0 0" >>/etc/fstab
    systemctl daemon-reload
    mount /mnt/migimg || fail "mount /mnt/migimg"
    holds /mnt/migimg
    [ -d /mnt/migimg/targets/kvm ] || fail 'target="tencent,kvm" had no effect'
    mount -a 2>&1 || fail "mount -a, with what is mounted"
    [ "$(grep -c ' fuse.migimg ' /proc/self/mounts)" = 1 ] || fail "mount -a mounted a second time"
    umount /mnt/migimg
    gone /mnt/migimg
    mount -a || fail "mount -a"
    migimg umount /mnt/migimg
    gone /mnt/migimg
    say "fstab: mount, mount -a twice, umount"

    # --- systemd: the examples' units, and what it makes of fstab, as at the start of a
    # server; in a container it makes nothing of devices.
    for kind in mount automount; do
        sed "s,/dev/sdb,/dev/$data," "/usr/share/doc/migimg/examples/mnt-migimg.$kind" >"/etc/systemd/system/mnt-migimg.$kind"
    done
    cp /tmp/fstab /etc/fstab
    byunits "the examples' units"
    rm /etc/systemd/system/mnt-migimg.*
    if ! systemd-detect-virt --quiet --container; then
        echo "/dev/$data /mnt/migimg migimg ro,noauto,x-systemd.automount,x-systemd.idle-timeout=1h 0 0" >>/etc/fstab
        byunits "fstab"
        cp /tmp/fstab /etc/fstab
    fi
    systemctl daemon-reload
    mount -t migimg -o target=tencent "/dev/$data" /mnt/migimg || fail "mount -t migimg"
    [ -d /mnt/migimg/targets/tencent ] || fail "-o target had no effect"
    umount /mnt/migimg
    gone /mnt/migimg
    say "mount -t migimg"
}

removal() { # removal REMOVE: with mounts in use, idle, and units enabled
    systemctl enable "migimg@$data.service" 2>/dev/null
    systemctl start "migimg@$data.service"
    exec 3<"/run/migimg/$data/disk.raw"
    if $1 >/tmp/remove.log 2>&1; then
        fail "removed while an image was being read"
    fi
    grep -q "/run/migimg/$data is mounted" /tmp/remove.log || fail "the refusal does not say why: $(cat /tmp/remove.log)"
    [ "$(head -c 512 <&3 | wc -c)" = 512 ] || fail "the reader has lost its image"
    exec 3<&-
    mount -t migimg "/dev/$data" /mnt/migimg
    $1 >/tmp/remove.log 2>&1 || fail "not removed: $(cat /tmp/remove.log)"
    gone /mnt/migimg
    gone "/run/migimg/$data"
    [ ! -e /run/migimg ] || fail "/run/migimg is left: $(ls /run/migimg)"
    rmdir /mnt/migimg
}

say "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release), Linux $(uname -r), $(systemctl --version | head -n 1), $(mount --version | cut -d'(' -f1)"
udevadm settle
files >/tmp/before

dpkg -i migimg.deb >/tmp/install.log 2>&1 || fail "dpkg -i: $(cat /tmp/install.log)"
uses
case $(systemd-analyze security --no-pager "migimg@$data.service" 2>/dev/null | tail -n 1) in
*level*) say "systemd-analyze security: $(systemd-analyze security --no-pager "migimg@$data.service" | tail -n 1 | grep -o 'level.*: [0-9.]*')" ;;
esac
dpkg -i migimg.deb >/tmp/install.log 2>&1 || fail "installing it again: $(cat /tmp/install.log)"
removal 'dpkg --remove migimg'
[ -f /etc/migimg/migimg.conf ] || fail "dpkg --remove took the configuration, too"
dpkg --purge migimg >/dev/null 2>&1
files >/tmp/after
diff /tmp/before /tmp/after || fail "the deb has left something"
say "deb: removed, nothing left"

# This system's rpm knows of no package, and so of no /bin/sh.
rpm -i --nodeps migimg.rpm || fail "rpm -i"
uses
removal 'rpm -e migimg'
files >/tmp/after
diff /tmp/before /tmp/after || fail "the rpm has left something"
say "rpm: installed, used, removed, nothing left"
say "all of it"
