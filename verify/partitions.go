package verify

import (
	"fmt"
	"math"

	"migimg/verify/decoder"
	"migimg/verify/ptable"
)

// partitions judges the partition table that was read out of the image, or the error of
// that: against the source's, or, where there is none, by whether the content has proven
// to be the source's.
func partitions(t *ptable.Table, err error, src *Source, proven bool) Aspect {
	ps := &decoder.Problems{}
	if err != nil {
		ps.Err(-1, "image", err)
		return NewAspect(PartitionTable, "cannot be read", ps)
	}
	summary := t.Kind
	if t.Kind != ptable.None {
		summary = fmt.Sprintf("%s, %d partitions", t.Kind, len(t.Partitions))
	}
	for _, odd := range t.Odd {
		ps.Warnf(-1, "%s", odd)
	}
	if src == nil {
		for _, b := range t.Broken {
			if proven {
				ps.Warnf(-1, "%s, as in the source", b)
			} else {
				ps.Unknownf(-1, "%s: without the source it is not known whether the image is to blame", b)
			}
		}
		return NewAspect(PartitionTable, summary, ps)
	}
	st, err := ptable.Read(src.R, src.Size)
	if err != nil {
		ps.Unknownf(-1, "source: %v", err)
		for _, b := range t.Broken {
			ps.Unknownf(-1, "%s", b)
		}
		return NewAspect(PartitionTable, summary, ps)
	}
	for _, diff := range st.Diff(t) {
		ps.Failf(-1, "%s", diff)
	}
	was := map[string]bool{}
	for _, b := range st.Broken {
		was[b] = true
	}
	for _, b := range t.Broken {
		if len(st.Broken) == 0 {
			ps.Failf(-1, "%s; the source's table is sound", b)
		} else if was[b] {
			ps.Warnf(-1, "%s, as in the source", b)
		} else {
			ps.Warnf(-1, "%s; the source's table is broken as well", b)
		}
	}
	if len(st.Broken) == 0 && st.Kind != ptable.None && ps.Count(decoder.Fail) == 0 {
		summary += ", the source's"
	}
	return NewAspect(PartitionTable, summary, ps)
}

// where gives the names for offsets.
func (o Options) where(t *ptable.Table) func(int64) string {
	name, size := func(int64) string { return "" }, int64(math.MaxInt64)
	switch {
	case o.Source != nil && o.Source.Where != nil:
		name, size = o.Source.Where, o.Source.Size
	case o.Proof != nil && o.Proof.Where != nil:
		name, size = o.Proof.Where, o.Proof.disk().Size
	case t != nil:
		return t.At
	}
	return func(off int64) string {
		if off >= size {
			return "after the source's end"
		}
		return name(off)
	}
}
