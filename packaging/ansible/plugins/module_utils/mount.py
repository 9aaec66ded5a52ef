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
    """Disks of one moment, mounted for as long as the block lasts."""

    def __init__(self, program, devices, point, options):
        self.program, self.devices, self.point, self.options = program, devices, point, options

    def __enter__(self):
        run([self.program, "mount"] + self.options + self.devices + [self.point])
        try:
            status = json.loads(self.read(".migimg/status.json").decode("utf-8"))
            self.t0, self.version, self.consistency = (status[k] for k in ("t0", "version", "consistency"))
            self.stamp = stamp(self.t0)
            # A disk alone has no folder; of several, each has one, in the order of the arguments.
            folders = [d["folder"] for d in status.get("disks") or [{"folder": ""}]]
            if len(folders) != len(self.devices):
                raise Failure("%s: %d disks are mounted of %d" % (", ".join(self.devices), len(folders), len(self.devices)))
            self.disks = [Mounted(self, device, folder, status["files"]) for device, folder in zip(self.devices, folders)]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        run([self.program, "umount", self.point])

    def read(self, name):
        with open(os.path.join(self.point, name), "rb") as f:
            return f.read()

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


class Mounted(object):
    """One of the disks in a mount. Its files are named as they are in a mount of the disk alone."""

    def __init__(self, mount, device, folder, files):
        self.mount, self.device, self.folder, self.files = mount, device, folder, {}
        for f in files:
            name = f["path"].split("/")
            at = 2 if name[0] == "targets" else 0  # targets/NAME/FOLDER/..., else FOLDER/...
            if folder and name[at] == folder:
                del name[at]
            elif folder:
                continue
            self.files["/".join(name)] = f

    def path(self, f):
        return os.path.join(self.mount.point, f["path"])

    def image(self, name, targets):
        """The file of that name; without one what the only target takes, else disk.qcow2."""
        folder = "targets/%s/" % targets[0] if len(targets) == 1 else None
        found = [n for n in self.files if n == name or not name and folder and n.startswith(folder)]
        if not name and not found:
            found = [n for n in self.files if n == "disk.qcow2"]
        if len(found) != 1:
            raise Failure("name one image: %s has %s" % (self.device, ", ".join(sorted(self.files)) or "none"))
        return self.files[found[0]]

    def manifest(self):
        return run([self.mount.program, "manifest", os.path.join(self.mount.point, self.folder)])[1]

    def sha256(self, f):
        return json.loads(run([self.mount.program, "digest", "--format", "json", self.path(f)])[1].decode("utf-8"))[0]["sha256"]

    def drift(self):
        return json.loads(self.mount.read(os.path.join(self.folder, ".migimg/status.json")).decode("utf-8"))["drift"]
