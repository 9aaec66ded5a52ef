package blockmap

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// Files is where on the device the contents of regular files lie: what of a
// running server's disk is not pinned, and whose data it is that moved. The zero
// value is empty. It is filled by one [Scan] and safe for concurrent use then.
type Files struct {
	extents []extent
	volumes []string
	longest int64 // extent, in bytes
}

// extent is a FileExtent in 48 bytes: there are millions.
type extent struct {
	off, len int64
	file     FileID
	at       int64
	volume   int32
}

// FileExtent is a run of a file's contents on the device.
type FileExtent struct {
	// Range is on the device, in bytes.
	Range
	// Volume is the name of the volume that the file lies in.
	Volume string
	// File is the file, and At the byte of it that the range begins with.
	File FileID
	At   int64
}

// Len is how many extents there are.
func (f *Files) Len() int { return len(f.extents) }

func (f *Files) add(x FileExtent) {
	if x.Len == 0 {
		return
	}
	if n := len(f.volumes); n == 0 || f.volumes[n-1] != x.Volume {
		f.volumes = append(f.volumes, x.Volume)
	}
	if len(f.extents) == cap(f.extents) { // twofold: append would copy millions five times
		f.extents = slices.Grow(f.extents, max(1<<10, len(f.extents)))
	}
	f.extents = append(f.extents, extent{x.Off, x.Len, x.File, x.At, int32(len(f.volumes) - 1)})
	f.longest = max(f.longest, x.Len)
}

// mark is for forget: what was added since then is forgotten.
func (f *Files) mark() int {
	if f == nil {
		return 0
	}
	return len(f.extents)
}

func (f *Files) forget(mark int) {
	if f != nil {
		f.extents = f.extents[:mark]
	}
}

func (f *Files) index() {
	if f == nil {
		return
	}
	slices.SortFunc(f.extents, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	f.extents = slices.Clip(f.extents)
}

// In yields the extents that have bytes in [off, off+n), by where they begin, cut
// to what lies inside.
func (f *Files) In(off, n int64) iter.Seq[FileExtent] {
	return func(yield func(FileExtent) bool) {
		i := sort.Search(len(f.extents), func(i int) bool { return f.extents[i].off > off-f.longest })
		for ; i < len(f.extents) && f.extents[i].off < off+n; i++ {
			x := f.extents[i]
			lo, hi := max(off, x.off), min(off+n, x.off+x.len)
			if lo < hi && !yield(FileExtent{Range{lo, hi - lo}, f.volumes[x.volume], x.file, x.at + lo - x.off}) {
				return
			}
		}
	}
}

// Pinned yields what of [off, off+n) the map carries and no file's contents are,
// ascending: what has to be copied while the filesystems are frozen. A sector
// that a file shares with anything else is in it.
func (f *Files) Pinned(m *Map, off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for r := range m.Ranges(off, n) {
			at := r.Off
			for x := range f.In(r.Off, r.Len) {
				// Inwards, to sectors: what a sector holds besides is no file's.
				lo, hi := (x.Off+maskBlock-1)/maskBlock*maskBlock, x.End()/maskBlock*maskBlock
				if lo > at && !yield(Range{at, lo - at}) {
					return
				}
				at = max(at, hi)
			}
			if at < r.End() && !yield(Range{at, r.End() - at}) {
				return
			}
		}
	}
}
