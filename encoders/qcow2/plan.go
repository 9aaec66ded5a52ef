// Package qcow2 plans QEMU's copy-on-write image, version 3 (or 2), without any
// feature bit: what every importer that knows qcow2 can read.
//
//	header | refcount table | refcount blocks | L1 table | L2 tables | data
//
// All pieces are whole clusters. Data clusters lie in the order of the disk,
// and only those that the map carries exist; L2 tables exist for the ranges of
// the disk in which there is data. So the place of each is a rank in a bitmap,
// and no table is ever held: all of them are computed for the range being read.
//
// The format: "Qcow2 Image File Format", docs/interop/qcow2.rst in QEMU.
package qcow2

import (
	"fmt"

	"migimg/encoders"
	"migimg/encoders/layout"
)

// Encoder plans disk.qcow2. The zero value is ready.
type Encoder struct{}

var _ encoders.Encoder = Encoder{}

// Name is "qcow2".
func (Encoder) Name() string { return "qcow2" }

const (
	defaultCluster = 64 << 10
	minCluster     = 4 << 10
	maxCluster     = 2 << 20 // QEMU opens no larger ones

	sector = 512
)

// Plan lays out disk.qcow2 with clusters of o.ClusterSize. The virtual size is
// the disk's, rounded up to a sector of 512 bytes: QEMU counts the disk in
// these, rounding down (block/qcow2.c, qcow2_do_open).
func (Encoder) Plan(d encoders.Disk, o encoders.Options) ([]encoders.Output, error) {
	data, err := dataClusters(d, o)
	if err != nil {
		return nil, err
	}
	cs := data.size
	touched := d.Map.Coarsen(cs * (cs / entryLen))
	g, err := newGeometry(d.Map.Size(), cs, touched.Count(), data.count)
	if err != nil {
		return nil, err
	}
	t := tables{geometry: g, data: data, touched: touched, place: g.plain, refs: one}
	version, err := version(o)
	if err != nil {
		return nil, err
	}

	b := t.builder(g.header(version))
	b.Append(layout.Segment{Name: "data clusters", Rec: &layout.Records{
		Count:  data.count,
		Unit:   cs,
		Device: data.device,
		Run:    layout.Run(cs, data.count, data.device),
		Parts:  []layout.Part{{Name: "data cluster", Kind: layout.Data, Len: cs}},
	}})
	return []encoders.Output{{Path: "disk.qcow2", Layout: b.Layout(), Format: "qcow2", VirtualSize: g.virtual}}, nil
}

// version is that of the format.
func version(o encoders.Options) (int, error) {
	switch o.QCOW2Version {
	case 0, 3:
		return 3, nil
	case 2:
		return 2, nil
	}
	return 0, fmt.Errorf("qcow2: version %d: it is 2 or 3", o.QCOW2Version)
}

// dataClusters is the disk in clusters of the size that is asked for.
func dataClusters(d encoders.Disk, o encoders.Options) (clusters, error) {
	cs := o.ClusterSize
	if cs == 0 {
		cs = defaultCluster
	}
	if cs < minCluster || cs > maxCluster || cs&(cs-1) != 0 {
		return clusters{}, fmt.Errorf("qcow2: cluster size %d: it is a power of two from %d to %d", cs, minCluster, maxCluster)
	}
	return newClusters(d.Map, cs)
}

// builder has all that comes before the data.
func (t tables) builder(header []byte) *layout.Builder {
	var b layout.Builder
	b.Append(layout.MetaBytes("header", header))
	b.Pad("header padding", t.cluster)
	b.Append(layout.Segment{Name: "refcount table", Kind: layout.Meta, Len: t.refTable * t.cluster, Fill: t.refcountTable()})
	b.Append(layout.Segment{Name: "refcount blocks", Kind: layout.Meta, Len: t.refBlocks * t.cluster, Fill: t.refcountBlocks()})
	b.Append(layout.Segment{Name: "l1 table", Kind: layout.Meta, Len: t.l1 * t.cluster, Fill: t.l1Table()})
	b.Append(layout.Segment{Name: "l2 tables", Kind: layout.Meta, Len: t.l2 * t.cluster, Fill: t.l2Tables()})
	return &b
}
