package track

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// Epoch begins a new epoch and returns what was written in the one that ended. A
// write belongs to the epoch in which it was issued and to the one in which it
// was completed: it may be in both. It waits for an RCU grace period, some tens of
// milliseconds. After an error the Tracker is lost, and nothing is known.
func (t *Tracker) Epoch() (*Set, error) {
	t.epoch.Lock()
	defer t.epoch.Unlock()
	if err := t.Lost(); err != nil {
		return nil, err
	}
	ended := atomic.LoadUint64(&t.kernel.control[ctlEpoch])
	// The other half is empty. Programs that have read the old number still write
	// to the old half, and are waited for.
	atomic.StoreUint64(&t.kernel.control[ctlEpoch], 1-ended)
	if err := t.kernel.grace(); err != nil {
		return nil, t.fail(fmt.Errorf("waiting for the kernel's programs: %w", err))
	}
	set := t.take(ended)
	if err := t.Lost(); err != nil {
		return nil, err
	}
	return set, nil
}

// take empties one half of the bitmap.
func (t *Tracker) take(epoch uint64) *Set {
	t.fold.Lock()
	defer t.fold.Unlock()
	t.drainRing(epoch)
	set := newSet(t.geo)
	half := t.kernel.bits[int64(epoch)*t.geo.words:][:t.geo.words]
	for i := range half {
		if atomic.LoadUint64(&half[i]) != 0 {
			set.put(int64(i), atomic.SwapUint64(&half[i], 0))
		}
	}
	return set
}

// drain moves long ranges from the rings to the bitmap.
func (t *Tracker) drain() {
	for e := range t.tail {
		if atomic.LoadUint64(t.head(uint64(e))) != t.tail[e].Load() {
			t.fold.Lock()
			t.drainRing(uint64(e))
			t.fold.Unlock()
		}
	}
}

// drainRing needs the lock. A slot that was given out and is empty is waited for:
// the program that fills it is running, and later slots count already.
func (t *Tracker) drainRing(epoch uint64) {
	ring := t.kernel.ring[epoch*ringSize:][:ringSize]
	half := t.kernel.bits[int64(epoch)*t.geo.words:][:t.geo.words]
	for tail := &t.tail[epoch]; tail.Load() != atomic.LoadUint64(t.head(epoch)); tail.Add(1) {
		slot := &ring[tail.Load()%ringSize]
		v := atomic.LoadUint64(slot)
		for ; v == 0; v = atomic.LoadUint64(slot) {
			if atomic.LoadUint64(&t.kernel.control[ctlLost]) != 0 {
				return // it may never be filled, and nothing is known any more
			}
			runtime.Gosched()
		}
		first := int64(v >> 32)
		last := first + int64(v&(1<<32-1)) - 1
		for w := first >> 6; w <= last>>6 && w < int64(len(half)); w++ {
			atomic.OrUint64(&half[w], mask(w, first, last))
		}
		atomic.StoreUint64(slot, 0)
	}
}

// keepDraining has the rings never fill up because nobody asks: fstrim sends a
// hundred thousand discards within seconds.
func (t *Tracker) keepDraining() {
	defer close(t.drained)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
			t.drain()
		}
	}
}

// head is how many ranges a ring was ever given.
func (t *Tracker) head(epoch uint64) *uint64 {
	return &t.kernel.control[ctlHead+8*epoch]
}
