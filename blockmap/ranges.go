package blockmap

import "iter"

// Bytes is how many bytes are carried when the free sectors of partly free
// clusters are left out.
func (m *Map) Bytes() int64 { return m.BytesIn(0, m.size) }

// BytesIn is Bytes of the device range [off, off+n).
func (m *Map) BytesIn(off, n int64) (total int64) {
	for r := range m.Ranges(off, n) {
		total += r.Len
	}
	return total
}

// Ranges yields the carried ranges within [off, off+n) to the sector, ascending
// and maximal.
func (m *Map) Ranges(off, n int64) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		if off < 0 || off >= m.size || n <= 0 {
			return
		}
		end := off + min(n, m.size-off)
		run := Range{Off: off} // what is waiting to be joined with its neighbour
		add := func(a, b int64) bool {
			a, b = max(a, off), min(b, end)
			if a >= b {
				return true
			}
			if run.Len > 0 && run.End() == a {
				run.Len += b - a
				return true
			}
			ok := run.Len == 0 || yield(run)
			run = Range{a, b - a}
			return ok
		}
		last := (end + m.cluster - 1) / m.cluster
		for c := m.bits.nextBefore(off/m.cluster, last, true); c < last; c = m.bits.nextBefore(c, last, true) {
			stop := m.bits.nextBefore(c, last, false)
			for c < stop {
				whole := m.wholeUntil(c, stop)
				if whole > c {
					if !add(c*m.cluster, whole*m.cluster) {
						return
					}
					c = whole
					continue
				}
				if !m.maskedRanges(c, add) {
					return
				}
				c++
			}
		}
		if run.Len > 0 {
			yield(run)
		}
	}
}

// wholeUntil is the first cluster in [c, stop) that has a mask, or stop.
func (m *Map) wholeUntil(c, stop int64) int64 {
	if m.masks == nil {
		return stop
	}
	for c < stop {
		groupEnd := min(stop, (c/groupClusters+1)*groupClusters)
		if g := m.masks.groups[c/groupClusters]; g != nil {
			if i, _ := g.find(c); i < len(g.low) {
				return min(groupEnd, c/groupClusters*groupClusters+int64(g.low[i]))
			}
		}
		c = groupEnd
	}
	return stop
}

// maskedRanges adds the carried sectors of cluster c, which has a mask.
func (m *Map) maskedRanges(c int64, add func(a, b int64) bool) bool {
	k := m.masks.get(c)
	sectors := m.cluster / maskBlock
	for i := k.next(0, sectors, false); i < sectors; {
		j := k.next(i, sectors, true)
		if !add(c*m.cluster+i*maskBlock, c*m.cluster+j*maskBlock) {
			return false
		}
		i = k.next(j, sectors, false)
	}
	return true
}
