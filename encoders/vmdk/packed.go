package vmdk

import (
	"fmt"

	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/layout"
)

var _ encoders.Compressor = Encoder{}

// Units are the grains. The format knows deflate alone, whatever method is asked
// for.
func (Encoder) Units(d encoders.Disk, _ encoders.Options, _ compress.Method) (compress.Units, compress.Packing, error) {
	if err := limits(d.Map); err != nil {
		return compress.Units{}, compress.Packing{}, err
	}
	return encoders.UnitsOf(d.Map.Coarsen(grain)), compress.Deflate(grain), nil
}

// PlanPacked is Plan with grains of differing lengths. One that is not worth packing
// is stored as in Plan.
func (e Encoder) PlanPacked(d encoders.Disk, _ encoders.Options, _ compress.Method, l *compress.Lengths) ([]encoders.Output, error) {
	grains := d.Map.Coarsen(grain)
	if grains.Count() != l.Count() {
		return nil, fmt.Errorf("vmdk: %d grains were measured, not %d", l.Count(), grains.Count())
	}
	g, _ := newGeometry(d.Map.Size(), grains.Count()) // its limit is that of another file
	device := func(k int64) int64 { return grains.Select(k) * grain }
	lengths := compress.NewIndex(l.Count(), func(k int64) int64 {
		if n := l.Len(k); n > 0 {
			return ceil(markerLen+zlibLen+n+adlerLen, sector) * sector
		}
		return recordSectors * sector
	})
	first := g.grainSector(0)
	if err := fileLimit(first*sector + lengths.Total() + sector); err != nil {
		return nil, err
	}

	b := g.builder(e.file(), grains, d.Identity, func(k int64) int64 { return first + lengths.Start(k)/sector })
	b.Append(layout.Segment{Name: "grains", Len: lengths.Total(), Rec: &layout.Records{
		Count:  l.Count(),
		Unit:   grain,
		Device: device,
		Run:    layout.Run(grain, l.Count(), device),
		Varied: &layout.Varied{Start: lengths.Start, Find: lengths.Find, Parts: packedParts(l, lengths, device)},
	}})
	b.Append(endOfStream())
	return []encoders.Output{{Path: e.file(), Layout: b.Layout(), Format: "vmdk", VirtualSize: g.virtual}}, nil
}

// packedParts are the pieces of a grain that may be packed.
func packedParts(l *compress.Lengths, lengths *compress.Index, device func(k int64) int64) func(k int64) []layout.Part {
	plain := grainParts(device)
	return func(k int64) []layout.Part {
		n := l.Len(k)
		if n == 0 {
			return plain
		}
		return []layout.Part{
			{Name: "grain marker", Kind: layout.Meta, Len: markerLen + zlibLen, Fill: func(p []byte, k, off int64) {
				var b [markerLen + zlibLen]byte
				marker(b[:], device(k), zlibLen+n+adlerLen)
				copy(p, b[off:])
			}},
			l.Part("packed grain", k),
			l.Adler(k),
			{Name: "padding", Kind: layout.Zero, Len: lengths.Len(k) - markerLen - zlibLen - n - adlerLen},
		}
	}
}
