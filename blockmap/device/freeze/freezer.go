package freeze

import (
	"errors"
	"fmt"
	"time"
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
		ok := err == nil && f.answered(2*grace)
		f.mu.Lock()
		if !ok {
			f.insist()
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

// answered waits for the answer to opThaw.
func (f *Freezer) answered(within time.Duration) bool {
	late := time.After(within)
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
