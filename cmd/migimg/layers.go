package main

import (
	"errors"
	"io"
	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/device/freeze"
)

// lower is the layer from which images are read.
func (s *source) lower() io.ReaderAt {
	switch m := s.moment; {
	case m == nil:
		return s.faults
	case m.store != nil:
		return m.store
	default:
		return &stale{ReaderAt: s.faults, broken: m.freezer.Broken()}
	}
}

// over is a device whose bytes are read through a layer.
type over struct {
	io.ReaderAt
	*device.Device
}

func (o *over) ReadAt(p []byte, off int64) (int, error) { return o.ReaderAt.ReadAt(p, off) }

// ReadSpeculative reads as the layer does for a view that reads in vain, too.
func (o *over) ReadSpeculative(p []byte, off int64) (int, error) {
	return o.ReaderAt.(blockmap.Speculative).ReadSpeculative(p, off)
}

// errStale is what readers get once a filesystem that should be frozen is not.
var errStale = errors.New("a filesystem was thawed before its time: the image would be torn; mount again")

// stale is a layer that has nothing more to say once the freeze has ended, however
// that was.
type stale struct {
	io.ReaderAt
	broken <-chan struct{}
}

func (l *stale) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.ReaderAt.ReadAt(p, off)
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
}

func (f *freezing) Freeze() (err error) {
	f.moment, err = f.Freezer.Freeze()
	return err
}
