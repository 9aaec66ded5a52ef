package device

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// lower is a layer below that fails from a byte on, and counts.
type lower struct {
	data []byte
	bad  int64

	mu      sync.Mutex
	most    int // of one request, in bytes
	guesses int
}

func (l *lower) ReadAt(p []byte, off int64) (int, error) {
	l.mu.Lock()
	l.most = max(l.most, len(p))
	l.mu.Unlock()
	if l.bad > 0 && off+int64(len(p)) > l.bad {
		return copy(p, l.data[off:max(off, l.bad)]), syscall.EIO
	}
	return bytes.NewReader(l.data).ReadAt(p, off)
}

func (l *lower) ReadSpeculative(p []byte, off int64) (int, error) {
	l.guesses++
	return l.ReadAt(p, off)
}

func throttled(l *lower, rate int64) *Throttle {
	t := NewThrottle(nil, rate)
	t.below = l
	return t
}

// TestThrottleRate measures in the bubble's time, which only waiting moves.
func TestThrottleRate(t *testing.T) {
	for _, rate := range []int64{MinRate, 1 << 20, 20 << 20, 300 << 20} {
		for _, readers := range []int{1, 4} {
			synctest.Test(t, func(t *testing.T) {
				l := &lower{data: make([]byte, 1<<20)}
				th := throttled(l, rate)
				start := time.Now()
				got := make([]int64, readers)
				var mu sync.Mutex
				var total, lastTotal int64
				last := start
				var wg sync.WaitGroup
				for i := range readers {
					wg.Go(func() {
						for time.Since(start) < 20*time.Second {
							n := min(rate/7, 1<<20)
							if _, err := th.ReadAt(make([]byte, n), 0); err != nil {
								t.Error(err)
							}
							mu.Lock()
							got[i] += n
							total += n
							// No second has much more than its share.
							if now := time.Now(); now.Sub(last) >= time.Second {
								if most := int64(now.Sub(last).Seconds()*float64(rate)*1.15) + int64(readers)*n; total-lastTotal > most {
									t.Errorf("rate %d: %d bytes in %v", rate, total-lastTotal, now.Sub(last))
								}
								last, lastTotal = now, total
							}
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				seen := float64(total) / time.Since(start).Seconds()
				if seen < 0.95*float64(rate) || seen > 1.05*float64(rate) {
					t.Errorf("rate %d, %d readers: %.0f bytes per second", rate, readers, seen)
				}
				for _, g := range got {
					if share := float64(g) / float64(total) * float64(readers); share < 0.8 || share > 1.2 {
						t.Errorf("rate %d: of %d readers one had %.2f of its share", rate, readers, share)
					}
				}
				if int64(l.most) > max(4096, rate/piecesPerSecond) {
					t.Errorf("rate %d: a piece of %d bytes", rate, l.most)
				}
			})
		}
	}
}

func TestThrottlePause(t *testing.T) {
	for _, rate := range []int64{0, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			th := throttled(&lower{data: make([]byte, 1<<20)}, rate)
			th.Resume() // without a pause nothing happens
			th.Pause()
			th.Pause()
			if !th.Paused() {
				t.Error("not paused")
			}
			start := time.Now()
			time.AfterFunc(time.Hour, th.Resume)
			if n, err := th.ReadAt(make([]byte, 4096), 0); n != 4096 || err != nil || time.Since(start) != time.Hour {
				t.Errorf("%d, %v after %v", n, err, time.Since(start))
			}
			if th.Paused() {
				t.Error("still paused")
			}
		})
	}
}

func TestThrottleGivesWhatIsBelow(t *testing.T) {
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	for _, rate := range []int64{0, 1 << 30} {
		l := &lower{data: data}
		th := throttled(l, rate)
		for _, c := range []struct{ off, n int64 }{{0, 1 << 20}, {5, 300_000}, {1<<20 - 10, 10}, {4095, 2}, {0, 0}} {
			p := make([]byte, c.n)
			if n, err := th.ReadAt(p, c.off); int64(n) != c.n || err != nil || !bytes.Equal(p, data[c.off:c.off+c.n]) {
				t.Errorf("rate %d: %d at %d: %d, %v", rate, c.n, c.off, n, err)
			}
		}
		if n, err := th.ReadAt(make([]byte, 100), 1<<20-10); n != 10 || err != io.EOF {
			t.Errorf("rate %d, over the end: %d, %v", rate, n, err)
		}
		if n, err := th.ReadAt(make([]byte, 100), -5); n != 0 || err == nil {
			t.Errorf("rate %d, before the start: %d, %v", rate, n, err)
		}
		if n, err := th.ReadSpeculative(make([]byte, 100), 0); n != 100 || err != nil || l.guesses != 1 {
			t.Errorf("rate %d: %d, %v, %d guesses", rate, n, err, l.guesses)
		}
		l.bad = 700_001
		p := make([]byte, 1<<20)
		if n, err := th.ReadAt(p, 0); n != 700_001 && rate == 0 || !errors.Is(err, syscall.EIO) || !bytes.Equal(p[:n], data[:n]) {
			t.Errorf("rate %d, unreadable: %d, %v", rate, n, err)
		}
	}
}
