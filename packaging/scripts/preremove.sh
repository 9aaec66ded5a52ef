#!/bin/sh
# Before removing (deb: remove; rpm: 0; apk calls it for nothing else): ends every migimg
# mount. One that is in use stays, and so does the package: an upload is worth more than
# a tidy disk. An upgrade leaves mounts alone; they go on with the program they have.
set -e
case "${1:-}" in
upgrade | failed-upgrade | deconfigure | [1-9]) exit 0 ;;
esac
# In a chroot, an image that is being built for example, the mounts are other people's.
[ "$(stat -Lc %d:%i /proc/1/root/. 2>/dev/null)" = "$(stat -Lc %d:%i /)" ] || exit 0

# rpm may give its scripts mounts of their own: copies, which keep alive what is unmounted.
copies=
[ "$(readlink /proc/self/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" ] || copies=yes

while read -r _ point type _; do
    [ "$type" = fuse.migimg ] || continue
    point=$(printf %b "$point") # \040 is a space
    [ -z "$copies" ] || umount -l "$point" 2>/dev/null || true
    if ! nsenter -t 1 -m -r migimg umount "$point"; then
        echo "migimg is not removed: $point is mounted (fuser -vm $point); end what uses it, or take it away with umount -l $point" >&2
        exit 1
    fi
done </proc/1/mounts

# What is only starting, or has failed, has no mount.
if [ -d /run/systemd/system ]; then
    systemctl stop 'migimg@*.service' || true
    systemctl reset-failed 'migimg@*.service' 2>/dev/null || true
fi
