package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"migimg/blockmap"
	scanners "migimg/blockmap/all"
	"migimg/blockmap/device"
	"migimg/blockmap/device/freeze"
	"migimg/blockmap/device/snapshots"
	"migimg/blockmap/pins"
)

// momentOptions are the user's choices of how T0 is taken.
type momentOptions struct {
	limit  time.Duration // how long filesystems may be frozen; 0 is the rung's default
	memory int64         // for pins, in bytes; 0 is a quarter of what is free
	spool  string        // a folder for the rest of them
	keep   []string      // what must not be frozen, since it is written to meanwhile
	log    []string      // what must not be frozen for as long as a mount lasts
	resync *resync       // nil unless it is a copy that is brought up to T0
	frozen func()        // for tests: called when T0 has come, and while it lasts
	blind  bool          // for tests: writes are not tracked
}

// freezeLimit is how long a filesystem stays frozen that is to be frozen for as long
// as a mount lasts.
const freezeLimit = 5 * time.Minute

// moment is what holds a running server's disk at T0.
type moment struct {
	files   *blockmap.Files
	store   *pins.Store // nil where the filesystems stay frozen
	drift   *pins.Drift
	tracker *trackers // nil where writes are not tracked
	// borrowed says that somebody else closes the tracker.
	borrowed bool
	freezer  *freeze.Freezer
	held     *snapshots.Held // of btrfs filesystems; nil where there are none

	mu    sync.Mutex
	names map[fileKey]string // paths at T0 that were found, which never change

	// Where writes are not tracked:
	comparing  sync.Mutex
	since      time.Time // T0, with the reading of the monotonic clock
	compared   *drift
	comparedAt time.Time
}

func (m *moment) Close() error {
	if m == nil {
		return nil
	}
	var errs []error
	if m.freezer != nil {
		errs = append(errs, m.freezer.Close())
	}
	if m.tracker != nil && !m.borrowed {
		errs = append(errs, m.tracker.Close())
	}
	if m.held != nil {
		errs = append(errs, m.held.Release())
	}
	if m.store != nil {
		m.store.Close()
	}
	return errors.Join(errs...)
}

// toFreeze are the filesystems in scope that are mounted read-write, one use of
// each.
func (s *source) toFreeze(o scopeOptions) (out []device.Use) {
	for _, u := range s.uses {
		left := u.Partition != 0 && (o.Keep != nil && !slices.Contains(o.Keep, u.Partition) || slices.Contains(o.except, u.Partition))
		if u.Kind != "mount" || !u.Write || left && s.whole(u) == nil {
			continue
		}
		if !slices.ContainsFunc(out, func(x device.Use) bool { return x.Dev == u.Dev }) {
			out = append(out, u)
		}
	}
	return out
}

// takeT0 maps the disks at one moment of their life and holds them there: all their
// filesystems are frozen together. The level is
// that of s.consistency, which it completes. Filesystems that cannot be frozen are
// left out, one after the other: most show it only when it is tried.
func (s *source) takeT0(ctx context.Context, o sourceOptions) error {
	for _, d := range s.disks {
		if !d.dev.Block() && slices.ContainsFunc(d.uses, func(u device.Use) bool { return u.Write }) {
			return errors.New("only a block device can be held at one moment, not an image file that is in use")
		}
	}
	uses := s.toFreeze(o.scope)
	level := s.consistency.Level
	left := map[string]string{} // by mount point, why
	for {
		if len(uses) == 0 {
			return s.nothingFrozen(left)
		}
		err := s.freezeAll(ctx, uses, level, o)
		if err == nil {
			s.judge(uses, left, level)
			return nil
		}
		var one *freeze.Error
		if !errors.As(err, &one) || errors.Is(err, freeze.ErrThawed) || level == levelFrozen && !errors.Is(err, freeze.ErrUnsupported) {
			return err
		}
		n := len(uses)
		uses = slices.DeleteFunc(uses, func(u device.Use) bool { return u.Point == one.Point })
		if len(uses) == n {
			return err
		}
		left[one.Point] = one.Error()
	}
}

// nothingFrozen says why none of the filesystems in scope could be.
func (s *source) nothingFrozen(left map[string]string) error {
	if len(left) == 0 {
		return errors.New("none of its filesystems in scope is mounted read-write by itself")
	}
	return errors.New(strings.Join(slices.Sorted(maps.Values(left)), "; "))
}

// freezeAll takes T0 with all the filesystems frozen. After an error nothing is held.
func (s *source) freezeAll(ctx context.Context, uses []device.Use, level string, o sourceOptions) error {
	fo := freeze.Options{Limit: o.moment.limit, Frozen: level == levelFrozen, Inhibit: level == levelFrozen}
	for _, d := range s.disks {
		fo.Keep = append(fo.Keep, d.path)
	}
	fo.Keep = append(fo.Keep, o.moment.keep...)
	if o.moment.spool != "" {
		fo.Keep = append(fo.Keep, o.moment.spool)
	}
	if fo.Frozen {
		fo.Limit = cmp.Or(fo.Limit, freezeLimit)
		fo.Keep = append(fo.Keep, o.moment.log...)
	}
	var fss []freeze.Filesystem
	var points []string
	for _, u := range uses {
		points = append(points, u.Point)
		fss = append(fss, freeze.Filesystem{Point: u.Point, FSType: u.FSType, Dev: u.Dev})
	}
	freezer, err := freeze.Prepare(ctx, fss, fo)
	if err != nil {
		return err
	}
	// Before, as where it goes may be what is frozen.
	s.say(slog.LevelInfo, freeze.Announcement(points))
	s.moment, s.consistency = &moment{freezer: freezer, names: map[fileKey]string{}}, consistency{Level: level}
	if level == levelFrozen {
		err = s.hold(ctx, uses, o)
	} else {
		err = s.pin(ctx, uses, o)
	}
	if err != nil {
		err = errors.Join(err, s.moment.Close())
		s.moment = nil
	}
	return err
}

// scanner maps the space for [pins.Take], with the volumes that are frozen.
func (s *source) scanner(uses []device.Use, o sourceOptions) pins.Scan {
	frozen := func(volume string) bool {
		return slices.ContainsFunc(uses, func(u device.Use) bool { return s.isVolume(u, volume) })
	}
	return func(ctx context.Context, dev blockmap.Volume) (*pins.Scanned, error) {
		x := &pins.Scanned{Files: &blockmap.Files{}}
		so := s.scanOptions(o)
		so.Frozen, so.Files = frozen, x.Files
		var err error
		x.Map, x.Volumes, err = blockmap.Scan(ctx, dev, scanners.Scanners(), so)
		if err != nil {
			return nil, err
		}
		for _, u := range uses {
			n := 0
			for v := range x.Volumes.All() {
				if s.isVolume(u, v.Name) {
					if n++; n > 1 {
						return nil, fmt.Errorf("which of two volumes is %s cannot be told", u)
					}
				}
			}
		}
		for v := range x.Volumes.All() {
			switch {
			case v.Container():
				x.Around = append(x.Around, v)
			case frozen(v.Name) && v.Whole == "":
				x.Pin = append(x.Pin, v)
			case frozen(v.Name) && strings.HasPrefix(v.Type, "ext"): // see pins.errMoving; the next freeze may hold
				x.Torn = fmt.Sprintf("%s (%s): %s", v.Name, v.Type, v.Whole)
			}
		}
		return x, nil
	}
}

// hold freezes, maps, and leaves it frozen.
func (s *source) hold(ctx context.Context, uses []device.Use, o sourceOptions) error {
	m := s.moment
	if err := m.freezer.Sync(); err != nil {
		return err
	}
	at, err := m.freezer.Freeze()
	if err != nil {
		return err
	}
	x, err := s.scanner(uses, o)(ctx, s.space(s.unaccounted()))
	if err != nil {
		return err // Close thaws
	}
	s.mapped, s.volumes, s.t0, m.files = x.Map, x.Volumes, at.T0, x.Files
	return nil
}
