package verify

import (
	"fmt"

	"migimg/verify/decoder"
	"migimg/verify/ptable"
)

// partitions reads the partition table out of the image and holds it against
// the source's. The table is nil where there is none to go by.
func partitions(d decoder.Disk, src *Source) (*ptable.Table, Aspect) {
	if d == nil {
		return nil, Aspect{Name: PartitionTable, Status: Unknown, Summary: "the image cannot be decoded"}
	}
	ps := &decoder.Problems{}
	t, err := ptable.Read(d, d.Size())
	if err != nil {
		ps.Err(-1, "image", err)
		return nil, NewAspect(PartitionTable, "cannot be read", ps)
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
			ps.Unknownf(-1, "%s: without the source it is not known whether the image is to blame", b)
		}
		return t, NewAspect(PartitionTable, summary, ps)
	}
	st, err := ptable.Read(src.R, src.Size)
	if err != nil {
		ps.Unknownf(-1, "source: %v", err)
		for _, b := range t.Broken {
			ps.Unknownf(-1, "%s", b)
		}
		return t, NewAspect(PartitionTable, summary, ps)
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
	return t, NewAspect(PartitionTable, summary, ps)
}

// where gives the names for offsets.
func (o Options) where(t *ptable.Table) func(int64) string {
	if src := o.Source; src != nil {
		if src.Where != nil {
			return func(off int64) string {
				if off >= src.Size {
					return "after the source's end"
				}
				return src.Where(off)
			}
		}
	}
	if t == nil {
		return func(int64) string { return "" }
	}
	return t.At
}
