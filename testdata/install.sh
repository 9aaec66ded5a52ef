#!/bin/bash
# Installs what `make demo`, `make test` and `make bench` need on Debian 12/13
# and Ubuntu 22.04/24.04: only what is missing, quietly, as often as you like.
#
#   testdata/install.sh [demo|test|bench|lint|look|docs|torture|boots|dist|fleet]...      (default: demo test)
#
# A row is: the groups that need it, the program or the file, the packages that bring it
# (the releases name some differently: all of them that exist are installed). A
# program that no package of this release brings is named at the end; the tests
# that need it fail then, and exit code 1 says so.
#
# openssh-server, of the group fleet, is started by Debian once it is installed.
#
# go:PACKAGE@VERSION is a program that is built from a Go module, into build/bin.
set -euo pipefail
cd "$(dirname "$0")/.."

rows() {
    cat <<'ROWS'
demo,test,bench  losetup          mount
demo,test,bench  sfdisk           fdisk
demo,test,bench  partx            util-linux util-linux-extra
demo,test,bench  flock            util-linux
demo,test,bench  mkfs.ext4        e2fsprogs
demo,test,bench  mkswap           util-linux
demo,test,bench  fusermount3      fuse3
demo,test,bench  qemu-img         qemu-utils
demo,test,bench  qemu-io          qemu-utils
test             qemu-nbd         qemu-utils
demo,test        mmdebstrap       mmdebstrap
demo,test        gpgv             gpgv
demo,test        qemu-system-x86_64  qemu-system-x86 seabios
boots            /usr/share/qemu/firmware/60-edk2-x86_64.json  ovmf
boots            /usr/lib/grub/x86_64-efi/normal.mod  grub-efi-amd64-bin
boots            grub-mkimage     grub-common
demo,test,bench  git              git
demo,test,bench  make             make
test             dumpe2fs         e2fsprogs
torture          sqlite3          sqlite3
torture          pgbench          postgresql
test             sgdisk           gdisk
test             parted           parted
test             mkfs.xfs         xfsprogs
test             mkfs.btrfs       btrfs-progs
test             mkfs.vfat        dosfstools
test             mcopy            mtools
test             mkfs.ntfs        ntfs-3g
test             python3          python3
test             mkfs.exfat       exfatprogs
test             mkfs.f2fs        f2fs-tools
test             lvcreate         lvm2
test             mdadm            mdadm
test             cryptsetup       cryptsetup-bin
test             systemctl        systemd
test             mount.exfat-fuse exfat-fuse
test             partclone.ntfs   partclone
test             mksquashfs       squashfs-tools
test             mkfs.erofs       erofs-utils
test             xorriso          xorriso
test             genisoimage      genisoimage
test             isohybrid        syslinux-utils isolinux syslinux-common
test             setfattr         attr
test             grub-emu         grub-emu
test             grub-fstest      grub-common
test             grub-mkimage     grub-common grub-pc-bin
test             script           bsdutils
test             unshare          util-linux
test             mkinitramfs      initramfs-tools-core
test             dracut           dracut-core
test             modprobe         kmod
test             dpkg-deb         dpkg
test             rpmbuild         rpm
test             sqlite3          sqlite3
test             db_load          db-util
test             vhdiinfo         libvhdi-utils
test             vmdkinfo         libvmdk-utils
test             qcowinfo         libqcow-utils
test             7z               p7zip-full 7zip
test             rsync            rsync
test             rclone           rclone
test             aws              awscli
dist             nfpm             go:github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
dist             cyclonedx-gomod  go:github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
dist             lintian          lintian
dist             mmdebstrap       mmdebstrap
dist             mkfs.ext4        e2fsprogs
dist             sfdisk           fdisk
dist             qemu-system-x86_64  qemu-system-x86 seabios
dist             rpm              rpm
dist             git              git
dist             jq               jq
test             versitygw        go:github.com/versity/versitygw/cmd/versitygw@v1.8.0
test             man              man-db
test             pgrep            procps
test             zsh              zsh
test             fish             fish
test             nbdkit           nbdkit
test             nbdfuse          libnbd-bin nbdfuse
test             file             file
test             jq               jq
test             unshare          util-linux
test             setpriv          util-linux
test             ip               iproute2
test             fsfreeze         util-linux
test             cpio             cpio
test             ssh-keygen       openssh-client
test             sudo             sudo
test             xz               xz-utils
test             lz4              lz4
test             zstd             zstd
test             gzip             gzip
test             tar              tar
test             sha256sum        coreutils
test             bzip2            bzip2
test             lzop             lzop
test             fallocate        util-linux
test             fstrim           util-linux
test             ionice           util-linux
fleet            ansible-playbook ansible-core
fleet            ansible-lint     ansible-lint
fleet            sshd             openssh-server
fleet            ssh              openssh-client
fleet            ip               iproute2
fleet            nsenter          util-linux
fleet            useradd          passwd
fleet            fusermount       fuse3
bench            time             time
bench            xmount           xmount
bench,torture    fio              fio
lint             git              git
lint             make             make
lint             shellcheck       shellcheck
docs             /usr/lib/python3/dist-packages/sphinx      python3-sphinx
docs             /usr/lib/python3/dist-packages/myst_parser python3-myst-parser
docs             /usr/lib/python3/dist-packages/furo        furo
look             chromium         chromium chromium-browser
look             fc-list          fontconfig fonts-noto-cjk
ROWS
}

groups=" ${*:-demo test} "
wanted() { # wanted demo,test: is one of them asked for?
    local g
    for g in ${1//,/ }; do
        [[ $groups == *" $g "* ]] && return 0
    done
    return 1
}

# The sbin folders are not in every user's path.
export PATH="$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin:$PWD/build/bin"

missing() { # prints "program packages..." of each missing program
    local on program packages
    while read -r on program packages; do
        wanted "$on" || continue
        # `time` is a word of the shell, too: only a file counts.
        type -P "$program" >/dev/null || [ -e "$program" ] || echo "$program $packages"
    done < <(rows)
}

todo=$(missing)
[ -n "$todo" ] || exit 0

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quiet() { # the output counts only where it failed
    "$@" </dev/null >"$log" 2>&1 || { cat "$log" >&2; echo "install.sh: failed: $*" >&2; return 1; }
}

sudo=
apt() {
    $sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@"
}
known() { # is there such a package with something to install?
    [ -n "$(apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" {print $2}')" ]
}
# A container's image comes without package lists; old lists name files that are gone.
refresh() { quiet apt update; }

pick() {
    local program packages p
    while read -r program packages; do
        for p in $packages; do
            [[ $p == go:* ]] || ! known "$p" || echo "$p"
        done
    done <<<"$todo" | sort -u
}
from_packages() {
    local packages
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "install.sh: needs root (or sudo) to install: $todo" >&2; exit 1; }
        sudo=sudo
    fi
    if ! { known fdisk && known e2fsprogs && known qemu-utils; }; then
        refresh
    fi
    mapfile -t packages < <(pick)
    [ "${#packages[@]}" -gt 0 ] || return 0
    echo "install.sh: apt-get install ${packages[*]}" >&2
    quiet apt install -y --no-install-recommends "${packages[@]}" || {
        refresh
        quiet apt install -y --no-install-recommends "${packages[@]}"
    }
}
from_modules() {
    local program package
    while read -r program package; do
        [[ $package == go:* ]] || continue
        echo "install.sh: go install ${package#go:} (minutes, the first time)" >&2
        mkdir -p build/bin
        quiet env GOBIN="$PWD/build/bin" GOFLAGS='' CGO_ENABLED=0 go install "${package#go:}"
    done <<<"$todo"
}

! grep -qv ' go:' <<<"$todo" || from_packages
from_modules

todo=$(missing)
if [ -n "$todo" ]; then
    echo "install.sh: no package of this release brings: $(awk '{print $1}' <<<"$todo" | tr '\n' ' '); what needs them fails" >&2
    exit 1
fi
