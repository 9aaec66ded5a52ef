# SPDX-License-Identifier: Apache-2.0
"""The export of one disk: from the look into the storage to the receipt."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import calendar
import json
import os
import re
import time

from ansible_collections.migimg.migimg.plugins.module_utils.host import Failure, Lock, remove
from ansible_collections.migimg.migimg.plugins.module_utils.mount import Mount
from ansible_collections.migimg.migimg.plugins.module_utils.store import Store

# What is in a folder HOST of the storage: T0-DISK-PLAN, of which there is an image
# (NAME.qcow2), NAME.manifest.json, NAME.preflight.json, and last NAME.export.json, the
# receipt. Names sort by time; PLAN is the beginning of the plan digest.
NAME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)-(.+)-([0-9a-f]{12})\.(.+)$")
RECEIPT = "export.json"
BESIDE = ("manifest.json", "preflight.json", RECEIPT)
EXACT = ("offline", "frozen")  # the consistencies of which two reads agree


class Export(object):
    def __init__(self, params):
        self.p = params
        self.host, self.disk = params["host"], params["disk"] or os.path.basename(params["device"])
        for what, name in (("host", self.host), ("disk", self.disk)):
            if not re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", name):
                raise Failure("%s: a %s's name in the storage is of letters, digits, dots, dashes and underscores" % (name, what))
        self.work = os.path.normpath(params["work_dir"])
        environment = dict(params["environment"], **params["secrets"])
        self.store = Store(
            params["rclone"], "%s/%s" % (params["remote"].rstrip("/"), self.host), os.path.join(self.work, "home"),
            dict((k, str(v)) for k, v in environment.items()), params["rclone_options"],
        )
        # An export that was asked for otherwise is another one.
        self.request = dict((k, params[k]) for k in ("device", "image", "targets", "mount_options"))

    def run(self, check_mode):
        self._look()
        result = self._fresh()
        if result is None and check_mode:
            result = {"changed": True, "action": "undecided"}
        if result is None:
            with Lock(self.work, self.p["wait"]):
                try:
                    # Another run may have had the lock, and been killed or not.
                    result = self._alone()
                finally:
                    remove(self.work, self.p["program"])
        return dict({"unfinished": self.unfinished, "ended": []}, **result)

    def _look(self):
        """Finds out what the storage has of this disk."""
        self.sizes = self.store.list()
        mine = [(m.group(1), m.group(3), m.group(4), name) for name, m in ((n, NAME.match(n)) for n in self.sizes) if m and m.group(2) == self.disk]
        done = set((t0, plan) for t0, plan, ending, unused in mine if ending == RECEIPT)
        self.done = sorted(done, reverse=True)
        self.unfinished = sorted(name for t0, plan, ending, name in mine if ending not in BESIDE and (t0, plan) not in done)

    def _name(self, t0, plan, ending):
        return "%s-%s-%s.%s" % (t0, self.disk, plan[:12], ending)

    def _receipt(self, t0, plan):
        """The receipt of an export, if it is of what is wanted and its image is there as it was sent."""
        name = self._name(t0, plan, RECEIPT)
        try:
            r = json.loads(self.store.read(name).decode("utf-8"))
            same = r["request"] == self.request and self.sizes.get(r["image"]) == r["size"] and r["manifest"] in self.sizes
        except (ValueError, KeyError, TypeError) as e:
            raise Failure("%s is no receipt of an export (%s): remove it" % (self.store.path(name), e))
        return r if same else None

    def _fresh(self):
        for t0, plan in self.done[:1]:
            age = time.time() - calendar.timegm(time.strptime(t0, "%Y-%m-%dT%H-%M-%SZ"))
            r = self._receipt(t0, plan) if age < self.p["fresh"] else None
            if r:
                return {"changed": False, "action": "fresh", "export": r}
        return None

    def _alone(self):
        self._look()
        result = self._fresh()
        if result:
            return result
        ended = []
        for name in ("mnt", "store", "home"):
            ended += remove(os.path.join(self.work, name), self.p["program"])
            os.mkdir(os.path.join(self.work, name), 0o700)
        # Nobody else sends objects of such names, for we have the lock.
        self.store.forget_parts("2")
        options = list(self.p["mount_options"])
        if self.p["targets"]:
            options += ["--target", ",".join(self.p["targets"])]
        if self.p["digest"]:
            options.append("--digest")
        with Mount(self.p["program"], self.p["device"], os.path.join(self.work, "mnt"), options) as m:
            return dict(self._export(m), ended=ended)

    def _export(self, m):
        f = m.image(self.p["image"], self.p["targets"])
        preflight = m.read("preflight.json")
        verdict = json.loads(preflight.decode("utf-8"))["summary"]["verdict"]
        if verdict == "blocked" and self.p["targets"] and self.p["blocked"] == "skip":
            return {"changed": False, "action": "blocked"}
        r = self._unchanged(m, f)
        if r:
            return {"changed": False, "action": "unchanged", "export": r}

        exact = m.consistency["level"] in EXACT
        how = self.p["verify"]
        if how == "checksum" and not exact:
            how = "sample"
        plan = f["plan_digest"]
        receipt = {
            "host": self.host, "disk": self.disk, "device": self.p["device"], "t0": m.t0, "consistency": m.consistency,
            "preflight": self._name(m.stamp, plan, "preflight.json"), "verdict": verdict, "manifest": self._name(m.stamp, plan, "manifest.json"),
            "image": self._name(m.stamp, plan, os.path.basename(f["path"]).partition(".")[2]), "format": f["format"],
            "size": f["size"], "virtual_size": f["virtual_size"], "plan_digest": plan, "request": self.request, "migimg": m.version,
        }
        if self.p["digest"] and exact:
            receipt["sha256"] = m.sha256(f)  # rclone takes it along as an attribute of the image
        self.store.upload(
            m.path(f["path"]), receipt["image"], {"migimg.t0": m.t0, "migimg.host": self.host, "migimg.disk": self.disk},
            how == "checksum", self.p["bwlimit"],
        )
        self.store.write(receipt["preflight"], preflight)
        self.store.write(receipt["manifest"], m.manifest())
        arrived = self.store.list().get(receipt["image"])
        if arrived != f["size"]:
            raise Failure("%s has %s bytes in the storage, and %d here" % (receipt["image"], arrived, f["size"]))
        receipt["verified"] = self._verify(m, f, receipt, how, exact)
        receipt["drift"] = m.drift()
        receipt["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.store.write(self._name(m.stamp, plan, RECEIPT), json.dumps(receipt, indent=2, sort_keys=True).encode("utf-8"))
        return {"changed": True, "action": "exported", "export": receipt}

    def _unchanged(self, m, f):
        """The newest export of the same plan. The plan says where bytes lie, not which
        they are: those are compared with its manifest."""
        for t0, plan in self.done:
            if not f["plan_digest"].startswith(plan):
                continue
            r = self._receipt(t0, plan)
            if not r or r["plan_digest"] != f["plan_digest"] or r["size"] != f["size"]:
                continue
            if self.p["compare"]:
                v = m.verify(m.path(f["path"]), self.store.read(r["manifest"]))
                if v["verdict"] != "pass" or v["proven_bytes"] != v["of_bytes"]:
                    continue
            return r
        return None

    def _verify(self, m, f, receipt, how, exact):
        if how == "none":
            return {"how": how}
        if how == "checksum":
            here, there = self.store.md5(m.path(f["path"])), self.store.md5(self.store.path(receipt["image"]))
            if here != there:
                raise Failure("%s has the MD5 %s in the storage, and %s here" % (receipt["image"], there, here))
            return {"how": how, "verdict": "pass", "md5": there}
        with self.store.mounted(os.path.join(self.work, "store")) as shown:
            with open(os.path.join(shown, receipt["manifest"]), "rb") as g:
                manifest = g.read()
            v = m.verify(os.path.join(shown, receipt["image"]), manifest, [] if how == "full" else ["--sample", self.p["sample"]])
        # What was written to between two reads of a running server's disk is unknown, and no fault.
        if v["verdict"] != "pass" and (exact or v["verdict"] != "unknown"):
            raise Failure("%s: what arrived is not what was sent: %s: %s" % (receipt["image"], v["verdict"], json.dumps(v)))
        return dict(v, how=how)
