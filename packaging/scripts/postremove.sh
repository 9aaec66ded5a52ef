#!/bin/sh
# After removing (deb: remove, then purge; rpm: 0; apk): nothing is left. Which units
# were enabled is configuration, which a deb keeps until it is purged.
set -e
case "${1:-}" in
upgrade | failed-upgrade | abort-install | abort-upgrade | disappear | [1-9]) exit 0 ;;
esac
if [ "${1:-}" != remove ]; then
    rm -f /etc/systemd/system/*.wants/migimg@*.service
fi
if [ -L /sbin/mount.migimg ] && [ ! -e /sbin/mount.migimg ]; then
    rm /sbin/mount.migimg # the script after installing has made it
fi
if [ -d /run/migimg ]; then
    rmdir /run/migimg 2>/dev/null || true # not empty: somebody's own
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
