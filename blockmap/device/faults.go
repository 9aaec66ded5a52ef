package device

import (
	"io"
	"sort"
	"sync"

	"migimg/blockmap"
)

// maxFaults bounds how many ranges are remembered one by one.
const maxFaults = 10000

// Faults is a layer over a device that remembers what could not be read, and
// under ZeroFill answers zeros for it. It is safe for concurrent use.
type Faults struct {
	// Dev is the layer below.
	Dev *Device
	// ZeroFill answers zeros for unreadable sectors instead of the error; they
	// are counted all the same.
	ZeroFill bool

	mu     sync.Mutex
	ranges []blockmap.Range // disjoint, ascending
	more   int64            // bytes beyond maxFaults ranges
}

// ReadAt reads from the device.
func (f *Faults) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Dev.ReadAt(p, off)
	for err != nil && err != io.EOF && n < len(p) {
		at := off + int64(n)
		grain := f.Dev.grain()
		bad := blockmap.Range{Off: at / grain * grain, Len: grain}
		bad.Len = min(bad.Len, f.Dev.size-bad.Off)
		f.add(bad)
		if !f.ZeroFill {
			return n, err
		}
		m := int(min(bad.End()-at, int64(len(p)-n)))
		clear(p[n : n+m])
		if n += m; n == len(p) {
			return n, nil
		}
		m, err = f.Dev.ReadAt(p[n:], off+int64(n))
		n += m
	}
	return n, err
}

// ReadSpeculative reads from the device without keeping account of failures.
func (f *Faults) ReadSpeculative(p []byte, off int64) (int, error) { return f.Dev.ReadAt(p, off) }

var _ blockmap.Speculative = (*Faults)(nil)

func (f *Faults) add(r blockmap.Range) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := sort.Search(len(f.ranges), func(i int) bool { return f.ranges[i].End() >= r.Off })
	if i < len(f.ranges) && f.ranges[i].Off <= r.Off && f.ranges[i].End() >= r.End() {
		return
	}
	j := i
	for j < len(f.ranges) && f.ranges[j].Off <= r.End() {
		end := max(r.End(), f.ranges[j].End())
		r.Off = min(r.Off, f.ranges[j].Off)
		r.Len = end - r.Off
		j++
	}
	if i == j && len(f.ranges) >= maxFaults {
		f.more += r.Len
		return
	}
	f.ranges = append(f.ranges[:i], append([]blockmap.Range{r}, f.ranges[j:]...)...)
}

// Ranges returns what could not be read so far, ascending, and how many bytes
// more there were than are remembered one by one.
func (f *Faults) Ranges() (ranges []blockmap.Range, more int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]blockmap.Range(nil), f.ranges...), f.more
}
