package blockmap

// inside says that a mark in v is that of a volume inside it. At the volume's end
// that is a question of the place alone. At its start, where a mark of long ago
// may lie in any partition, the inner volume must begin where v does, so that the
// mark means the same in both: as in a RAID1 member with its superblock at the end.
func inside(v Volume, sc Scanner, m mark) bool {
	c, ok := sc.(Container)
	return ok && (m.atEnd || c.Holds(v, 0)) && c.Holds(v, m.off)
}

// outermost leaves of several scanners the one whose inner volumes hold all that
// the others go by; the others will find it there. It leaves all of them where
// there is no such one, or more than one.
func outermost(v Volume, found []Scanner, marks []mark) []Scanner {
	if len(found) < 2 {
		return found
	}
	var outer []Scanner
	for i, o := range found {
		ok := true
		for j, other := range found {
			ok = ok && (i == j || allInside(v, o, other, marks) && !endInside(v, other, o, marks))
		}
		if ok {
			outer = append(outer, o)
		}
	}
	if len(outer) == 1 {
		return outer
	}
	return found
}

// allInside says that all marks of other's format are inside of outer's volumes.
// A format without marks, a partition table, goes by the first sector.
func allInside(v Volume, outer, other Scanner, marks []mark) bool {
	known := false
	for _, m := range marks {
		if m.name == other.Name() {
			known = true
			if !inside(v, outer, m) {
				return false
			}
		}
	}
	return known || inside(v, outer, mark{other.Name(), 0, false})
}

// endInside says that a mark of other's format at the volume's end is inside of
// outer's volumes. Then it cannot be other's volume that outer's format is in,
// which ends before that mark.
func endInside(v Volume, outer, other Scanner, marks []mark) bool {
	for _, m := range marks {
		if m.name == other.Name() && m.atEnd && inside(v, outer, m) {
			return true
		}
	}
	return false
}
