package main

import (
	"errors"
	"io"

	"migimg/blockmap"
	"migimg/blockmap/device/freeze"
)

// lower is the layer of the space from which images are read.
func (s *source) lower() blockmap.Layer {
	switch m := s.moment; {
	case m == nil:
		return s.base
	case m.store != nil:
		return m.store
	default:
		return &stale{below: s.base, broken: m.freezer.Broken()}
	}
}

// space is the space as a device that is read through a layer.
func (s *source) space(through blockmap.Layer) blockmap.Volume {
	var sector int64
	if len(s.disks) == 1 {
		sector = s.disks[0].dev.SectorSize()
	}
	return &space{blockmap.Bytes(through, s.size, sector), through}
}

type space struct {
	blockmap.Volume
	layer blockmap.Layer
}

// ReadSpeculative is the layer's.
func (v *space) ReadSpeculative(p []byte, off int64) (int, error) {
	return v.layer.ReadSpeculative(p, off)
}

// unaccounted reads the space without keeping account of what cannot be read: a scan
// says itself what that means.
func (s *source) unaccounted() blockmap.Layer {
	var layers []blockmap.Layer
	for _, d := range s.disks {
		layers = append(layers, readable{d.dev})
	}
	return blockmap.Join(s.places, layers)
}

// readable is a layer of which a speculative read is as any other.
type readable struct{ io.ReaderAt }

func (r readable) ReadSpeculative(p []byte, off int64) (int, error) { return r.ReadAt(p, off) }

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
