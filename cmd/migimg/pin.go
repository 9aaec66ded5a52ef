package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/device/snapshots"
	"migimg/blockmap/pins"
)

// pinsStatus is how T0 was taken.
type pinsStatus struct {
	// Frozen is how long writers waited, of which Kernel until all was written out,
	// in milliseconds.
	Frozen int64 `json:"frozen_ms"`
	Kernel int64 `json:"kernel_ms"`
	// Read is what was read meanwhile; Memory and Spool are what is held, in bytes.
	Read   int64 `json:"read_bytes"`
	Memory int64 `json:"memory_bytes"`
	Spool  int64 `json:"spool_bytes,omitempty"`
	Tries  int   `json:"tries"`
}

// pin takes T0 and thaws.
func (s *source) pin(ctx context.Context, uses []device.Use, o sourceOptions) error {
	m := s.moment
	memory := o.moment.memory
	if memory == 0 {
		memory = freeMemory() / 4
	}
	var err error
	resync := o.moment.resync
	if resync != nil {
		m.tracker, m.borrowed = resync.tracker, true // and all that moved is held
	} else {
		if o.moment.blind {
			err = errors.New("a test has it so")
		} else {
			m.tracker, err = startTrackers(s.disks)
		}
		if err != nil {
			s.consistency.Untracked = err.Error()
		}
		s.sweepSnapshots(uses)
	}
	m.drift = pins.NewDrift(s.base)
	freezing := &freezing{Freezer: m.freezer, frozen: o.moment.frozen}
	plan := pins.Plan{
		Options: pins.Options{Memory: memory, Spool: o.moment.spool},
		Dev:     s.space(m.drift),
		Scan:    s.scanner(uses, o),
		Freezer: freezing,
		Limit:   o.moment.limit,
	}
	if m.tracker != nil {
		plan.Tracker = m.tracker
	}
	if resync != nil {
		plan.Also = resync.also
	} else if len(btrfsPoints(uses)) > 0 {
		plan.Before = func() { s.holdSnapshots(ctx, uses) }
		plan.Also = m.unheld()
	}
	taken, err := pins.Take(ctx, plan)
	if err != nil {
		return err
	}
	if err := m.freezer.Close(); err != nil {
		return err
	}
	m.freezer = nil
	if m.tracker != nil && !m.borrowed {
		m.tracker.ended = nil
	}
	m.store, m.files, m.since = taken.Store, taken.Files, taken.T0
	if m.tracker != nil {
		m.drift.Begin(m.tracker.Written)
		s.consistency.Tracked = true
	}
	s.mapped, s.volumes, s.t0 = taken.Map, taken.Volumes, freezing.moment.T0
	mem, spool := m.store.Bytes()
	s.consistency.Pins = &pinsStatus{Frozen: taken.Frozen.Milliseconds(), Kernel: taken.Kernel.Milliseconds(), Read: taken.Read, Memory: mem, Spool: spool, Tries: taken.Tries}
	return nil
}

// btrfsPoints are where btrfs filesystems are mounted.
func btrfsPoints(uses []device.Use) (points []string) {
	for _, u := range uses {
		if u.FSType == "btrfs" {
			points = append(points, u.Point)
		}
	}
	return points
}

// unheld is what no snapshot holds as it came between the last one and the freeze: it
// is small, and pinned.
func (m *moment) unheld() func(*pins.Scanned) iter.Seq[blockmap.Range] {
	if m.tracker == nil {
		return nil
	}
	var since spans
	m.tracker.ended = func(written spans) { since = written }
	return func(x *pins.Scanned) iter.Seq[blockmap.Range] {
		var on spans
		for _, v := range x.Pin {
			if v.Type == "btrfs" {
				on = on.union(spansOf(slices.Values(slices.SortedFunc(v.Device(), func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) }))))
			}
		}
		var out spans
		for _, r := range since.within(on) {
			for c := range x.Map.Ranges(r.Off, r.Len) {
				out.add(c)
			}
		}
		return slices.Values(out)
	}
}

// sweepSnapshots removes what a run that was killed left on them.
func (s *source) sweepSnapshots(uses []device.Use) {
	for _, point := range btrfsPoints(uses) {
		_, err := snapshots.Sweep(point)
		s.consistency.note(err)
	}
}

// holdSnapshots keeps the extents of T0 from being used again on btrfs, where data
// whose checksum is another's cannot be read at all. Without, the image is what
// the drift says that it is. The nearer to the freeze the better: what is written
// between is not held.
func (s *source) holdSnapshots(ctx context.Context, uses []device.Use) {
	points := btrfsPoints(uses)
	if len(points) == 0 {
		return
	}
	if s.moment.held != nil { // of a freeze that took too long
		s.consistency.note(s.moment.held.Release())
		s.moment.held = nil
	}
	held, err := snapshots.Hold(ctx, points...)
	s.consistency.note(err)
	if err != nil {
		return
	}
	s.moment.held = held
	for _, path := range held.Left() {
		s.consistency.note(fmt.Errorf("btrfs subvolume %s has a swap file in use and is not held by a snapshot: what is written in it since T0 may be unreadable in the image", path))
	}
}

// freeMemory is how much memory can be had without harm, in bytes (proc(5),
// meminfo, MemAvailable).
func freeMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 1 << 30
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 1 << 30
}
