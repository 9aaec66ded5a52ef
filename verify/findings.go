package verify

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"migimg/verify/decoder"
)

// maxReadErrors is after how many ranges that could not be read a check of the content
// stops as well: more would not change the verdict.
const maxReadErrors = 1000

// findings are what workers find wrong in the content of a disk.
type findings struct {
	d     decoder.Disk
	o     Options
	where func(int64) string

	mu       sync.Mutex // guards what follows, and what the owner counts
	problems []Problem
	fails    int
	unknown  int
	done     int64 // bytes of the disk
}

// located says where the problems are.
func (f *findings) located(found []Problem) []Problem {
	for i := range found {
		found[i].FileOffset = -1
		if found[i].Offset < f.d.Size() {
			found[i].FileOffset = f.d.Locate(found[i].Offset)
		}
		found[i].Where = f.where(found[i].Offset)
	}
	return found
}

// take keeps what was found in n bytes of the disk. It needs mu.
func (f *findings) take(found []Problem, n int64) {
	for _, p := range found {
		if p.Severity == decoder.Fail {
			f.fails++
		} else {
			f.unknown++
		}
	}
	f.problems = append(f.problems, found...)
	f.done += n
	if f.o.Progress != nil {
		f.o.Progress(f.done, f.d.Size())
	}
}

// stopped says that enough was found. It needs mu.
func (f *findings) stopped() bool { return f.fails >= f.o.MaxDiffs || f.unknown >= maxReadErrors }

// list gives the first ones, in order.
func (f *findings) list(ps *decoder.Problems) {
	slices.SortFunc(f.problems, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	listed := map[decoder.Severity]int{}
	for _, p := range f.problems {
		if listed[p.Severity]++; listed[p.Severity] <= f.o.MaxDiffs {
			ps.Add(p)
		}
	}
	for _, s := range []decoder.Severity{decoder.Fail, decoder.Unknown} {
		if n := listed[s] - f.o.MaxDiffs; n > 0 {
			ps.Add(Problem{Severity: s, Offset: -1, FileOffset: -1, What: fmt.Sprintf("%d more ranges like these", n)})
		}
	}
}

// sizes compares the virtual disk's size with what it must be. Whole grains are the
// only rounding that a format asks for; the rest is somebody's choice.
func (f *findings) sizes(ps *decoder.Problems, format string, want int64) {
	switch size := f.d.Size(); {
	case size < want:
		ps.Failf(-1, "the virtual disk has %d bytes, the source %d: the last %d are missing", size, want, want-size)
	case size == want, (format == VMDK || format == OVA) && size-want < 64<<10 && size%(64<<10) == 0:
	default:
		ps.Warnf(-1, "the virtual disk has %d bytes, the source %d", size, want)
	}
}
