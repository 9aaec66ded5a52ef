package blockmap

// free takes the device range [off, off+n) out of the map, shrunk to whole
// sectors (to the device's end counts as whole).
func (m *Map) free(off, n int64) {
	a := (off + maskBlock - 1) / maskBlock
	b := (off + n) / maskBlock
	if off+n == m.size {
		b = (m.size + maskBlock - 1) / maskBlock
	}
	if a >= b {
		return // not one whole sector
	}
	per := m.cluster / maskBlock
	first, last := (a+per-1)/per, b/per // whole clusters
	if off+n == m.size {
		last = m.bits.n
	}
	if first >= last { // inside one cluster, or the ends of two neighbours
		if a/per == (b-1)/per {
			m.freeSectors(a/per, a%per, (b-1)%per+1)
			return
		}
		m.freeSectors(a/per, a%per, per)
		m.freeSectors(b/per, 0, b%per)
		return
	}
	m.freeSectors(first-1, per-(first*per-a), per)
	m.bits.clearRange(first, last)
	m.masks.dropRange(first, last)
	m.freeSectors(last, 0, b-last*per)
}

// freeSectors frees the sectors [i, j) of cluster c.
func (m *Map) freeSectors(c, i, j int64) {
	if i >= j || c < 0 || c >= m.bits.n || !m.bits.get(c) {
		return
	}
	k := m.masks.ensure(c)
	if k == nil {
		return
	}
	k.setRange(i, j)
	if k.count() >= m.sectorsIn(c) {
		m.bits.clear(c)
		m.masks.drop(c)
	}
}

// sectorsIn is how many sectors of cluster c lie on the device.
func (m *Map) sectorsIn(c int64) int64 {
	left := (m.size - c*m.cluster + maskBlock - 1) / maskBlock
	return min(left, m.cluster/maskBlock)
}

// carry puts the device range [off, off+n) back into the map, widened to whole
// sectors.
func (m *Map) carry(off, n int64) {
	if n <= 0 {
		return
	}
	per := m.cluster / maskBlock
	a, b := off/maskBlock, (off+n+maskBlock-1)/maskBlock
	first, last := (a+per-1)/per, b/per // whole clusters
	if off+n >= m.size {
		b, last = (m.size+maskBlock-1)/maskBlock, m.bits.n
	}
	if first < last {
		m.bits.setRange(first, last)
		m.masks.dropRange(first, last)
	}
	if first > last { // inside one cluster
		m.carrySectors(last, a%per, b%per)
		return
	}
	if a%per != 0 {
		m.carrySectors(a/per, a%per, per)
	}
	m.carrySectors(last, 0, b-last*per)
}

// carrySectors carries the sectors [i, j) of cluster c.
func (m *Map) carrySectors(c, i, j int64) {
	if i >= j || c >= m.bits.n {
		return
	}
	j = min(j, m.sectorsIn(c))
	k := m.masks.get(c)
	if !m.bits.get(c) {
		m.bits.set(c)
		if k = m.masks.ensure(c); k != nil {
			k.setRange(0, m.sectorsIn(c))
		}
	}
	if k == nil {
		return // all of it is carried
	}
	k.clearRange(i, j)
	if k.count() == 0 {
		m.masks.drop(c)
	}
}
