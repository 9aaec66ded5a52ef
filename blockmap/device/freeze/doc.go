// Package freeze freezes mounted filesystems at one moment, and thaws them
// whatever happens to the process.
//
// A frozen filesystem (FIFREEZE, ioctl_fsfreeze in fs/ioctl.c) makes every writer
// wait, in a sleep that no signal ends, until somebody thaws it; that its freezer
// has died does not thaw it. So nothing here freezes in the process that
// asks for it: [Prepare] starts the program once more as a watchdog, a process that
// does nothing else, and the watchdog freezes and thaws. It knows what it froze
// from the very call that froze it, and thaws that and nothing else:
//
//   - when it is told to,
//   - when its socket ends: the parent has exited, panicked or been killed,
//   - at its own deadline, counted on CLOCK_BOOTTIME, which runs on in a suspend,
//   - for a freeze of minutes also when it finds that somebody else has thawed one.
//
// The deadline is kept by another thread than the one in FIFREEZE, so a filesystem
// that takes long to freeze does not hold the others. In turn the parent
// holds a descriptor of each filesystem and hears of each step before it is taken:
// if the watchdog is killed, or stopped, the parent thaws. Signals need no handler:
// one that kills the parent ends the socket, one that stops it leaves the deadline.
//
// What the watchdog needs is there before the first freeze: descriptors, threads,
// and its memory is locked (mlockall: 1 MiB of its own, and the program's
// pages, which it shares with the parent). The parent locks nothing, because a
// frozen filesystem can be read: page faults on the program, path lookups and swapping
// in go on (a touched atime is given up, not waited for: touch_atime in fs/inode.c),
// swapping out to a file bypasses the filesystem, and only writes wait. The parent
// must not write to what it froze: [Prepare] refuses filesystems on which it has
// files open for writing.
//
// What remains: if parent and watchdog are killed at the same moment, nobody is left.
// The watchdog has a session of its own, an oom_score_adj of -1000 and, with cgroup
// v2, leaves the parent's control group, so that neither the OOM killer nor a service
// manager that kills a whole unit takes both; a kill -9 of both by hand
// does. Then `migimg thaw` helps ([Emergency]), or fsfreeze -u, or SysRq-J.
// If the watchdog is killed while it is told EBUSY (somebody else's
// freeze) and before it can say so, the parent thaws that freeze, too. That somebody
// else thawed and froze again cannot be seen.
package freeze
