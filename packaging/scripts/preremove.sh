#!/bin/sh
# Before removing (deb: remove; rpm: 0; apk calls it for nothing else): ends every migimg
# mount. One that is in use stays, and so does the package: an upload is worth more than
# a tidy disk. An upgrade leaves mounts alone; they go on with the program they have.
set -e
case "${1:-}" in
upgrade | failed-upgrade | deconfigure | [1-9]) exit 0 ;;
esac
[ -r /proc/self/mounts ] || exit 0

while read -r _ point type _; do
    [ "$type" = fuse.migimg ] || continue
    point=$(printf %b "$point") # \040 is a space
    # Into a mount in use nobody looks by accident: this is an error that is shown.
    if ! migimg umount "$point"; then
        echo "migimg is not removed: $point is mounted (fuser -vm $point); end what uses it, or take it away with umount -l $point" >&2
        exit 1
    fi
done </proc/self/mounts

# What is only starting, or has failed, has no mount.
if [ -d /run/systemd/system ]; then
    systemctl stop 'migimg@*.service' || true
    systemctl reset-failed 'migimg@*.service' 2>/dev/null || true
fi
