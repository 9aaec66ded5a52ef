package device

import (
	"context"
	"sync"

	"golang.org/x/time/rate"

	"migimg/blockmap"
)

// MinRate is the lowest limit of a Throttle, in bytes per second: below, one
// request of a reader's takes so long that it looks like a hang.
const MinRate = 64 << 10

// piecesPerSecond is how many pieces a limited device is read in: that is how
// even the load is, and how soon another reader gets its turn.
const piecesPerSecond = 20

// Throttle is a layer over a device that keeps the machine usable: it limits how
// many bytes a second are read, and stops reading altogether while it is paused.
// Readers are served in the order in which they come, a piece at a time. It is
// safe for concurrent use.
type Throttle struct {
	below   blockmap.Layer
	bytes   int64 // per second; 0 is no limit
	piece   int64 // bytes read at once
	limiter *rate.Limiter

	mu     sync.Mutex
	paused chan struct{} // closed by Resume; nil while not paused
}

// NewThrottle limits reading from below to bytes per second, at least MinRate; 0 is
// no limit. What goes unread for a while is not made up for: a burst is a tenth
// of a second's bytes.
func NewThrottle(below blockmap.Layer, bytes int64) *Throttle {
	t := &Throttle{below: below, bytes: bytes}
	if bytes > 0 {
		t.piece = min(max(bytes/piecesPerSecond&^4095, 4096), bounceSize)
		t.limiter = rate.NewLimiter(rate.Limit(bytes), int(max(bytes/10, t.piece)))
	}
	return t
}

// Rate is the limit in bytes per second, 0 for none.
func (t *Throttle) Rate() int64 { return t.bytes }

// Pause lets no further request through to the device until Resume. Requests
// that the device has already are finished.
func (t *Throttle) Pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused == nil {
		t.paused = make(chan struct{})
	}
}

// Resume ends a pause; whoever waits reads on.
func (t *Throttle) Resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused != nil {
		close(t.paused)
		t.paused = nil
	}
}

// Paused says whether readers have to wait.
func (t *Throttle) Paused() bool { return t.gate() != nil }

// Busy says whether reads may have to wait: there is a limit, or a pause.
func (t *Throttle) Busy() bool { return t.bytes > 0 || t.Paused() }

func (t *Throttle) gate() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paused
}

// wait returns when n bytes may be read.
func (t *Throttle) wait(n int64) {
	if t.limiter != nil {
		// It fails for an n above the burst and for a context that ends, of which there
		// is neither.
		_ = t.limiter.WaitN(context.Background(), int(n))
	}
	for g := t.gate(); g != nil; g = t.gate() {
		<-g
	}
}

// ReadAt reads from the layer below when it is this read's turn.
func (t *Throttle) ReadAt(p []byte, off int64) (int, error) {
	return t.read(t.below.ReadAt, p, off)
}

// ReadSpeculative is the same without account of failures.
func (t *Throttle) ReadSpeculative(p []byte, off int64) (int, error) {
	return t.read(t.below.ReadSpeculative, p, off)
}

var _ blockmap.Layer = (*Throttle)(nil)

func (t *Throttle) read(below func([]byte, int64) (int, error), p []byte, off int64) (int, error) {
	if t.limiter == nil {
		t.wait(0)
		return below(p, off)
	}
	for done := 0; ; {
		// Pieces end where the device's blocks do, so that none is read twice.
		at := off + int64(done)
		n := min(int64(len(p)-done), t.piece-max(at, 0)%4096)
		t.wait(n)
		m, err := below(p[done:done+int(n)], at)
		done += m
		if err != nil || int64(m) < n || done == len(p) {
			return done, err
		}
	}
}
