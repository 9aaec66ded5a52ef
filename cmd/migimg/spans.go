package main

import (
	"iter"
	"slices"

	"migimg/blockmap"
)

// spans are ranges of the device, ascending, that neither overlap nor touch.
type spans []blockmap.Range

// spansOf collects ranges that ascend.
func spansOf(ranges iter.Seq[blockmap.Range]) (s spans) {
	for r := range ranges {
		s.add(r)
	}
	return s
}

// add appends a range that begins nowhere before the last one.
func (s *spans) add(r blockmap.Range) {
	n := len(*s)
	switch {
	case r.Len <= 0:
	case n > 0 && r.Off <= (*s)[n-1].End():
		last := &(*s)[n-1]
		last.Len = max(last.End(), r.End()) - last.Off
	default:
		*s = append(*s, r)
	}
}

func (s spans) bytes() (n int64) {
	for _, r := range s {
		n += r.Len
	}
	return n
}

// union is what is in either.
func (s spans) union(o spans) (out spans) {
	for len(s) > 0 || len(o) > 0 {
		if len(o) == 0 || len(s) > 0 && s[0].Off <= o[0].Off {
			out.add(s[0])
			s = s[1:]
		} else {
			out.add(o[0])
			o = o[1:]
		}
	}
	return out
}

// within is what is in both.
func (s spans) within(o spans) (out spans) {
	for len(s) > 0 && len(o) > 0 {
		lo, hi := max(s[0].Off, o[0].Off), min(s[0].End(), o[0].End())
		out.add(blockmap.Range{Off: lo, Len: hi - lo})
		if s[0].End() < o[0].End() {
			s = s[1:]
		} else {
			o = o[1:]
		}
	}
	return out
}

// without is what is in s alone.
func (s spans) without(o spans) (out spans) {
	for _, r := range s {
		at := r.Off
		i, _ := slices.BinarySearchFunc(o, r.Off, func(x blockmap.Range, off int64) int {
			if x.End() <= off {
				return -1
			}
			return 1
		})
		for ; i < len(o) && o[i].Off < r.End(); i++ {
			out.add(blockmap.Range{Off: at, Len: o[i].Off - at})
			at = o[i].End()
		}
		out.add(blockmap.Range{Off: at, Len: r.End() - at})
	}
	return out
}
