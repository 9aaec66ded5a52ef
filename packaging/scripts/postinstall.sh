#!/bin/sh
# After installing or upgrading (deb, rpm, apk): systemd learns of the unit. Mounts that
# there are go on as they are.
set -e
# mount(8) looks in /sbin, which on old systems is another folder than that of the package.
if [ -e /usr/sbin/mount.migimg ] && [ "$(readlink -f /sbin)" != "$(readlink -f /usr/sbin)" ]; then
    ln -sf /usr/bin/migimg /sbin/mount.migimg
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
