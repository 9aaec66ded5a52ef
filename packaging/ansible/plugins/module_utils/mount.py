# SPDX-License-Identifier: Apache-2.0
"""A migimg mount."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import calendar
import json
import os
import re
import time

from ansible_collections.migimg.migimg.plugins.module_utils.host import Failure, run


def stamp(t0):
    """A moment of RFC 3339, as names in the storage have it: in UTC, in whole seconds."""
    m = re.match(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$", t0)
    if not m:
        raise Failure("%s is no time" % t0)
    seconds = calendar.timegm(time.strptime(m.group(1), "%Y-%m-%dT%H:%M:%S"))
    if m.group(2):
        ahead = int(m.group(3)) * 3600 + int(m.group(4)) * 60
        seconds -= ahead if m.group(2) == "+" else -ahead
    return time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(seconds))


class Mount(object):
    """A disk, mounted for as long as the block lasts."""

    def __init__(self, program, device, point, options):
        self.program, self.device, self.point, self.options = program, device, point, options

    def __enter__(self):
        run([self.program, "mount"] + self.options + [self.device, self.point])
        try:
            status = self._status()
            self.t0, self.version, self.consistency, self.files = (status[k] for k in ("t0", "version", "consistency", "files"))
            self.stamp = stamp(self.t0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        run([self.program, "umount", self.point])

    def path(self, name):
        return os.path.join(self.point, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def _status(self):
        return json.loads(self.read(".migimg/status.json").decode("utf-8"))

    def image(self, path, targets):
        """The file with that path; without one what the only target takes, else disk.qcow2."""
        folder = "targets/%s/" % targets[0] if len(targets) == 1 else None
        found = [f for f in self.files if f["path"] == path or not path and folder and f["path"].startswith(folder)]
        if not path and not found:
            found = [f for f in self.files if f["path"] == "disk.qcow2"]
        if len(found) != 1:
            raise Failure("name one image: %s has %s" % (self.device, ", ".join(f["path"] for f in self.files) or "none"))
        return found[0]

    def manifest(self):
        return run([self.program, "manifest", self.point])[1]

    def sha256(self, f):
        return json.loads(run([self.program, "digest", "--format", "json", self.path(f["path"])])[1].decode("utf-8"))[0]["sha256"]

    def drift(self):
        return self._status()["drift"]

    def verify(self, path, manifest, options=()):
        """What migimg verify says of a file, with a manifest: the verdict, the aspects that
        did not pass, and how much is proven."""
        keep = os.path.join(os.path.dirname(self.point), "manifest.json")
        try:
            with open(keep, "wb") as f:
                f.write(manifest)
            out = run([self.program, "verify", "--format", "json", "--manifest", keep] + list(options) + [path], ok=(0, 2, 4))[1]
        finally:
            os.remove(keep)
        image = json.loads(out.decode("utf-8"))["images"][0]
        proven = image.get("proven") or {}
        return {
            "verdict": image["verdict"], "proven_bytes": proven.get("bytes", 0), "of_bytes": proven.get("of", 0),
            "aspects": dict((a["name"], "%s: %s" % (a["status"], a.get("summary", ""))) for a in image["aspects"] if a["status"] != "pass"),
        }
