package freeze

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// listen takes in what the watchdog says, until it ends.
func (f *Freezer) listen() {
	defer close(f.ended)
	defer close(f.events)
	for {
		m, err := receive(f.sock)
		if err != nil {
			f.lost()
			return
		}
		f.heard(m)
		select {
		case f.events <- m:
		default: // nobody waits for it, and what counts is in the state
		}
	}
}

// heard brings the state up to date.
func (f *Freezer) heard(m message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if int(m.index) >= len(f.targets) {
		return
	}
	t := f.targets[m.index]
	switch m.op {
	case opAbout:
		f.about = int(m.index)
	case opFrozen:
		f.about = -1
		f.frozen[m.index], f.took[m.index] = true, time.Duration(m.n)
	case opStill:
		f.about = -1
	case opFailed:
		f.about = -1
		f.failed = explain(t, m.errno)
	case opHolding:
		f.holding, f.t0 = true, time.Unix(0, m.n)
	case opThawed:
		f.thawed(t, int(m.index), m.errno)
	case opStruck:
		switch {
		case m.errno == unix.ETIME:
			f.spoil(fmt.Errorf("what was frozen %w: the limit of %v was over", ErrThawed, f.opts.Limit))
		default:
			f.spoil(t.fail(ErrThawed, "somebody else thawed it"))
		}
	}
}

// thawed notes what FITHAW answered. Not frozen is EINVAL: somebody else was faster; or
// somebody has frozen it once more through the block device (LVM; thaw_super_locked in fs/super.c),
// in which case it stays frozen until they thaw. T0 holds in that case, but the two
// cannot be told apart. After another error the filesystem is still frozen.
func (f *Freezer) thawed(t *target, i int, errno unix.Errno) {
	was := f.frozen[i] // not if we have thawed it ourselves in the meantime
	f.frozen[i] = was && errno != 0 && errno != unix.EINVAL
	if was && errno == unix.EINVAL {
		f.spoil(t.fail(ErrThawed, "somebody else thawed it, or has frozen it once more"))
	}
}

// spoil notes why the freeze is worth nothing, the first reason.
func (f *Freezer) spoil(err error) {
	if f.early == nil {
		f.early = err
		close(f.broken)
	}
}

// explain is the error for a FIFREEZE that failed.
func explain(t *target, errno unix.Errno) error {
	switch errno {
	case unix.EOPNOTSUPP, unix.ENOTTY:
		return t.fail(ErrUnsupported, "this type of filesystem does not know how; --consistency live reads it as it moves")
	case unix.EBUSY:
		return t.fail(ErrBusy, "an LVM snapshot, a backup or the hypervisor's agent has frozen it, or a freeze was forgotten; that freeze was left alone: wait for its end, or end it with migimg thaw "+t.Point)
	case unix.EPERM:
		return t.fail(errno, "freezing needs root (CAP_SYS_ADMIN)")
	}
	return t.fail(errno, "freezing it (FIFREEZE)")
}

// lost is called when the watchdog has ended, and all that it said has been heard:
// what it had frozen is thawed here. If it was killed in the call that freezes,
// that call is over, too: a process keeps its socket until its last thread has gone.
func (f *Freezer) lost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.about; i >= 0 {
		control(f.targets[i].fd, fithaw)
		f.about, f.frozen[i] = -1, false
	}
	f.giveUp("the watchdog ended")
}

// overdue is called when the deadline is well past. A watchdog that has struck and still
// waits for a filesystem to freeze is in order; one that says nothing is not.
func (f *Freezer) overdue() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active && (f.early == nil || slices.Contains(f.frozen, true)) {
		f.giveUp("the watchdog did not keep the deadline")
	}
}

// insist thaws although the watchdog was told to and has not answered: it is stopped, or the
// disk is slow. In the second case FITHAW waits here for its FITHAW, and finds nothing to do:
// what it says then counts, not that.
func (f *Freezer) insist() {
	for i := len(f.frozen) - 1; i >= 0; i-- {
		if f.frozen[i] && control(f.targets[i].fd, fithaw) == 0 {
			f.frozen[i] = false
		}
	}
	f.mu.Unlock()
	ok := f.answered(2 * grace)
	f.mu.Lock()
	if !ok {
		f.giveUp("the watchdog did not answer")
	}
}

// giveUp kills the watchdog, so that it does not thaw what others may freeze
// later, and thaws here. What it is about to freeze is thawed when it has ended.
func (f *Freezer) giveUp(why string) {
	f.dead = true
	_ = f.dog.Kill()
	f.release()
	if f.active {
		f.spoil(fmt.Errorf("what was frozen %w: %s", ErrThawed, why))
	}
}

// release thaws, in reverse, what is frozen for all that we know.
func (f *Freezer) release() {
	for i := len(f.frozen) - 1; i >= 0; i-- {
		if !f.frozen[i] {
			continue
		}
		t := f.targets[i]
		errno := control(t.fd, fithaw)
		f.thawed(t, i, errno)
		if f.frozen[i] {
			f.spoil(t.fail(errno, "it could not be thawed (FITHAW) and is still frozen: try migimg thaw "+t.Point))
		}
	}
}
