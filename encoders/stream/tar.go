package stream

import (
	"fmt"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/layout"
	"migimg/encoders/tarblock"
)

// Tar plans disk.tar, or disk.raw.tar.gz: an archive with one sparse member,
// disk.raw, as Google Cloud imports it. The zero value is not packed into gzip.
type Tar struct {
	Gzip bool
}

var _ encoders.Compressor = Tar{}

// Name is "tar" or "tar.gz".
func (t Tar) Name() string {
	if t.Gzip {
		return "tar.gz"
	}
	return "tar"
}

func (t Tar) framing() (framing, string) {
	if t.Gzip {
		return gzipped{}, "disk.raw.tar.gz"
	}
	return plain{}, "disk.tar"
}

// Plan lays the archive out. It never fails.
func (t Tar) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	return t.outputs(d.Map, nil)
}

// Units are MiBs of the disk; none where the archive is not in gzip.
func (t Tar) Units(d encoders.Disk, _ encoders.Options, m compress.Method) (compress.Units, compress.Packing, error) {
	if !t.Gzip {
		return compress.Units{}, compress.Packing{Name: "none", Unit: packedUnit}, nil
	}
	return units(d.Map), gzipped{}.packing(m, packedUnit), nil
}

// PlanPacked is Plan with what is carried packed.
func (t Tar) PlanPacked(d encoders.Disk, o encoders.Options, _ compress.Method, l *compress.Lengths) ([]encoders.Output, error) {
	if !t.Gzip {
		return t.Plan(d, o)
	}
	return t.outputs(d.Map.Coarsen(packedUnit), l)
}

// outputs is the archive of a disk in m's clusters; l is nil where none is packed.
func (t Tar) outputs(m *blockmap.Map, l *compress.Lengths) ([]encoders.Output, error) {
	f, path := t.framing()
	whole := m.Rank(m.Size() / m.ClusterSize()) // the carried ones of full length
	if l != nil && l.Count() != whole {
		return nil, fmt.Errorf("tar: %d units were measured, not %d", l.Count(), whole)
	}
	archive := t.archive(m, f, whole, l)
	if f.summed() {
		archive.Append(layout.MetaBytes("end", f.end()))
		archive.Append(checksum(t.archive(m, plain{}, whole, nil).Layout()))
	}
	return []encoders.Output{{Path: path, Layout: archive.Layout(), Format: t.Name(), VirtualSize: m.Size()}}, nil
}

// archive has headers, data and end.
func (Tar) archive(m *blockmap.Map, f framing, whole int64, l *compress.Lengths) *layout.Builder {
	unit := m.ClusterSize()
	parts := f.data(unit)
	device := func(k int64) int64 { return m.Select(k) * unit }
	rec := &layout.Records{Count: whole, Unit: unit, Device: device, Run: layout.Run(unit, whole, device), Parts: parts}
	if l != nil {
		x := compress.NewIndex(whole, func(k int64) int64 { return packedLen(l, k, parts) })
		rec.Varied = &layout.Varied{Start: x.Start, Find: x.Find, Parts: func(k int64) []layout.Part { return packedParts(l, k, parts) }}
	}

	var b layout.Builder
	b.Append(layout.MetaBytes("header", f.begin(0)))
	b.Append(layout.MetaBytes("tar headers", f.literal(headers(m))))
	b.Append(layout.Segment{Name: "disk", Rec: rec})
	at := m.Size() / unit * unit
	rest := m.Size() - at
	if rest > 0 && m.Carried(at/unit) {
		b.Append(last(f, m, at, rest))
	} else {
		rest = 0
	}
	b.Append(layout.MetaBytes("end of the archive", f.literal(make([]byte, tarblock.End(rest)))))
	return &b
}
