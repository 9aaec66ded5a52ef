package layout

import "sort"

// Table is the Filler of a table of equal entries of width bytes each: put
// writes entry i to p, which is width zeros when it is called. Within a fill it
// is called for consecutive entries, ascending. Entries beyond what the format
// uses are put's to leave as they are. A table is computed for the range that is
// read and never held.
func Table(width int64, put func(p []byte, i int64)) Filler {
	return func(p []byte, off int64) {
		i, skip := off/width, off%width
		if skip != 0 {
			n := copy(p, entry(width, i, put)[skip:])
			p, i = p[n:], i+1
		}
		for ; int64(len(p)) >= width; i++ {
			clear(p[:width])
			put(p[:width], i)
			p = p[width:]
		}
		if len(p) > 0 {
			copy(p, entry(width, i, put))
		}
	}
}

// entry is one whole entry, for reads that begin or end inside it.
func entry(width, i int64, put func(p []byte, i int64)) []byte {
	b := make([]byte, width)
	put(b, i)
	return b
}

// Run is the Run function of records whose device ranges are unit bytes long,
// ascend and never overlap. It looks at a few of them only, so that a read in
// the middle of a run of millions costs no more than one in a short run.
func Run(unit, count int64, device func(k int64) int64) func(k, max int64) int64 {
	return func(k, most int64) int64 {
		most = max(1, min(most, count-k))
		first := device(k)
		together := func(n int64) bool { return device(k+n-1)-first == (n-1)*unit }
		if together(most) {
			return most
		}
		// The ranges ascend without overlapping: where n of them are not together,
		// more are not either.
		return int64(sort.Search(int(most-1), func(i int) bool { return !together(int64(i) + 2) })) + 1
	}
}
