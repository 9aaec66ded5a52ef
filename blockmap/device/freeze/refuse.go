package freeze

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// everyday are the places that a running system writes to all the time: a freeze of
// minutes there stops logins, logging and what waits for either.
func everyday() []string {
	return []string{"/", "/var", "/var/log", "/var/tmp", "/tmp", "/run", "/dev", "/etc", "/root", "/proc/self/exe"}
}

// refuse finds the filesystem that must not be frozen, if there is one among
// ts, and fills in their levels.
func refuse(table []mount, ts []*target, o Options) error {
	for _, t := range ts {
		g := newGround(table)
		if err := g.beneath(t.sb); err != nil {
			return t.fail(ErrRefused, err.Error())
		}
		for _, o := range ts {
			if g.sbs[o.sb] {
				t.level++
			}
		}
	}
	for _, p := range o.Keep {
		g := newGround(table)
		if err := g.path(p); err != nil {
			return fmt.Errorf("finding out what must stay writable for %s: %w", p, err)
		}
		for _, t := range ts {
			if g.sbs[t.sb] {
				return t.fail(ErrRefused, fmt.Sprintf("%s is on it or rests on it and has to stay writable; put that elsewhere, or use --consistency live", p))
			}
		}
	}
	if err := refuseOpen(table, ts); err != nil {
		return err
	}
	if !o.Frozen {
		return nil
	}
	for _, p := range everyday() {
		g := newGround(table)
		if err := g.path(p); err != nil {
			return fmt.Errorf("finding out where %s is: %w", p, err)
		}
		for _, t := range ts {
			if g.sbs[t.sb] {
				if p == "/proc/self/exe" {
					p = "this program"
				}
				return t.fail(ErrRefused, fmt.Sprintf("for as long as a mount lasts, because %s is on it and the machine would hang; use --consistency pinned, which freezes for an instant", p))
			}
		}
	}
	return nil
}

// refuseOpen refuses what this process has files on that are open for writing: its
// log, its spool, its output.
func refuseOpen(table []mount, ts []*target) error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		fd, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY || flags&unix.O_PATH != 0 {
			continue // closed in the meantime, or for reading
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		g := newGround(table)
		m, err := mountOf(table, fd)
		if errors.Is(err, errNoMount) || errors.Is(err, os.ErrNotExist) {
			continue // a memfd, or closed
		}
		if err == nil {
			err = g.filesystem(m.Dev)
		}
		name, _ := os.Readlink("/proc/self/fd/" + n)
		if err != nil {
			return fmt.Errorf("finding out where %s is: %w", name, err)
		}
		for _, t := range ts {
			if g.sbs[t.sb] {
				return t.fail(ErrRefused, fmt.Sprintf("this program has %s open for writing (descriptor %d); redirect it to another filesystem", name, fd))
			}
		}
	}
	return nil
}
