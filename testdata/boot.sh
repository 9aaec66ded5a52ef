#!/bin/bash
# Boots a disk image in QEMU and watches its serial console for a marker.
#
#   testdata/boot.sh FORMAT IMAGE [MARKER]     (default marker: "login:")
#
# FORMAT is given, never guessed: raw, qcow2, vhd (vpc), vmdk ... The image is not
# written (-snapshot) and the guest has no network. Prints PASS or FAIL; exit
# code 0 or 1, 2 where it cannot be tried. On a failure the console's last lines
# are shown.
#
# BOOT_TIMEOUT seconds (default 600), BOOT_ACCEL tcg or kvm (default tcg: slower,
# and works in every container and nested guest), BOOT_MEMORY MiB (default 512),
# BOOT_BUS virtio, ide or scsi (default virtio), BOOT_CONSOLE a file that keeps
# the console's text.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: boot.sh FORMAT IMAGE [MARKER]" >&2; exit 2; }
format=$1 image=$2 marker=${3:-login:}
timeout=${BOOT_TIMEOUT:-600} accel=${BOOT_ACCEL:-tcg}
case $format in
vhd) format=vpc ;;
raw | qcow2 | vpc | vmdk | vdi | vhdx) ;;
*) echo "boot.sh: unknown format $format" >&2; exit 2 ;;
esac
command -v qemu-system-x86_64 >/dev/null || { echo "boot.sh: no qemu-system-x86_64: run testdata/install.sh" >&2; exit 2; }
[ -r "$image" ] || { echo "boot.sh: cannot read $image" >&2; exit 2; }

cpu=max
[ "$accel" != kvm ] || cpu=host
work=$(mktemp -d)
console=${BOOT_CONSOLE:-$work/console}
: >"$console"
qemu=
# shellcheck disable=SC2317,SC2329 # the trap calls it
finish() {
    [ -z "$qemu" ] || { kill "$qemu" 2>/dev/null && wait "$qemu" 2>/dev/null; } || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

start=$SECONDS
# The scratch file of -snapshot goes below TMPDIR. A comma in a name is doubled.
qemu-system-x86_64 -machine pc -accel "$accel" -cpu "$cpu" -m "${BOOT_MEMORY:-512}" \
    -display none -vga none -nic none -no-reboot -monitor none -parallel none \
    -serial "file:$console" -snapshot \
    -drive "file=${image//,/,,},format=$format,if=${BOOT_BUS:-virtio}" \
    </dev/null 2>"$work/stderr" &
qemu=$!

found() { grep -aqF -- "$marker" "$console"; }
verdict="no \"$marker\" within $timeout s"
while [ $((SECONDS - start)) -lt "$timeout" ]; do
    if found; then
        echo "PASS: $image ($format) reached \"$marker\" after $((SECONDS - start)) s"
        exit 0
    fi
    if ! kill -0 "$qemu" 2>/dev/null; then
        found && continue # it said so and went, between our two looks
        verdict="the guest ended without \"$marker\""
        break
    fi
    sleep 0.5
done
echo "FAIL: $image ($format): $verdict"
{
    echo "--- QEMU says:"
    cat "$work/stderr"
    echo "--- the console's last lines:"
    tail -n 25 "$console"
} >&2
exit 1
