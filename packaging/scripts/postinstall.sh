#!/bin/sh
# After installing or upgrading (deb, rpm, apk): systemd learns of the unit. Mounts that
# there are go on as they are.
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
