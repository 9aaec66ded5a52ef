package stream

import (
	"fmt"
	"io"
	"sort"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/layout"
)

// packedUnit is what is packed as one, in bytes of the disk.
const packedUnit = 1 << 20

// Raw plans disk.raw.gz, or disk.raw.zst: the disk as it is, in a stream. The zero
// value, for gzip, is ready.
type Raw struct {
	Zstd bool
}

var _ encoders.Compressor = Raw{}

// Name is "raw.gz" or "raw.zst".
func (r Raw) Name() string {
	if r.Zstd {
		return "raw.zst"
	}
	return "raw.gz"
}

func (r Raw) framing() framing {
	if r.Zstd {
		return zstandard{}
	}
	return gzipped{}
}

// Plan lays the file out. It never fails. The file is about as long as what is
// carried; a cluster that is not takes about 100 bytes in gzip, 12 in zstd.
func (r Raw) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	return r.outputs(d.Map, nil)
}

// Units are MiBs of the disk. gzip has no method but its own; zstd is packed with the
// default level where zlib is asked for.
func (r Raw) Units(d encoders.Disk, _ encoders.Options, m compress.Method) (compress.Units, compress.Packing, error) {
	return units(d.Map), r.framing().packing(method(m), packedUnit), nil
}

// PlanPacked is Plan with what is carried packed.
func (r Raw) PlanPacked(d encoders.Disk, _ encoders.Options, _ compress.Method, l *compress.Lengths) ([]encoders.Output, error) {
	return r.outputs(d.Map.Coarsen(packedUnit), l)
}

// method is m for zstd.
func method(m compress.Method) compress.Method {
	if m.Name != compress.Zstd {
		return compress.Method{Name: compress.Zstd}
	}
	return m
}

// units are the whole ones that are carried: one in which the disk ends is kept as it
// is.
func units(m *blockmap.Map) compress.Units {
	m = m.Coarsen(packedUnit)
	u := encoders.UnitsOf(m)
	u.Count = m.Rank(m.Size() / packedUnit)
	u.Run = layout.Run(packedUnit, u.Count, u.Device)
	return u
}

// outputs is the file of a disk in m's clusters; l is nil where none is packed.
func (r Raw) outputs(m *blockmap.Map, l *compress.Lengths) ([]encoders.Output, error) {
	unit := m.ClusterSize()
	whole := m.Size() / unit
	if l != nil && l.Count() != m.Rank(whole) {
		return nil, fmt.Errorf("%s: %d units were measured, not %d", r.Name(), l.Count(), m.Rank(whole))
	}
	f := r.framing()
	var b layout.Builder
	b.Append(layout.MetaBytes("header", f.begin(m.Size())))
	b.Append(layout.Segment{Name: "disk", Rec: &layout.Records{
		Count:  whole,
		Unit:   unit,
		Device: func(k int64) int64 { return k * unit },
		Run: func(k, most int64) int64 {
			n := int64(1)
			for n < most && k+n < whole && m.Carried(k+n) {
				n++
			}
			return n
		},
		Varied: clusters(f, m, whole, l),
	}})
	if rest := m.Size() - whole*unit; rest > 0 {
		b.Append(last(f, m, whole*unit, rest))
	}
	b.Append(layout.MetaBytes("end", f.end()))
	if f.summed() {
		var inner layout.Builder
		inner.Append(encoders.Flat(m))
		b.Append(checksum(inner.Layout()))
	}
	return []encoders.Output{{Path: "disk." + r.Name(), Layout: b.Layout(), Format: r.Name(), VirtualSize: m.Size()}}, nil
}

// last is the cluster at at, in which the disk ends after n bytes.
func last(f framing, m *blockmap.Map, at, n int64) layout.Segment {
	if !m.Carried(at / m.ClusterSize()) {
		return layout.MetaBytes("end of the disk", f.zeros(n))
	}
	return layout.Segment{Name: "end of the disk", Rec: &layout.Records{
		Count: 1, Unit: n, Device: func(int64) int64 { return at }, Parts: f.data(n),
	}}
}

// checksum is the end of a gzip member that holds the file of l.
func checksum(l *layout.Layout) layout.Segment {
	return layout.Segment{Name: "crc-32 and length", Kind: layout.Sum, Len: 8, Watch: func(view io.ReaderAt) layout.Watcher {
		return &watcher{view: view, of: l}
	}}
}

// clusters are the first count clusters of the disk: zeros where m carries nothing,
// and else as they are, or packed as l says.
func clusters(f framing, m *blockmap.Map, count int64, l *compress.Lengths) *layout.Varied {
	zeros := []layout.Part{constant("zeros", f.zeros(m.ClusterSize()))}
	data := f.data(m.ClusterSize())
	v := layout.Varied{Parts: func(k int64) []layout.Part {
		switch {
		case !m.Carried(k):
			return zeros
		case l == nil:
			return data
		}
		return packedParts(l, m.Rank(k), data)
	}}
	if l != nil {
		x := compress.NewIndex(count, func(k int64) int64 {
			if !m.Carried(k) {
				return zeros[0].Len
			}
			return packedLen(l, m.Rank(k), data)
		})
		v.Start, v.Find = x.Start, x.Find
		return &v
	}
	more := length(data) - zeros[0].Len
	v.Start = func(k int64) int64 { return k*zeros[0].Len + m.Rank(k)*more }
	v.Find = func(off int64) int64 {
		return int64(sort.Search(int(count), func(k int) bool { return v.Start(int64(k)+1) > off }))
	}
	return &v
}

// packedParts is unit k packed, or data where that is not worth it.
func packedParts(l *compress.Lengths, k int64, data []layout.Part) []layout.Part {
	if l.Len(k) == 0 {
		return data
	}
	return []layout.Part{l.Part("packed", k)}
}

// packedLen is the length of packedParts.
func packedLen(l *compress.Lengths, k int64, data []layout.Part) int64 {
	if n := l.Len(k); n > 0 {
		return n
	}
	return length(data)
}
