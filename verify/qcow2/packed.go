package qcow2

// maxShared bounds the file in which compressed clusters are counted: one count
// of 2 bytes for each cluster, 64 MiB.
const maxShared = 32 << 20

// packed counts how often the file's clusters hold a part of a compressed guest
// cluster. Several lie in one, so that its refcount is more than 1.
type packed struct {
	end     int64    // bytes: the end of the last sector of compressed data
	shared  []uint16 // nil where there are none
	tooMany bool
}

// span is where a compressed guest cluster lies: the low bits of the entry are
// its offset, the bits above them how many sectors it touches after the first
// one.
func (h *header) span(e uint64) (off, end int64) {
	x := 62 - (h.clusterBits - 8)
	off = int64(e & (1<<x - 1))
	sectors := int64(e >> x & (1<<(h.clusterBits-8) - 1))
	return off, off&^511 + (sectors+1)*512
}

// pack takes in the L2 entry of a compressed cluster.
func (c *checker) pack(e uint64, at int64) {
	p := &c.packed
	if e&copied != 0 {
		c.ps.Failf(at, "qcow2: L2 entry %#x: compressed, and bit 63 as well", e)
	}
	off, end := c.h.span(e)
	if off == 0 || end > c.f.Size {
		if c.beyond++; c.beyond == 1 {
			c.ps.Failf(at, "qcow2: compressed cluster in bytes %d to %d, but the file ends at %d: a short copy or a damaged entry", off, end, c.f.Size)
		}
		return
	}
	p.end = max(p.end, end)
	c.end = max(c.end, (end+c.h.cluster()-1)&^(c.h.cluster()-1))
	if c.clusters > maxShared {
		if !p.tooMany {
			c.ps.Unknownf(at, "qcow2: compressed clusters in a file of %d clusters: their refcounts are not checked", c.clusters)
		}
		p.tooMany = true
		return
	}
	if p.shared == nil {
		p.shared = make([]uint16, c.clusters)
	}
	for k := off >> c.h.clusterBits; k <= (end-1)>>c.h.clusterBits; k++ {
		if p.shared[k] < 1<<16-1 {
			p.shared[k]++
		}
	}
}

// of is how many compressed clusters have a part in file cluster k.
func (p *packed) of(k int64) uint64 {
	if k < int64(len(p.shared)) {
		return uint64(p.shared[k])
	}
	return 0
}
