package main

import (
	"errors"
	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/device/freeze"
)

// lower is the layer from which images are read.
func (s *source) lower() blockmap.Layer {
	switch m := s.moment; {
	case m == nil:
		return s.faults
	case m.store != nil:
		return m.store
	default:
		return &stale{below: s.faults, broken: m.freezer.Broken()}
	}
}

// over is a device whose bytes are read through a layer.
type over struct {
	blockmap.Layer
	*device.Device
}

func (o *over) ReadAt(p []byte, off int64) (int, error) { return o.Layer.ReadAt(p, off) }

// errStale is what readers get once a filesystem that should be frozen is not.
var errStale = errors.New("a filesystem was thawed before its time: the image would be torn; mount again")

// stale is a layer that has nothing more to say once the freeze has ended, however
// that was.
type stale struct {
	below  blockmap.Layer
	broken <-chan struct{}
}

func (l *stale) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.below.ReadAt(p, off)
	return l.still(p, n, err)
}

func (l *stale) ReadSpeculative(p []byte, off int64) (int, error) {
	n, err := l.below.ReadSpeculative(p, off)
	return l.still(p, n, err)
}

// still lets through what was read while the filesystems were frozen.
func (l *stale) still(p []byte, n int, err error) (int, error) {
	select {
	case <-l.broken: // perhaps before the bytes were read
		clear(p[:n])
		return 0, errStale
	default:
		return n, err
	}
}

// freezing makes [freeze.Freezer] that of [pins.Take].
type freezing struct {
	*freeze.Freezer
	moment freeze.Moment
	frozen func() // may be nil
}

func (f *freezing) Freeze() (err error) {
	f.moment, err = f.Freezer.Freeze()
	if err == nil && f.frozen != nil {
		f.frozen()
	}
	return err
}
