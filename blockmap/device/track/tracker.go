package track

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"migimg/blockmap"
)

// Options of Start.
type Options struct {
	// Grain is how many bytes of the disk one bit stands for: a power of two of at
	// least 512. 0 is 4096, doubled for disks above 1 TiB until the bitmap fits into
	// 32 MiB.
	Grain int64
}

// Tracker knows which parts of a disk were written. Its methods are safe for
// concurrent use, but for Close, which must come after all others.
type Tracker struct {
	geo    geometry
	kernel kernel

	closed atomic.Bool
	broken atomic.Pointer[error] // what else made it lose track

	epoch sync.Mutex // one Epoch at a time
	fold  sync.Mutex // guards taking from the rings
	tail  [2]atomic.Uint64

	stop, drained chan struct{} // of keepDraining
}

// Start begins to track writes to a disk: the dev_t of a whole disk, never of a
// partition, and its size in bytes. When it returns, every write that begins is
// seen. Errors wrap ErrUnavailable where tracking is impossible here.
func Start(dev uint64, size int64, o Options) (*Tracker, error) {
	geo, err := newGeometry(size, o.Grain)
	if err != nil {
		return nil, err
	}
	types, err := kernelTypes()
	if err != nil {
		return nil, err
	}
	l, err := readLayout(types)
	if err != nil {
		return nil, unavailable(err)
	}
	d, err := inspect("/sys", dev, l)
	if err != nil {
		return nil, err
	}
	t := &Tracker{geo: geo, stop: make(chan struct{}), drained: make(chan struct{})}
	fds, err := t.kernel.load(geo, d.bios)
	if err == nil {
		err = t.kernel.attach(dev, geo, d.bios, fds, types, l)
	}
	if err == nil && d.bios {
		err = d.settle()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", d.name, err), t.kernel.close())
	}
	go t.keepDraining()
	return t, nil
}

// settle waits for a moment without a write under way: of a write that is older
// than the tracking a bio device does not say where it was when it completes.
func (d *disk) settle() error {
	const limit = 2 * time.Second
	for begin := time.Now(); !d.idle(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > limit {
			return unavailable(fmt.Errorf("it was never without a write under way for %v; try again when it is less busy", limit))
		}
	}
	return nil
}

// Grain is how many bytes of the disk one bit stands for.
func (t *Tracker) Grain() int64 { return t.geo.grain() }

// Written says whether any grain of [off, off+n), in bytes, was written since
// the last Epoch, or since Start. It takes nanoseconds and no locks. Once Lost
// is not nil for a reason that a program noticed, everything was written; but
// only Lost itself asks for all reasons, so it has the last word. Bytes outside
// of the disk are never written.
func (t *Tracker) Written(off, n int64) bool {
	if t.closed.Load() || t.broken.Load() != nil || atomic.LoadUint64(&t.kernel.control[ctlLost]) != 0 {
		return true
	}
	t.drain()
	return t.geo.any(off, n, t.word)
}

// Ranges yields what was written of [off, off+n), in bytes, since the last Epoch:
// whole grains, but cut at the range's ends, ascending. As Written has it, that
// is everything once track is lost. Writes during the iteration may be in it or
// not.
func (t *Tracker) Ranges(off, n int64) iter.Seq[blockmap.Range] {
	words := t.word
	if t.Lost() != nil {
		words = func(int64) uint64 { return ^uint64(0) }
	} else {
		t.drain()
	}
	return t.geo.ranges(off, n, words)
}

// word is the bits of both epochs: the one that is not current is empty, but
// while Epoch changes them.
func (t *Tracker) word(i int64) uint64 {
	return atomic.LoadUint64(&t.kernel.bits[i]) | atomic.LoadUint64(&t.kernel.bits[t.geo.words+i])
}

// Lost is not nil once writes may have been missed: then all that the Tracker
// ever said of the epoch under way and says from now on is unknown. Ask for it
// after what was asked last, and before that is trusted.
func (t *Tracker) Lost() error {
	if t.closed.Load() {
		return errors.New("the write tracker was closed")
	}
	if err := t.broken.Load(); err != nil {
		return *err
	}
	if r := atomic.LoadUint64(&t.kernel.control[ctlLost]); r != 0 {
		return lostError(r)
	}
	for _, p := range t.kernel.once {
		s, err := p.Stats()
		if err != nil {
			return t.fail(fmt.Errorf("asking the kernel whether writes were missed: %w", err))
		}
		if s.RecursionMisses != 0 {
			return t.fail(fmt.Errorf("the kernel did not run the tracking program for %d writes (a program of its kind was interrupted)", s.RecursionMisses))
		}
	}
	return nil
}

// fail remembers the first failure.
func (t *Tracker) fail(err error) error {
	err = fmt.Errorf("writes may have been missed: %w", err)
	t.broken.CompareAndSwap(nil, &err)
	return *t.broken.Load()
}

func lostError(reasons uint64) error {
	for _, r := range []struct {
		bit  uint64
		text string
	}{
		{lostPassthrough, "a program sent a command of its own to the disk that may write (SG_IO, NVMe passthrough), and its place is unknown"},
		{lostPosition, "a request to write did not say where"},
		{lostOverflow, "more long writes or discards came in at once than can be kept"},
	} {
		if reasons&r.bit != 0 {
			return errors.New("writes may have been missed: " + r.text)
		}
	}
	return fmt.Errorf("writes may have been missed: the tracking program failed (%#x)", reasons)
}

// Close ends the tracking and gives back all that the kernel holds. A process
// that dies does the same: programs are attached by descriptors.
func (t *Tracker) Close() error {
	if t.closed.Swap(true) {
		return nil
	}
	close(t.stop)
	<-t.drained
	return t.kernel.close()
}
