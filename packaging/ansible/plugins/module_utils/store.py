# SPDX-License-Identifier: Apache-2.0
"""An object storage, by rclone."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import json
import os
import subprocess
import time

from ansible_collections.migimg.migimg.plugins.module_utils.host import Failure, end, run


class Store(object):
    """A folder in an object storage. What rclone has to know, keys too, is in its
    environment alone: neither in arguments nor in a file."""

    def __init__(self, rclone, folder, home, environment, options):
        self.rclone, self.folder, self.options = rclone, folder, options
        # Nothing of the host's own counts, nor is anything written outside of home.
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C.UTF-8",
            "HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home, "RCLONE_CONFIG": "/dev/null",
            # The bucket is there; asking for it, or making it, needs more rights.
            "RCLONE_S3_NO_CHECK_BUCKET": "true",
        }
        self.env.update(environment)

    def _run(self, command, *arguments, **more):
        return run([self.rclone, command] + self.options + list(arguments), env=self.env, **more)[1]

    def path(self, name):
        return "%s/%s" % (self.folder, name)

    def list(self):
        """The files in the folder: their sizes by name. A folder that is not there is empty."""
        out = self._run("lsjson", "--files-only", "--no-mimetype", "--no-modtime", self.folder)
        return dict((o["Name"], o["Size"]) for o in json.loads(out.decode("utf-8")))

    def read(self, name):
        return self._run("cat", self.path(name))

    def write(self, name, content):
        self._run("rcat", self.path(name), stdin=content)

    def upload(self, path, name, metadata, checksum, bwlimit):
        """Sends a file with its attributes user.* and further metadata."""
        arguments = ["--metadata"]  # without it, rclone 1.60 forgets those that are set as well
        for key in sorted(metadata):
            arguments += ["--metadata-set", "%s=%s" % (key, metadata[key])]
        if not checksum:
            arguments.append("--s3-disable-checksum")  # one that it takes by reading all of it before
        if bwlimit:
            arguments += ["--bwlimit", bwlimit]
        self._run("copyto", *(arguments + [path, self.path(name)]))

    def md5(self, path):
        """The MD5 of a local file, or of an object where the storage has it."""
        out = self._run("md5sum", path).decode("utf-8").split()
        if len(out) < 2 or len(out[0]) != 32:
            raise Failure("%s: the storage knows no MD5 of it" % path)
        return out[0]

    def _kind(self):
        """The kind of storage: of ":s3:bucket", or as RCLONE_CONFIG_NAME_TYPE says of "name:bucket"."""
        remote = self.folder.lstrip(":").partition(":")[0].partition(",")[0]
        if self.folder.startswith(":"):
            return remote
        return self.env.get("RCLONE_CONFIG_%s_TYPE" % remote.upper().replace("-", "_"))

    def forget_parts(self, names):
        """Removes what was sent of uploads that were killed, of objects whose names
        begin so. rclone takes the end of its path for the beginning of names, and
        drops a slash there: the folder host1 alone would mean host10's as well."""
        if self._kind() == "s3":
            self._run("backend", "cleanup", "-o", "max-age=1s", self.path(names))

    @contextlib.contextmanager
    def mounted(self, point):
        """The folder as files, read by ranges, at an empty directory."""
        argv = [self.rclone, "mount"] + self.options + ["--read-only", "--vfs-cache-mode", "off", self.folder, point]
        p = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            for unused in range(600):
                if p.poll() is not None:
                    raise Failure("rclone mount: %s" % p.stdout.read().decode("utf-8", "replace").strip())
                if os.path.ismount(point):
                    break
                time.sleep(0.05)
            else:
                raise Failure("rclone mount: nothing is mounted after 30 s")
            yield point
        finally:
            end(p)  # it unmounts
