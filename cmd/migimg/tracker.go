package main

import (
	"errors"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/device/track"
)

// trackers track the disks of a space, and speak in bytes of it. An image file is not
// tracked: it is not held at a moment where anything can write to it.
type trackers struct {
	each []*diskTracker
	// ended, if not nil, is told of every epoch that ends what was written in it.
	ended func(spans)
}

// diskTracker tracks a disk, or a part of one.
type diskTracker struct {
	*track.Tracker
	at    blockmap.Place // in the space
	start int64          // on the whole disk
}

func startTrackers(disks []*disk) (*trackers, error) {
	t := &trackers{}
	for _, d := range disks {
		if !d.dev.Block() {
			continue
		}
		p, err := d.dev.Place(device.Roots{})
		if err == nil {
			var x *track.Tracker
			if x, err = track.Start(p.Disk, p.Size, track.Options{}); err == nil {
				t.each = append(t.each, &diskTracker{x, d.at, p.Start})
				continue
			}
		}
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Close ends the tracking.
func (t *trackers) Close() error {
	var errs []error
	for _, x := range t.each {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// Epoch ends an epoch; see [pins.Tracker].
func (t *trackers) Epoch() (func(off, n int64) bool, error) {
	var ended spans
	var sets []*track.Set
	for _, x := range t.each {
		set, err := x.Epoch()
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
		for r := range set.Ranges(x.start, x.at.Len) {
			ended.add(x.shift(r))
		}
	}
	if err := t.Lost(); err != nil {
		return nil, err
	}
	if t.ended != nil {
		t.ended(ended)
	}
	return func(off, n int64) bool {
		return t.any(off, n, func(i int, off, n int64) bool { return sets[i].Contains(off, n) })
	}, nil
}

// since is what was written since the last Epoch.
func (t *trackers) since() (s spans, err error) {
	for _, x := range t.each {
		for r := range x.Ranges(x.start, x.at.Len) {
			s.add(x.shift(r))
		}
	}
	return s, t.Lost() // it has the last word
}

// Written says whether any of the bytes [off, off+n) were written since the last Epoch.
func (t *trackers) Written(off, n int64) bool {
	return t.any(off, n, func(i int, off, n int64) bool { return t.each[i].Tracker.Written(off, n) })
}

// Lost is why not all that was written is known.
func (t *trackers) Lost() error {
	for _, x := range t.each {
		if err := x.Tracker.Lost(); err != nil {
			return err
		}
	}
	return nil
}

// any asks of each disk, by its number and in bytes of the whole disk, of its share of
// [off, off+n).
func (t *trackers) any(off, n int64, ask func(i int, off, n int64) bool) bool {
	for i, x := range t.each {
		lo, hi := max(off, x.at.Off), min(off+n, x.at.End())
		if lo < hi && ask(i, x.start+lo-x.at.Off, hi-lo) {
			return true
		}
	}
	return false
}

func (x *diskTracker) shift(r blockmap.Range) blockmap.Range {
	return blockmap.Range{Off: r.Off - x.start + x.at.Off, Len: r.Len}
}
