# SPDX-License-Identifier: Apache-2.0
"""The export of a machine: disks that are mounted together, and so have one T0."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import calendar
import json
import os
import time

from ansible_collections.migimg.migimg.plugins.module_utils.disk import Disk, check_name
from ansible_collections.migimg.migimg.plugins.module_utils.host import Failure, Lock, remove
from ansible_collections.migimg.migimg.plugins.module_utils.mount import Mount
from ansible_collections.migimg.migimg.plugins.module_utils.store import Store


def machines(params):
    """The disks that can be mounted together: those that are judged for the same targets
    and have the same options, in the order in which they were given."""
    check_name("host", params["host"])
    work = os.path.normpath(params["work_dir"])
    environment = dict(params["environment"], **params["secrets"])
    store = Store(
        params["rclone"], "%s/%s" % (params["remote"].rstrip("/"), params["host"]), os.path.join(work, "home"),
        dict((k, str(v)) for k, v in environment.items()), params["rclone_options"],
    )
    names, found = set(), []
    for one in params["disks"]:
        disk = Disk(params, one, store)
        if disk.name in names:
            raise Failure("two disks are called %s: give them names of their own" % disk.name)
        names.add(disk.name)
        for m in found:
            if m.disks[0].together == disk.together:
                m.disks.append(disk)
                break
        else:
            found.append(Machine(params, disk, store, work))
    return found


class Machine(object):
    def __init__(self, params, first, store, work):
        self.p, self.disks, self.store, self.work = params, [first], store, work

    def run(self, check_mode):
        """What was done with each disk, and what an earlier run had left on the host."""
        try:
            return self._run(check_mode)
        except Failure as e:
            raise Failure("%s: %s" % (", ".join(d.device for d in self.disks), e))

    def _run(self, check_mode):
        self._look()
        results, ended = self._fresh(), []
        if results is None and check_mode:
            results = [d.result("undecided") for d in self.disks]
        if results is None:
            with Lock(self.work, self.p["wait"]):
                try:
                    # Another run may have had the lock, and been killed or not.
                    results, ended = self._alone()
                finally:
                    remove(self.work, self.p["program"])
        return results, ended

    def _look(self):
        sizes = self.store.list()
        for d in self.disks:
            d.look(sizes)

    def _fresh(self):
        """The newest exports, if they are young enough, are there of all disks, and belong
        together. What a run that died has left would be of two moments with the rest."""
        newest = sorted((d.done[0] + (n,) for n, d in enumerate(self.disks) if d.done), reverse=True)
        for t0, plan, n in newest[:1]:
            age = time.time() - calendar.timegm(time.strptime(t0, "%Y-%m-%dT%H-%M-%SZ"))
            r = self.disks[n].receipt(t0, plan) if age < self.p["fresh"] else None
            if not r or set(r["machine"]) != set(d.name for d in self.disks):
                return None
            found = [r if d is self.disks[n] else d.receipt_of(r["machine"][d.name]) for d in self.disks]
            if all(found):
                return [d.result("fresh", x) for d, x in zip(self.disks, found)]
        return None

    def _alone(self):
        self._look()
        results, ended = self._fresh(), []
        if results:
            return results, ended
        for name in ("mnt", "store", "home"):
            ended += remove(os.path.join(self.work, name), self.p["program"])
            os.mkdir(os.path.join(self.work, name), 0o700)
        # Nobody else sends objects of such names, for we have the lock.
        self.store.forget_parts("2")
        targets, options = self.disks[0].together
        options = list(options)
        if targets:
            options += ["--target", ",".join(targets)]
        if self.p["digest"]:
            options.append("--digest")
        with Mount(self.p["program"], [d.device for d in self.disks], os.path.join(self.work, "mnt"), options) as m:
            return self._export(m, targets), ended

    def _export(self, m, targets):
        preflight = m.read("preflight.json")
        verdict = json.loads(preflight.decode("utf-8"))["summary"]["verdict"]
        if verdict == "blocked" and targets and self.p["blocked"] == "skip":
            return [d.result("blocked") for d in self.disks]
        there = []
        for d, x in zip(self.disks, m.disks):
            f = x.image(d.image, targets)
            there.append((d, x, f, d.unchanged(x, f)))
        # Bytes that are those of an older export are this moment's as well.
        machine = dict((d.name, r["image"] if r else d.image_name(m.stamp, f)) for d, x, f, r in there)
        return [d.result("unchanged", r) if r else d.export(x, f, preflight, verdict, machine) for d, x, f, r in there]
