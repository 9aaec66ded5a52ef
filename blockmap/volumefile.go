package blockmap

import (
	"fmt"
	"io"
	"sort"
)

// File is a volume by itself, as a file of its bytes.
type File struct {
	view   io.ReaderAt
	extent func(off int64) (n int64, carried bool)
	ranges []Range
	starts []int64 // where each range begins in the volume
	size   int64
}

// File reads the volume through view, the device as [NewView] shows it. extent says how
// many bytes from an offset of the device on are alike, and whether they are carried; see
// [Map.Extent]. It fails for a volume whose ranges are not all of it.
func (v *VolumeInfo) File(view io.ReaderAt, extent func(off int64) (n int64, carried bool)) (*File, error) {
	f := &File{view: view, extent: extent, ranges: v.ranges, size: v.Size}
	at := int64(0)
	for _, r := range v.ranges {
		f.starts = append(f.starts, at)
		at += r.Len
	}
	if at != v.Size {
		return nil, fmt.Errorf("volume %s: %d of %d bytes lie on the device", v.Name, at, v.Size)
	}
	return f, nil
}

// Size is the volume's size in bytes.
func (f *File) Size() int64 { return f.size }

// at finds the device range behind off: its index and the rest of it.
func (f *File) at(off int64) Range {
	i := sort.Search(len(f.starts), func(i int) bool { return f.starts[i] > off }) - 1
	in := off - f.starts[i]
	return Range{f.ranges[i].Off + in, f.ranges[i].Len - in}
}

// ReadAt reads as io.ReaderAt has it.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at %d: a negative offset", off)
	}
	n := 0
	for n < len(p) && off < f.size {
		r := f.at(off)
		part := p[n : n+int(min(r.Len, int64(len(p)-n)))]
		m, err := f.view.ReadAt(part, r.Off)
		n, off = n+m, off+int64(m)
		if m < len(part) {
			return n, orEOF(err)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Extent is how many bytes from off on, at least 1, are alike to the cluster,
// and whether they are carried. off must lie inside the volume.
func (f *File) Extent(off int64) (n int64, carried bool) {
	r := f.at(off)
	n, carried = f.extent(r.Off)
	return min(n, r.Len), carried
}
