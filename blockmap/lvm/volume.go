package lvm

import (
	"io"
	"iter"
	"sort"

	"migimg/blockmap"
)

// run is one segment of a logical volume: size bytes, dealt out in stripes of
// stripe bytes to the areas that begin at those bytes of the physical volume.
// With one area, the stripe is the whole run.
type run struct {
	size, stripe int64
	areas        []int64
}

// at is where byte off of the run lies on the physical volume, and how many bytes
// follow there (kernel, drivers/md/dm-stripe.c, stripe_map_sector).
func (r *run) at(off int64) (pos, n int64) {
	row, in := off/r.stripe, off%r.stripe
	k := int64(len(r.areas))
	return r.areas[row%k] + row/k*r.stripe + in, r.stripe - in
}

// volume is a logical volume. It is immutable.
type volume struct {
	parent blockmap.Volume
	runs   []run
	starts []int64 // of the runs
	size   int64
}

func newVolume(parent blockmap.Volume, runs []run) *volume {
	v := &volume{parent: parent, runs: runs}
	for _, r := range runs {
		v.starts = append(v.starts, v.size)
		v.size += r.size
	}
	return v
}

func (v *volume) Size() int64       { return v.size }
func (v *volume) SectorSize() int64 { return v.parent.SectorSize() }

// pieces yields where [off, off+n) lies on the physical volume, joined where
// neighbours touch.
func (v *volume) pieces(off, n int64) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		var last blockmap.Range
		i := sort.Search(len(v.starts), func(i int) bool { return v.starts[i] > off }) - 1
		for n > 0 && i < len(v.runs) {
			r := &v.runs[i]
			in := off - v.starts[i]
			if in >= r.size {
				i++
				continue
			}
			pos, k := r.at(in)
			k = min(k, n)
			if last.Len > 0 && last.End() == pos {
				last.Len += k
			} else {
				if last.Len > 0 && !yield(last) {
					return
				}
				last = blockmap.Range{Off: pos, Len: k}
			}
			off, n = off+k, n-k
		}
		if last.Len > 0 {
			yield(last)
		}
	}
}

// Ranges are those of the pieces on the device.
func (v *volume) Ranges(off, n int64) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		var last blockmap.Range
		for p := range v.pieces(off, n) {
			for r := range v.parent.Ranges(p.Off, p.Len) {
				if last.Len > 0 && last.End() == r.Off {
					last.Len += r.Len
					continue
				}
				if last.Len > 0 && !yield(last) {
					return
				}
				last = r
			}
		}
		if last.Len > 0 {
			yield(last)
		}
	}
}

func (v *volume) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= v.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), v.size-off)
	done := 0
	for r := range v.pieces(off, want) {
		n, err := v.parent.ReadAt(p[done:done+int(r.Len)], r.Off)
		done += n
		if int64(n) < r.Len {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}
