# SPDX-License-Identifier: Apache-2.0
"""The export of one disk of a mount, and what the storage has of it."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import re
import time

from ansible_collections.migimg.migimg.plugins.module_utils.host import Failure

# What is in a folder HOST of the storage: T0-DISK-PLAN, of which there is an image
# (NAME.qcow2), NAME.manifest.json, NAME.preflight.json, and last NAME.export.json, the
# receipt. Names sort by time; PLAN is the beginning of the plan digest.
NAME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)-(.+)-([0-9a-f]{12})\.(.+)$")
RECEIPT = "export.json"
BESIDE = ("manifest.json", "preflight.json", RECEIPT)
EXACT = ("offline", "frozen")  # the consistencies of which two reads agree


def check_name(what, name):
    if not re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", name):
        raise Failure("%s: a %s's name in the storage is of letters, digits, dots, dashes and underscores" % (name, what))


class Disk(object):
    def __init__(self, params, disk, store):
        self.p, self.store, self.device = params, store, disk["device"]
        self.name = disk["name"] or os.path.basename(self.device)
        check_name("disk", self.name)
        self.image = disk["image"] or params["image"]
        targets = params["targets"] if disk["targets"] is None else disk["targets"]
        options = params["mount_options"] + disk["mount_options"]
        # What disks have alike that are mounted together.
        self.together = (targets, options)
        # An export that was asked for otherwise is another one.
        self.request = {"device": self.device, "image": self.image, "targets": targets, "mount_options": options}

    def look(self, sizes):
        """Finds what a list of the storage's files has of this disk."""
        self.sizes = sizes
        mine = [(m.group(1), m.group(3), m.group(4), name) for name, m in ((n, NAME.match(n)) for n in sizes) if m and m.group(2) == self.name]
        done = set((t0, plan) for t0, plan, ending, unused in mine if ending == RECEIPT)
        self.done = sorted(done, reverse=True)
        self.unfinished = sorted(name for t0, plan, ending, name in mine if ending not in BESIDE and (t0, plan) not in done)

    def result(self, action, export=None):
        r = {"device": self.device, "name": self.name, "action": action, "changed": action in ("exported", "undecided"), "unfinished": self.unfinished}
        if export:
            r["export"] = export
        return r

    def _name(self, t0, plan, ending):
        return "%s-%s-%s.%s" % (t0, self.name, plan[:12], ending)

    def image_name(self, t0, f):
        """What a file of the mount is called in the storage."""
        return self._name(t0, f["plan_digest"], os.path.basename(f["path"]).partition(".")[2])

    def receipt(self, t0, plan):
        """The receipt of an export, if it is of what is wanted and its image is there as it was sent."""
        name = self._name(t0, plan, RECEIPT)
        try:
            r = json.loads(self.store.read(name).decode("utf-8"))
            same = r["request"] == self.request and self.sizes.get(r["image"]) == r["size"] and r["manifest"] in self.sizes and r["machine"]
        except (ValueError, KeyError, TypeError) as e:
            raise Failure("%s is no receipt of an export (%s): remove it" % (self.store.path(name), e))
        return r if same else None

    def receipt_of(self, image):
        """The same, by the image's name; None as well where its export was never finished."""
        m = NAME.match(image)
        if not m or (m.group(1), m.group(3)) not in self.done:
            return None
        return self.receipt(m.group(1), m.group(3))

    def unchanged(self, x, f):
        """The newest export of the same plan. The plan says where bytes lie, not which
        they are: those are compared with its manifest."""
        for t0, plan in self.done:
            if not f["plan_digest"].startswith(plan):
                continue
            r = self.receipt(t0, plan)
            if not r or r["plan_digest"] != f["plan_digest"] or r["size"] != f["size"]:
                continue
            if self.p["compare"]:
                v = x.mount.verify(x.path(f), self.store.read(r["manifest"]))
                if v["verdict"] != "pass" or v["proven_bytes"] != v["of_bytes"]:
                    continue
            return r
        return None

    def export(self, x, f, preflight, verdict, machine):
        """Sends a file of the mounted disk x; machine are the images of this moment, of all disks."""
        m, plan = x.mount, f["plan_digest"]
        exact = m.consistency["level"] in EXACT
        how = self.p["verify"]
        if how == "checksum" and not exact:
            how = "sample"
        receipt = {
            "host": self.p["host"], "disk": self.name, "device": self.device, "t0": m.t0, "consistency": m.consistency, "machine": machine,
            "preflight": self._name(m.stamp, plan, "preflight.json"), "verdict": verdict, "manifest": self._name(m.stamp, plan, "manifest.json"),
            "image": self.image_name(m.stamp, f), "format": f["format"],
            "size": f["size"], "virtual_size": f["virtual_size"], "plan_digest": plan, "request": self.request, "migimg": m.version,
        }
        if self.p["digest"] and exact:
            receipt["sha256"] = x.sha256(f)  # rclone takes it along as an attribute of the image
        self.store.upload(
            x.path(f), receipt["image"], {"migimg.t0": m.t0, "migimg.host": self.p["host"], "migimg.disk": self.name},
            how == "checksum", self.p["bwlimit"],
        )
        self.store.write(receipt["preflight"], preflight)
        self.store.write(receipt["manifest"], x.manifest())
        arrived = self.store.list().get(receipt["image"])
        if arrived != f["size"]:
            raise Failure("%s has %s bytes in the storage, and %d here" % (receipt["image"], arrived, f["size"]))
        receipt["verified"] = self._verify(x, f, receipt, how, exact)
        receipt["drift"] = x.drift()
        receipt["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.store.write(self._name(m.stamp, plan, RECEIPT), json.dumps(receipt, indent=2, sort_keys=True).encode("utf-8"))
        return self.result("exported", receipt)

    def _verify(self, x, f, receipt, how, exact):
        if how == "none":
            return {"how": how}
        if how == "checksum":
            here, there = self.store.md5(x.path(f)), self.store.md5(self.store.path(receipt["image"]))
            if here != there:
                raise Failure("%s has the MD5 %s in the storage, and %s here" % (receipt["image"], there, here))
            return {"how": how, "verdict": "pass", "md5": there}
        with self.store.mounted(os.path.join(os.path.dirname(x.mount.point), "store")) as shown:
            with open(os.path.join(shown, receipt["manifest"]), "rb") as g:
                manifest = g.read()
            v = x.mount.verify(os.path.join(shown, receipt["image"]), manifest, [] if how == "full" else ["--sample", self.p["sample"]])
        # What was written to between two reads of a running server's disk is unknown, and no fault.
        if v["verdict"] != "pass" and (exact or v["verdict"] != "unknown"):
            raise Failure("%s: what arrived is not what was sent: %s: %s" % (receipt["image"], v["verdict"], json.dumps(v)))
        return dict(v, how=how)
