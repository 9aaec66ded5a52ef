package freeze

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Moment is what a freeze was like.
type Moment struct {
	// T0 is when the last of the filesystems was frozen: from then on none changes.
	T0 time.Time
	// Ioctls are the single freezes, in their order.
	Ioctls []Ioctl
}

// Ioctl is the freezing of one filesystem.
type Ioctl struct {
	Point string
	Took  time.Duration
}

// state is what the parent knows of the freeze. What the watchdog says goes into it
// at once, whoever waits for what.
type state struct {
	// frozen are those that are frozen, for all that we have heard, about the one that is
	// being frozen, -1 for none.
	frozen []bool
	about  int
	// took is how long each freeze took, failed why the freezing ended.
	took   []time.Duration
	failed error
	// active says that Freeze has begun and neither failed nor been followed by Thaw,
	// holding that all were frozen.
	active, holding bool
	t0              time.Time
	// early says that what was frozen was thawed before Thaw was called, and why;
	// broken is closed then.
	early  error
	broken chan struct{}
	backup *time.Timer
}

// reset forgets the last freeze.
func (f *Freezer) reset() {
	f.state = state{
		frozen: make([]bool, len(f.targets)),
		about:  -1,
		took:   make([]time.Duration, len(f.targets)),
		broken: make(chan struct{}),
	}
}

// Freeze freezes all filesystems, data first and the root filesystem last. If one fails
// those that were frozen are thawed, in reverse, before it returns; the error is an
// [Error] that names it. After a freeze that succeeds Thaw has to be called.
func (f *Freezer) Freeze() (Moment, error) {
	if err := f.begin(); err != nil {
		return Moment{}, err
	}
	for m := range f.events {
		if m.op == opHolding || m.op == opDone {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.holding && f.early == nil {
		out := Moment{T0: f.t0}
		for i, t := range f.targets {
			out.Ioctls = append(out.Ioctls, Ioctl{t.Point, f.took[i]})
		}
		return out, nil
	}
	f.active = false
	f.backup.Stop()
	switch {
	case f.failed != nil:
		return Moment{}, f.failed
	case f.early != nil:
		return Moment{}, f.early
	}
	return Moment{}, errors.New("the watchdog ended while it froze; nothing is frozen")
}

// begin tells the watchdog to freeze.
func (f *Freezer) begin() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active {
		return errors.New("frozen already")
	}
	if f.dead {
		return errors.New("the watchdog has ended: nothing is frozen without it")
	}
	f.reset()
	f.drain()
	m := message{op: opFreeze, n: int64(f.opts.Limit)}
	if f.opts.Frozen {
		m.index = 1
	}
	if err := send(f.sock, m); err != nil {
		return fmt.Errorf("telling the watchdog to freeze: %w", err)
	}
	f.active = true
	f.backup = time.AfterFunc(f.opts.Limit+grace, f.overdue)
	return nil
}

// Thaw thaws all filesystems, in reverse. An error that is [ErrThawed] says that this
// had happened before: at the deadline, or by somebody else; then what was
// read since Freeze may be newer than T0. Called again it says the same again.
func (f *Freezer) Thaw() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.holding || !f.active {
		return f.early
	}
	f.active = false
	f.backup.Stop()
	if !f.dead {
		f.drain()
		err := send(f.sock, message{op: opThaw})
		f.mu.Unlock()
		ok := err == nil && f.answered()
		f.mu.Lock()
		if !ok {
			f.giveUp("the watchdog did not answer")
		}
	}
	f.release() // what the watchdog could not thaw
	return f.early
}

// drain drops what the watchdog said since Freeze returned, so that its answer is
// told from it. What counts of it is in the state.
func (f *Freezer) drain() {
	for {
		select {
		case _, ok := <-f.events:
			if !ok {
				return
			}
		default:
			return
		}
	}
}

// answered waits for the answer to opThaw, as long as it may take.
func (f *Freezer) answered() bool {
	late := time.After(4 * grace)
	for {
		select {
		case m, ok := <-f.events:
			if !ok || m.op == opDone {
				return ok
			}
		case <-late:
			return false
		}
	}
}

// Frozen says whether the filesystems are frozen.
func (f *Freezer) Frozen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.active && f.holding && f.early == nil
}

// Broken is closed when a filesystem is thawed before Thaw is called. Each Freeze
// makes a new one.
func (f *Freezer) Broken() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

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
	f.frozen[i] = errno != 0 && errno != unix.EINVAL
	if errno == unix.EINVAL {
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
