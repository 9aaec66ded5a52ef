package ptable

import (
	"cmp"
	"fmt"
	"slices"

	"migimg/blockmap"
)

// checkRegion holds the partitions of one region (the disk, an extended
// partition) to what makes freeing inside them safe: they lie in the region, and
// overlap neither one another nor the sectors of the table itself. With an
// overlap, one partition's free space may be another's data.
func (t *Table) checkRegion(where string, region blockmap.Range, parts []Partition, table []blockmap.Range) {
	type claim struct {
		blockmap.Range
		name string
		own  bool // the table's own sectors, which may be named twice
	}
	var claims []claim
	for _, p := range parts {
		name := fmt.Sprintf("partition %d", p.Number)
		if p.Start < region.Off || p.Start >= region.End() {
			t.broken("%s begins at byte %d, outside of %s (%d to %d); if this is an image, it may be truncated", name, p.Start, where, region.Off, region.End())
		} else if p.Size > region.End()-p.Start {
			t.broken("%s ends at byte %d, beyond the end of %s at %d; if this is an image, it may be truncated", name, p.end(), where, region.End())
		}
		claims = append(claims, claim{blockmap.Range{Off: p.Start, Len: p.Size}, name, false})
	}
	for _, r := range table {
		claims = append(claims, claim{r, "the partition table", true})
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.Off, b.Off), cmp.Compare(a.Len, b.Len))
	})
	last := claim{} // of those before, the one that reaches furthest
	for _, c := range claims {
		if c.Len > 0 && c.Off < last.End() && !(c.own && last.own) {
			t.broken("%s (from byte %d) overlaps %s (to byte %d)", c.name, c.Off, last.name, last.End())
		}
		if c.End() > last.End() {
			last = c
		}
	}
}
