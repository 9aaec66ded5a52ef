package pins

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"migimg/blockmap"
)

// Freezer freezes the filesystems on the device, all of them at once.
type Freezer interface {
	// Sync has written what was waiting to be when it returns.
	Sync() error
	// Freeze returns when nothing is written any more.
	Freeze() error
	// Thaw undoes it. It fails where they were thawed before, by a deadline or by
	// somebody else: what was read since Freeze then is worth nothing.
	Thaw() error
}

// Tracker knows what is written to the device.
type Tracker interface {
	// Epoch says of any range whether it was written since the last Epoch, or since
	// the tracker started. What is being written counts for both.
	Epoch() (written func(off, n int64) bool, err error)
	// Written says whether any of [off, off+n) was written since the last Epoch.
	Written(off, n int64) bool
}

// Scan maps the device as dev shows it. The volumes that are called frozen have
// their files listed.
type Scan func(ctx context.Context, dev blockmap.Volume) (*Scanned, error)

// Plan is what [Take] needs.
type Plan struct {
	Options
	Dev     blockmap.Volume
	Scan    Scan
	Freezer Freezer
	// Tracker may be nil: all is then read while the filesystems are frozen.
	Tracker Tracker
	// Before, if not nil, is called right before each freeze, and right after an Epoch:
	// the next one tells what was written since.
	Before func()
	// Also yields what has to be held besides, whatever it is; nil is nothing. It is
	// asked whenever the device was mapped, the last time while it is frozen and after
	// the last Epoch.
	Also func(*Scanned) iter.Seq[blockmap.Range]
	// Limit is how long they may be frozen for; two seconds by default. It is tried
	// three times, as is a freeze during which something was written.
	Limit time.Duration
}

// Taken is the disk at T0.
type Taken struct {
	Scanned
	// Store has the pins, over the device.
	Store *Store
	// T0 is the moment.
	T0 time.Time
	// Frozen is how long writers waited, of which Kernel was until the filesystems
	// were frozen and Scan reading their structures.
	Frozen, Kernel, Scan time.Duration
	// Read is how much was read while they were frozen, in bytes.
	Read int64
	// Tries is how often they were frozen.
	Tries int
}

const (
	defaultLimit = 2 * time.Second
	maxTries     = 3
	// rounds is how often what was written is read again before the freeze.
	rounds = 2
)

// Another try may go better after these.
var (
	// errTooLong is that the structures could not be read in time.
	errTooLong = errors.New("reading the filesystems' structures took too long")
	// errMoving is that the kernel did not keep its word: ext4 with data=journal, under
	// load, commits to its journal after FIFREEZE has returned (seen with Linux 6.18).
	errMoving = errors.New("a filesystem was written to although it was frozen")
)

// Take freezes, maps, pins and thaws. Where it fails, nothing stays frozen.
func Take(ctx context.Context, p Plan) (*Taken, error) {
	if p.Limit == 0 {
		p.Limit = defaultLimit
	}
	store, err := NewStore(p.Dev, p.Options)
	if err != nil {
		return nil, err
	}
	t := &taking{Plan: p, store: store}
	for {
		t.try++
		taken, err := t.take(ctx)
		if err == nil {
			taken.Tries = t.try
			return taken, nil
		}
		if ctx.Err() != nil || t.try == maxTries || !errors.Is(err, errTooLong) && !errors.Is(err, errMoving) {
			store.Close()
			return nil, err
		}
	}
}

type taking struct {
	Plan
	store *Store
	try   int
}

func (t *taking) take(ctx context.Context) (*Taken, error) {
	if err := t.ahead(ctx); err != nil {
		return nil, err
	}
	if t.Before != nil {
		if _, err := t.forget(); err != nil {
			return nil, err
		}
		t.Before()
	}
	// The collector would stop the world while the server waits.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	asked := time.Now()
	if err := t.Freezer.Freeze(); err != nil {
		return nil, err
	}
	frozen := time.Now()
	taken, err := t.underFreeze(ctx, asked)
	thawing := time.Now()
	if e := t.Freezer.Thaw(); e != nil {
		return nil, errors.Join(err, e)
	}
	if err != nil {
		return nil, err
	}
	taken.T0 = frozen
	taken.Kernel, taken.Scan = frozen.Sub(asked), thawing.Sub(frozen)
	taken.Frozen = time.Since(asked)
	return taken, t.store.Seal(t.held(&taken.Scanned))
}

// ahead fills the store before the freeze, so that little is left to be read under
// it. What it sees may be torn: only its blocks are of use, and of these only those
// that nobody writes until then.
func (t *taking) ahead(ctx context.Context) error {
	if t.Tracker == nil {
		return t.Freezer.Sync()
	}
	for range rounds {
		if _, err := t.forget(); err != nil {
			return err
		}
		s, err := t.Scan(ctx, t.store)
		if err != nil {
			return err
		}
		if _, err := t.store.Load(ctx, t.held(s)); err != nil {
			return err
		}
		if err := t.Freezer.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what was written.
func (t *taking) forget() (int64, error) {
	if t.Tracker == nil {
		return t.store.Drop(func(int64, int64) bool { return true }), nil
	}
	written, err := t.Tracker.Epoch()
	if err != nil {
		return 0, err
	}
	return t.store.Drop(written), nil
}

func (t *taking) underFreeze(ctx context.Context, asked time.Time) (*Taken, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, asked.Add(t.Limit), fmt.Errorf("%w: more than %v", errTooLong, t.Limit))
	defer cancel()
	if _, err := t.forget(); err != nil {
		return nil, err
	}
	s, err := t.Scan(ctx, t.store)
	if err != nil {
		return nil, late(ctx, err)
	}
	read, err := t.store.Load(ctx, t.held(s))
	if err != nil {
		return nil, late(ctx, err)
	}
	if err := t.still(s); err != nil {
		return nil, err
	}
	return &Taken{Scanned: *s, Store: t.store, Read: read}, nil
}

// still says whether what is frozen stood still while it was read.
func (t *taking) still(s *Scanned) error {
	if s.Torn != "" && t.try < maxTries {
		return fmt.Errorf("%w: %s", errMoving, s.Torn)
	}
	if t.Tracker == nil {
		return nil
	}
	for _, v := range s.Pin {
		for r := range v.Device() {
			if t.Tracker.Written(r.Off, r.Len) {
				return fmt.Errorf("%w: volume %s (%s)", errMoving, v.Name, v.Type)
			}
		}
	}
	return nil
}

// held yields what the store has to hold.
func (t *taking) held(s *Scanned) iter.Seq[blockmap.Range] {
	if t.Also == nil {
		return s.pinned()
	}
	return func(yield func(blockmap.Range) bool) {
		for r := range s.pinned() {
			if !yield(r) {
				return
			}
		}
		for r := range t.Also(s) {
			if !yield(r) {
				return
			}
		}
	}
}

// late is why the context ended, if it did, or else err.
func late(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
