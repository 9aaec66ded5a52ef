package qcow2

import (
	"errors"
	"fmt"
	"math/bits"

	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/layout"
)

var _ encoders.Compressor = Encoder{}

// packedFlag is bit 62 of an L2 entry: the cluster is packed.
const packedFlag = 1 << 62

// Units are the clusters. zlib is what every reader has; zstd wants a header that
// QEMU knows since 5.1.
func (Encoder) Units(d encoders.Disk, o encoders.Options, m compress.Method) (compress.Units, compress.Packing, error) {
	data, err := dataClusters(d, o)
	if err != nil {
		return compress.Units{}, compress.Packing{}, err
	}
	u := compress.Units{Count: data.count, Device: data.device, Run: layout.Run(data.size, data.count, data.device)}
	if m.Name == compress.Zstd {
		return u, m.Frames(data.size), nil
	}
	return u, compress.Deflate(data.size), nil
}

// PlanPacked is Plan with two kinds of data clusters: those that are not worth
// packing, and, behind them without gaps, the others.
func (e Encoder) PlanPacked(d encoders.Disk, o encoders.Options, m compress.Method, l *compress.Lengths) ([]encoders.Output, error) {
	data, err := dataClusters(d, o)
	if err != nil {
		return nil, err
	}
	if data.count != l.Count() {
		return nil, fmt.Errorf("qcow2: %d clusters were measured, not %d", l.Count(), data.count)
	}
	p := newPacked(data, l)
	touched := d.Map.Coarsen(data.size * (data.size / entryLen))
	g, err := newGeometry(d.Map.Size(), data.size, touched.Count(), p.plain.Total()/data.size+ceil(p.packed.Total(), data.size))
	if err != nil {
		return nil, err
	}
	t := tables{geometry: g, data: data, touched: touched, place: p.place(g), refs: p.refs}
	version, err := version(o)
	if err != nil {
		return nil, err
	}
	header := g.header(version)
	if m.Name == compress.Zstd {
		if version == 2 {
			return nil, errors.New("qcow2: version 2 knows no zstd: use zlib")
		}
		header = g.headerZstd()
	}

	b := t.builder(header)
	b.Append(layout.Segment{Name: "data clusters", Len: p.plain.Total(), Rec: p.records(p.plain, func(int64) layout.Part {
		return layout.Part{Name: "data cluster", Kind: layout.Data, Len: data.size}
	})})
	b.Append(layout.Segment{Name: "packed clusters", Len: p.packed.Total(), Rec: p.records(p.packed, func(k int64) layout.Part {
		return l.Part("packed cluster", k)
	})})
	b.Pad("padding", data.size)
	return []encoders.Output{{Path: "disk.qcow2", Layout: b.Layout(), Format: "qcow2", VirtualSize: g.virtual}}, nil
}

// packed says where each data cluster lies, in bytes from the first one of its
// kind.
type packed struct {
	data   clusters
	l      *compress.Lengths
	plain  *compress.Index
	packed *compress.Index
	before *compress.Index // counts the packed ones
}

func newPacked(data clusters, l *compress.Lengths) packed {
	return packed{data, l,
		compress.NewIndex(l.Count(), func(k int64) int64 {
			if l.Len(k) == 0 {
				return data.size
			}
			return 0
		}),
		compress.NewIndex(l.Count(), l.Len),
		compress.NewIndex(l.Count(), func(k int64) int64 { return min(1, l.Len(k)) }),
	}
}

// records are the clusters of a kind; those of the other have no bytes in it.
func (p packed) records(x *compress.Index, part func(k int64) layout.Part) *layout.Records {
	return &layout.Records{
		Count:  p.l.Count(),
		Unit:   p.data.size,
		Device: p.data.device,
		Run:    x.Run(layout.Run(p.data.size, p.data.count, p.data.device)),
		Varied: &layout.Varied{Start: x.Start, Find: x.Find, Parts: func(k int64) []layout.Part {
			return []layout.Part{part(k)}[:min(1, x.Len(k))]
		}},
	}
}

// place is the L2 entry of each data cluster. That of a packed one has its place and
// how many sectors beyond the first it reaches into (spec, "Compressed Clusters
// Descriptor").
func (p packed) place(g geometry) func(k int64) uint64 {
	behind := g.dataOffset() + p.plain.Total()
	shift := 62 - (bits.TrailingZeros64(uint64(g.cluster)) - 8)
	return func(k int64) uint64 {
		n := p.l.Len(k)
		if n == 0 {
			return g.plain(p.plain.Start(k) / g.cluster)
		}
		at := behind + p.packed.Start(k)
		more := (at+n-1)/sector - at/sector
		return packedFlag | uint64(more)<<shift | uint64(at)
	}
}

// refs counts the packed clusters that have bytes in the i-th data cluster of the
// file.
func (p packed) refs(i int64) uint16 {
	first := i - p.plain.Total()/p.data.size
	if first < 0 {
		return 1
	}
	from := first * p.data.size
	to := min(from+p.data.size, p.packed.Total())
	return uint16(p.before.Start(p.packed.Find(to-1)+1) - p.before.Start(p.packed.Find(from)))
}
