package blockmap

import (
	"io"
	"iter"
	"sort"
)

// Run is a part of a volume that is made of others: Size bytes, dealt out in stripes
// of Stripe bytes to the areas. With one area, the stripe is the whole run.
type Run struct {
	Size, Stripe int64
	Areas        []Area
}

// Area is where a run's share of a volume begins, in bytes.
type Area struct {
	In  Volume
	Off int64
}

// at is where byte off of the run lies, and how many bytes follow there (kernel,
// drivers/md/dm-stripe.c, stripe_map_sector).
func (r *Run) at(off int64) (a Area, n int64) {
	row, in := off/r.Stripe, off%r.Stripe
	k := int64(len(r.Areas))
	a = r.Areas[row%k]
	a.Off += row/k*r.Stripe + in
	return a, r.Stripe - in
}

// Compose is the volume of the runs, one after the other: a logical volume, an array.
// The areas lie in their volumes. copies hold the same bytes, each of them all; see
// [Copied].
func Compose(runs []Run, copies ...Volume) Volume {
	v := &composed{runs: runs, copies: copies}
	for i, r := range runs {
		v.starts = append(v.starts, v.size)
		v.size += r.Size
		for j, a := range r.Areas {
			if n := a.In.SectorSize(); i+j == 0 {
				v.sector = n
			} else if n != v.sector {
				v.sector = 0
			}
		}
	}
	return v
}

// Copied is what a volume is, besides, whose bytes are elsewhere, too: that of a
// mirror. It is scanned once. What is free in it is free in the copies.
type Copied interface {
	Volume
	// Copies are volumes of the same size.
	Copies() []Volume
}

// composed is immutable.
type composed struct {
	runs         []Run
	starts       []int64 // of the runs
	size, sector int64
	copies       []Volume
}

var _ Copied = (*composed)(nil)

func (v *composed) Size() int64       { return v.size }
func (v *composed) SectorSize() int64 { return v.sector } // 0 where those of its parts differ
func (v *composed) Copies() []Volume  { return v.copies }

// piece is n bytes of an area.
type piece struct {
	Area
	n int64
}

// pieces yields where [off, off+n) lies, joined where neighbours touch.
func (v *composed) pieces(off, n int64) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		var last piece
		i := sort.Search(len(v.starts), func(i int) bool { return v.starts[i] > off }) - 1
		for n > 0 && i < len(v.runs) {
			r := &v.runs[i]
			in := off - v.starts[i]
			if in >= r.Size {
				i++
				continue
			}
			a, k := r.at(in)
			k = min(k, n)
			if last.n > 0 && last.In == a.In && last.Off+last.n == a.Off {
				last.n += k
			} else {
				if last.n > 0 && !yield(last) {
					return
				}
				last = piece{a, k}
			}
			off, n = off+k, n-k
		}
		if last.n > 0 {
			yield(last)
		}
	}
}

// Ranges are those of the pieces on the device.
func (v *composed) Ranges(off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		var last Range
		for p := range v.pieces(off, n) {
			for r := range p.In.Ranges(p.Off, p.n) {
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

func (v *composed) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= v.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), v.size-off)
	done := 0
	for r := range v.pieces(off, want) {
		n, err := r.In.ReadAt(p[done:done+int(r.n)], r.Off)
		done += n
		if int64(n) < r.n {
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
