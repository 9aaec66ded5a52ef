package main

import (
	"migimg/blockmap/device"
	"migimg/blockmap/device/track"
)

// diskTracker tracks the device's part of a disk.
type diskTracker struct {
	*track.Tracker
	start int64
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
	return &diskTracker{Tracker: t, start: p.Start}, nil
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
	return func(off, n int64) bool { return set.Contains(t.start+off, n) }, nil
}

// Written says whether any of the device's bytes [off, off+n) were written since
// the last Epoch.
func (t *diskTracker) Written(off, n int64) bool { return t.Tracker.Written(t.start+off, n) }
