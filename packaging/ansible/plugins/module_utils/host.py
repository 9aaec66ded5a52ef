# SPDX-License-Identifier: Apache-2.0
"""What the modules do on a host: run programs, find what was left, end mounts."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import time


class Failure(Exception):
    """What went wrong, where, and what to do about it."""


def end_by_signal():
    """Signals end the program as errors do: what was begun is undone on the way out."""

    def leave(number, frame):
        for n in numbers:
            signal.signal(n, signal.SIG_IGN)  # undoing is not disturbed
        raise Failure("ended by signal %d" % number)

    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        signal.signal(number, leave)


def run(argv, env=None, stdin=None, ok=(0,)):
    """Runs a program that ends with us; returns its exit code and its output, as bytes."""
    try:
        p = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as e:
        raise Failure("%s: %s" % (argv[0], e.strerror))
    try:
        out, err = p.communicate(stdin)
    finally:
        end(p)
    if p.returncode not in ok:
        lines = err.decode("utf-8", "replace").strip().splitlines()[-6:]
        raise Failure("%s: exit code %d: %s" % (" ".join(argv[:2]), p.returncode, "\n".join(lines)))
    return p.returncode, out


def end(p):
    """Ends a child, by force after ten seconds."""
    if p.poll() is None:
        p.terminate()
        for unused in range(200):
            if p.poll() is not None:
                return
            time.sleep(0.05)
        p.kill()
        p.wait()


def mounts_below(folder):
    """The mounts at and below a folder, innermost first, with their types."""
    found = []
    with open("/proc/self/mountinfo") as f:
        for line in f:
            fields = line.split(" ")
            # proc(5): blanks and backslashes are octal escapes.
            point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), fields[4])
            if point == folder or point.startswith(folder + "/"):
                found.append((point, fields[fields.index("-") + 1]))
    return found[::-1]


def holders(folder):
    """The processes that hold files below a folder, but not this one."""
    found = set()
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        links = ["/proc/%s/cwd" % pid, "/proc/%s/root" % pid]
        try:
            links += ["/proc/%s/fd/%s" % (pid, fd) for fd in os.listdir("/proc/%s/fd" % pid)]
        except OSError:
            continue  # it has ended
        for link in links:
            try:
                path = os.readlink(link)  # asks no filesystem: a dead mount cannot hang it
            except OSError:
                continue
            if path.startswith(folder + "/"):
                found.add(int(pid))
    return sorted(found)


def stop(pids, patience=5):
    """Ends processes, by force after so many seconds."""
    for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5)):
        for pid in pids:
            try:
                os.kill(pid, number)
            except OSError:
                pass
        late = time.time() + wait
        while time.time() < late:
            pids = [pid for pid in pids if os.path.exists("/proc/%d" % pid) and not _zombie(pid)]
            if not pids:
                return
            time.sleep(0.05)
    raise Failure("process %d does not end, even when it is killed" % pids[0])


def _zombie(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IOError, IndexError):
        return True


def end_mounts(folder, program):
    """Ends all mounts below a folder with their readers; returns what there was."""
    done = []
    mounts = mounts_below(folder)
    if mounts:
        pids = holders(folder)
        if pids:
            stop(pids)
            done.append("ended processes %s" % " ".join(map(str, pids)))
    for point, kind in mounts:
        # migimg's own way waits for its daemon, which thaws and removes snapshots.
        ways = [["umount", point], ["umount", "-l", point]]
        if kind == "fuse.migimg":
            ways.insert(0, [program, "umount", point])
        for way in ways:
            try:
                run(way)
                break
            except Failure as e:
                why = e
        else:
            raise Failure("%s cannot be unmounted: %s" % (point, why))
        done.append("unmounted " + point)
    return done


def remove(folder, program):
    """Removes a folder with all that is mounted and kept in it; returns what there was."""
    done = end_mounts(folder, program)
    if mounts_below(folder):
        raise Failure("something is mounted below %s again" % folder)
    if os.path.lexists(folder):
        shutil.rmtree(folder)
        done.append("removed " + folder)
    return done


class Lock(object):
    """One run at a time works in a folder. The lock's file names the process."""

    def __init__(self, folder, wait):
        self.path, self.wait, self.file = os.path.join(folder, "lock"), wait, None

    def holder(self):
        """The process that has it, or None."""
        try:
            with open(self.path) as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except (OSError, IOError):
                    return int(f.read() or 0) or None
        except (OSError, IOError):
            pass
        return None

    def __enter__(self):
        folder, late = os.path.dirname(self.path), time.time() + self.wait
        while True:
            try:
                os.makedirs(folder, 0o700)
            except OSError as e:
                if e.errno != errno.EEXIST:
                    raise
            f = None
            try:
                f = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Who had it before may have removed the folder.
                if os.path.exists(self.path) and os.fstat(f.fileno()).st_ino == os.stat(self.path).st_ino:
                    break
            except (OSError, IOError):
                if time.time() > late:
                    raise Failure("process %s has been exporting on this host for %d s: wait for it, or end it with the role clean" % (self.holder(), self.wait))
            if f:
                f.close()
            time.sleep(0.5)
        f.truncate(0)
        f.write(str(os.getpid()))
        f.flush()
        self.file = f
        return self

    def __exit__(self, *unused):
        self.file.close()
