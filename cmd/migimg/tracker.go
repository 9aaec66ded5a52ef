package main

import (
	"iter"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/device/track"
)

// diskTracker tracks the device's part of a disk.
type diskTracker struct {
	*track.Tracker
	start, size int64
	// ended, if not nil, is told of every epoch that ends what was written in it.
	ended func(spans)
}

func startTracker(d *device.Device) (*diskTracker, error) {
	p, err := d.Place(device.Roots{})
	if err != nil {
		return nil, err
	}
	t, err := track.Start(p.Disk, p.Size, track.Options{})
	if err != nil {
		return nil, err
	}
	return &diskTracker{Tracker: t, start: p.Start, size: d.Size()}, nil
}

// Epoch ends an epoch; see [pins.Tracker].
func (t *diskTracker) Epoch() (func(off, n int64) bool, error) {
	set, err := t.Tracker.Epoch()
	if err != nil {
		return nil, err
	}
	if err := t.Lost(); err != nil {
		return nil, err
	}
	if t.ended != nil {
		t.ended(t.shift(set.Ranges(t.start, t.size)))
	}
	return func(off, n int64) bool { return set.Contains(t.start+off, n) }, nil
}

// since is what of the device was written since the last Epoch.
func (t *diskTracker) since() (spans, error) {
	s := t.shift(t.Tracker.Ranges(t.start, t.size))
	return s, t.Lost() // it has the last word
}

func (t *diskTracker) shift(ranges iter.Seq[blockmap.Range]) (s spans) {
	for r := range ranges {
		s.add(blockmap.Range{Off: r.Off - t.start, Len: r.Len})
	}
	return s
}

// Written says whether any of the device's bytes [off, off+n) were written since
// the last Epoch.
func (t *diskTracker) Written(off, n int64) bool { return t.Tracker.Written(t.start+off, n) }
