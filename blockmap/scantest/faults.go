package scantest

import (
	"errors"
	"io"
	"sync"
	"testing"

	"migimg/blockmap"
)

var errFault = errors.New("injected read error")

// faulty fails its n-th read, counted from 1; with bad, every read of what the
// n-th would have read the first byte of fails from then on, as that of a bad
// sector does.
type faulty struct {
	r   io.ReaderAt
	n   int
	bad bool

	mu    sync.Mutex
	reads int
	at    int64 // the bad byte, once it is known
}

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	f.reads++
	now := f.reads == f.n
	if now {
		f.at = off
	}
	fails := now || f.bad && f.reads > f.n && f.n > 0 && off <= f.at && f.at < off+int64(len(p))
	f.mu.Unlock()
	if fails {
		return 0, errFault
	}
	return f.r.ReadAt(p, off)
}

// maxFaults is how many of a scan's reads are made to fail, one at a time.
const maxFaults = 40

// faults lets one read after the other fail. What is read in vain, or again in
// other pieces, may leave the map as it is; a map that is larger must say why.
func (x *trial) faults(t *testing.T) {
	want := freeRanges(x.m, x.size)
	count := &faulty{r: x.file}
	x.scan(t, blockmap.Bytes(count, x.size, 512))
	for n := 1; n <= count.reads; n += max(1, count.reads/maxFaults) {
		for _, bad := range []bool{false, true} {
			f := &faulty{r: x.file, n: n, bad: bad}
			m, info := x.scan(t, blockmap.Bytes(f, x.size, 512))
			got := freeRanges(m, x.size)
			if wrong := minus(got, want); len(wrong) > 0 {
				t.Errorf("read %d of %d fails: %d bytes more are free, first %v", n, count.reads, total(wrong), wrong[0])
			}
			if total(got) < total(want) && info.Whole == "" && len(info.Warnings) == len(x.info.Warnings) {
				t.Errorf("read %d of %d fails, the map is larger, and nothing is said of it", n, count.reads)
			}
		}
	}
}
