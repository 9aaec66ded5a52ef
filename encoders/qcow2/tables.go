package qcow2

import (
	"encoding/binary"

	"migimg/blockmap"
	"migimg/encoders/layout"
)

// copied is bit 63 of an L1 or L2 entry: what it points to has a refcount of
// exactly one. qemu-img check calls its absence an error, and its presence in a
// refcount table entry one as well.
const copied = 1 << 63

// tables computes the image's tables.
type tables struct {
	geometry
	data    clusters
	touched *blockmap.Map // the disk in L2 ranges: which have an L2 table
	// place is the L2 entry of the k-th data cluster.
	place func(k int64) uint64
	// refs is how many L2 entries point to what lies in the i-th data cluster of the
	// file.
	refs func(i int64) uint16
}

// one is the refs of clusters that are not packed.
func one(int64) uint16 { return 1 }

// plain is the L2 entry of the k-th data cluster that is not packed.
func (g geometry) plain(k int64) uint64 { return uint64(g.dataOffset()+k*g.cluster) | copied }

// refcountTable points to the refcount blocks (spec, "Refcount table entry").
func (t tables) refcountTable() layout.Filler {
	return layout.Table(entryLen, func(p []byte, i int64) {
		if i < t.refBlocks {
			binary.BigEndian.PutUint64(p, uint64(t.refBlocksOffset()+i*t.cluster))
		}
	})
}

// refcountBlocks says of each cluster of the file how often it is used.
func (t tables) refcountBlocks() layout.Filler {
	first, used := t.dataOffset()/t.cluster, t.size()/t.cluster
	return layout.Table(refcountLen, func(p []byte, i int64) {
		switch {
		case i < first:
			binary.BigEndian.PutUint16(p, 1)
		case i < used:
			binary.BigEndian.PutUint16(p, t.refs(i-first))
		}
	})
}

// l1Table points to the L2 tables; 0 where the whole range is a hole.
func (t tables) l1Table() layout.Filler {
	return layout.Table(entryLen, func(p []byte, i int64) {
		if i < t.touched.Clusters() && t.touched.Carried(i) {
			binary.BigEndian.PutUint64(p, uint64(t.l2Offset()+t.touched.Rank(i)*t.cluster)|copied)
		}
	})
}

// l2Tables points to the data clusters; 0 for a hole, which reads as zeros as
// there is no backing file (spec, "Cluster mapping").
func (t tables) l2Tables() layout.Filler {
	return func(p []byte, off int64) {
		for len(p) > 0 {
			i, inner := off/t.cluster, off%t.cluster
			n := min(int64(len(p)), t.cluster-inner)
			t.l2Table(i)(p[:n], inner)
			p, off = p[n:], off+n
		}
	}
}

// l2Table is the i-th L2 table of the file, for one read: entries are asked for
// in ascending order, so that one rank serves them all.
func (t tables) l2Table(i int64) layout.Filler {
	first := t.touched.Select(i) * (t.cluster / entryLen)
	k := int64(-1)
	return layout.Table(entryLen, func(p []byte, i int64) {
		c := first + i
		if c >= t.data.total || !t.data.carried(c) {
			return
		}
		if k < 0 {
			k = t.data.rank(c)
		}
		binary.BigEndian.PutUint64(p, t.place(k))
		k++
	})
}
