package vmdk

import (
	"migimg/encoders"
	"migimg/encoders/layout"
)

// Sparse plans disk.vmdk as a monolithicSparse disk, the kind that Workstation
// and VirtualBox run from, and that OCI and OpenStack take:
//
//	header | descriptor | directory, tables | directory, tables | grains
//
// Grains are the disk's bytes as they are; their places and the second copy of
// directory and tables are all that differs from [Encoder]. ESXi refuses this
// kind. The zero value is ready.
type Sparse struct{}

var _ encoders.Encoder = Sparse{}

// Name is "vmdk-sparse".
func (Sparse) Name() string { return "vmdk-sparse" }

// Plan lays out disk.vmdk. The virtual size and the limits are those of
// [Encoder].
func (Sparse) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	m := d.Map
	if err := limits(m); err != nil {
		return nil, err
	}
	grains := m.Coarsen(grain)
	g := newSparseGeometry(m.Size(), grains.Count())
	if err := fileLimit(g.size()); err != nil {
		return nil, err
	}
	t := tables{grains: grains, tables: g.tables, grainSector: g.grainSector}

	var b layout.Builder
	b.Append(layout.MetaBytes("header", kind{
		version:     1,
		flags:       flagLineEnds | flagRedundant,
		redundantAt: directoryAt,
		directoryAt: directoryAt + g.metadata(),
		overhead:    g.grainSector(0),
	}.header(g.virtual)))
	b.Append(layout.MetaBytes("descriptor", embedded(descriptor(g.virtual, "monolithicSparse", sparse(fileName), d.Identity))))
	for i, copy := range []string{"redundant ", ""} {
		table := func(n int64) int64 {
			return directoryAt + int64(i)*g.metadata() + g.directory + n*(tableLen/sector)
		}
		b.Append(layout.Segment{Name: copy + "grain directory", Kind: layout.Meta, Len: g.directory * sector, Fill: t.directoryFiller(table)})
		b.Append(layout.Segment{Name: copy + "grain tables", Kind: layout.Meta, Len: g.tables * tableLen, Fill: t.tableFiller()})
	}
	b.Pad("padding", grain)
	device := func(k int64) int64 { return grains.Select(k) * grain }
	b.Append(layout.Segment{Name: "grains", Rec: &layout.Records{
		Count:  g.data,
		Unit:   grain,
		Device: device,
		Run:    layout.Run(grain, g.data, device),
		Parts:  []layout.Part{{Name: "grain", Kind: layout.Data, Len: grain}},
	}})
	return []encoders.Output{{Path: fileName, Layout: b.Layout(), Format: "vmdk", VirtualSize: g.virtual}}, nil
}

// sparseGeometry is the arithmetic of a monolithicSparse file: the counts are
// those of a streamOptimized one.
type sparseGeometry struct{ geometry }

func newSparseGeometry(size, data int64) sparseGeometry {
	g, _ := newGeometry(size, data) // its limit is that of another file
	return sparseGeometry{g}
}

// metadata is how many sectors a directory and its tables have.
func (g sparseGeometry) metadata() int64 { return g.directory + g.tables*(tableLen/sector) }

// grainSector is where the k-th grain in the file begins: at a multiple of its
// length.
func (g sparseGeometry) grainSector(k int64) int64 {
	return (ceil(directoryAt+2*g.metadata(), grainSectors) + k) * grainSectors
}

// size is the length of the file in bytes.
func (g sparseGeometry) size() int64 { return g.grainSector(g.data) * sector }
