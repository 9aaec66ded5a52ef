// Package layout describes an image file exactly, before any of it exists, and
// reads it.
//
// A [Layout] answers one question: what do the bytes [off, off+n) of the file
// consist of? The answer is a run of [Span]s, each one of bytes that are
// computed from the plan alone, a range of the device, zeros, or a function of
// a range of the device. Size, holes, allocated blocks and the golden dumps of
// the tests are asked of the layout and read no data; [Reader] is the one
// reader that all formats share.
//
// A layout is a short list of named segments, whatever the size of the disk:
// the millions of clusters of an image are one segment of equal [Records].
package layout

import (
	"fmt"
	"io"
	"iter"
	"sort"
)

// Kind says what bytes consist of.
type Kind uint8

const (
	Zero   Kind = iota // zeros; a hole
	Meta               // computed from the plan alone
	Data               // a range of the device, as it is
	Packed             // a function of a range of the device
	Sum                // a function of all that the file holds
)

func (k Kind) String() string {
	return [...]string{"zero", "meta", "data", "packed", "sum"}[k]
}

// Filler writes the bytes [off, off+len(p)) of its segment to p. It is called
// with any range inside the segment, concurrently, and must depend on nothing
// but the plan.
type Filler func(p []byte, off int64)

// Segment is a named run of a file. Exactly one of Fill, Rec and Extent is set,
// or none for zeros:
//
//	Zero  none
//	Meta  Fill; or Bytes is enough for small constant ones, see MetaBytes
//	Data  Extent, for a file or part that is the device's own bytes in order
//	Sum   Watch
//	any   Rec, in which each part has its own kind (Kind is then ignored)
type Segment struct {
	// Name is the format's own word for what lies here ("l2 tables").
	Name string
	Kind Kind
	// Len is in bytes. With Rec it may be 0 and is then computed.
	Len  int64
	Fill Filler
	Rec  *Records
	// Dev is the device offset of a Data segment's first byte.
	Dev int64
	// Extent tells data from holes in a Data segment: it returns how many bytes
	// from off (relative to the segment, at least 1) are alike, and whether they
	// are carried. nil means that all of it is.
	Extent func(off int64) (n int64, carried bool)
	// Alloc is how many bytes of a Data segment with Extent are carried.
	Alloc int64
	// Watch makes what computes a Sum segment's bytes. A file has at most one.
	Watch func(view io.ReaderAt) Watcher
}

// MetaBytes is a Meta segment of constant bytes.
func MetaBytes(name string, b []byte) Segment {
	return Segment{Name: name, Kind: Meta, Len: int64(len(b)), Fill: func(p []byte, off int64) { copy(p, b[off:]) }}
}

// Records is Count equal records in a row, one for each carried cluster (or
// block, or grain): what the format puts around it, and the cluster. It lets a
// layout stay about ten segments however fragmented the device is.
type Records struct {
	Count int64
	// Unit is the length in bytes of the device range behind a record.
	Unit int64
	// Device is where record k's range begins on the device; it ascends with k.
	Device func(k int64) int64
	// Run is optional: how many records from k on, at least 1 and at most max,
	// lie one after another on the device as well, so that they can be read at
	// once.
	Run func(k, max int64) int64
	// Parts are the pieces of a record in their order.
	Parts []Part
	// Varied is set where records differ in length; Parts and Len are not used then.
	Varied *Varied
}

// Len is the length of one record in the file, in bytes; 0 where they differ.
func (r *Records) Len() (n int64) {
	for _, p := range r.Parts {
		n += p.Len
	}
	return n
}

// Part is a piece of a record: a bitmap, a marker, the cluster, a checksum.
type Part struct {
	Name string
	Kind Kind
	Len  int64
	// Fill is for Meta: the bytes [off, off+len(p)) of the part in record k.
	Fill func(p []byte, k, off int64)
	// Off is for Data: where in the record's device range the part begins.
	Off int64
	// Pack is for Packed: it computes the whole part (len(dst) == Len) from the
	// record's whole device range (len(src) == Unit). It fails where src is not
	// what the layout was planned for.
	Pack func(dst, src []byte) error
	// Kept is for Packed parts whose bytes were kept when they were computed first: it
	// reads those from off on, and the device is not needed.
	Kept func(p []byte, off int64) error
}

// needsDevice says whether the part's bytes come from the device.
func (p *Part) needsDevice() bool { return p.Kind == Data || p.Kind == Packed && p.Kept == nil }

// Span is a run of bytes of one kind in a file. Adjacent spans of an iteration
// follow one another without a gap.
type Span struct {
	Name string
	Kind Kind
	// Off and Len are in bytes of the file.
	Off, Len int64
	// Dev is, for Data, the device offset of the first byte, and for Packed that
	// of the range that the bytes are a function of.
	Dev int64
	// seg and, for parts of records, rec and part say where the bytes are
	// computed; inner is Off relative to that.
	seg   *Segment
	rec   int64
	part  int
	inner int64
}

// Builder makes a Layout by appending segments from the first byte to the last.
type Builder struct {
	segs []Segment
	offs []int64 // offs[i] is where segs[i] begins
	end  int64
}

// Append adds a segment at the end of what is there and returns its offset in
// the file. It panics on a segment that contradicts itself: that is an
// encoder's bug, not an input's.
func (b *Builder) Append(s Segment) int64 {
	if s.Rec != nil {
		n := s.Rec.start(s.Rec.Count)
		if s.Len == 0 {
			s.Len = n
		}
		if s.Len != n {
			panic(fmt.Sprintf("layout: segment %q is %d bytes, its records are %d", s.Name, s.Len, n))
		}
	}
	switch {
	case s.Len < 0:
		panic(fmt.Sprintf("layout: segment %q has length %d", s.Name, s.Len))
	case s.Kind == Meta && s.Rec == nil && s.Fill == nil:
		panic(fmt.Sprintf("layout: segment %q is metadata without a filler", s.Name))
	case (s.Kind == Sum) != (s.Watch != nil):
		panic(fmt.Sprintf("layout: segment %q is a sum without a watcher, or the other way round", s.Name))
	case s.Kind == Packed && s.Rec == nil:
		panic(fmt.Sprintf("layout: segment %q is packed without records", s.Name))
	}
	at := b.end
	if s.Len > 0 {
		b.segs = append(b.segs, s)
		b.offs = append(b.offs, at)
		b.end += s.Len
	}
	return at
}

// Pad appends a named run of zeros up to the next multiple of align.
func (b *Builder) Pad(name string, align int64) {
	if r := b.end % align; r != 0 {
		b.Append(Segment{Name: name, Kind: Zero, Len: align - r})
	}
}

// Offset is where the next segment will begin.
func (b *Builder) Offset() int64 { return b.end }

// Layout ends the building.
func (b *Builder) Layout() *Layout {
	return &Layout{segs: b.segs, offs: b.offs, size: b.end}
}

// Layout is the exact plan of one image file. It is immutable and safe for
// concurrent use.
type Layout struct {
	segs []Segment
	offs []int64
	size int64
}

// Size is the file's length in bytes.
func (l *Layout) Size() int64 { return l.size }

// SegmentInfo is a segment as people see it.
type SegmentInfo struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	// Records and RecordLength describe a segment of equal records.
	Records      int64 `json:"records,omitempty"`
	RecordLength int64 `json:"record_length,omitempty"`
}

// Segments lists the file's segments in order.
func (l *Layout) Segments() []SegmentInfo {
	out := make([]SegmentInfo, len(l.segs))
	for i := range l.segs {
		s := &l.segs[i]
		out[i] = SegmentInfo{Name: s.Name, Kind: s.Kind.String(), Offset: l.offs[i], Length: s.Len}
		if s.Rec != nil {
			out[i].Records, out[i].RecordLength = s.Rec.Count, s.Rec.Len()
			out[i].Kind = s.Rec.kind().String()
		}
	}
	return out
}

// kind names records by the strongest thing in them.
func (r *Records) kind() (k Kind) {
	if r.Count == 0 {
		return Zero
	}
	for _, p := range r.parts(0) {
		k = max(k, p.Kind)
	}
	return k
}

// Spans yields what the bytes [off, off+n) consist of, in order and without
// gaps. What lies beyond the end of the file is left out.
func (l *Layout) Spans(off, n int64) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		if off < 0 || off >= l.size || n <= 0 {
			return
		}
		end := l.size
		if n < end-off {
			end = off + n
		}
		for i := l.find(off); off < end; i++ {
			s, base := &l.segs[i], l.offs[i]
			stop := min(end, base+s.Len)
			if !l.segmentSpans(s, base, off, stop, yield) {
				return
			}
			off = stop
		}
	}
}

// find is the index of the segment that file offset off lies in.
func (l *Layout) find(off int64) int {
	return sort.Search(len(l.offs), func(i int) bool { return l.offs[i] > off }) - 1
}

func (l *Layout) segmentSpans(s *Segment, base, off, end int64, yield func(Span) bool) bool {
	switch {
	case s.Rec != nil:
		return s.recordSpans(base, off, end, yield)
	case s.Extent != nil:
		for off < end {
			n, carried := s.Extent(off - base)
			if n <= 0 {
				panic(fmt.Sprintf("layout: segment %q has an empty extent at %d", s.Name, off-base))
			}
			n = min(n, end-off)
			sp := Span{Name: s.Name, Kind: Zero, Off: off, Len: n, seg: s, inner: off - base}
			if carried {
				sp.Kind, sp.Dev = Data, s.Dev+off-base
			}
			if !yield(sp) {
				return false
			}
			off += n
		}
		return true
	default:
		sp := Span{Name: s.Name, Kind: s.Kind, Off: off, Len: end - off, seg: s, inner: off - base}
		if s.Kind == Data {
			sp.Dev = s.Dev + sp.inner
		}
		return yield(sp)
	}
}

func (s *Segment) recordSpans(base, off, end int64, yield func(Span) bool) bool {
	for k := s.Rec.find(off - base); off < end; k++ {
		at := base + s.Rec.start(k) // where the record, then the part begins
		dev := int64(-1)
		parts := s.Rec.parts(k)
		for i := range parts {
			p := &parts[i]
			partEnd := at + p.Len
			if off < partEnd && off < end {
				sp := Span{Name: p.Name, Kind: p.Kind, Off: off, Len: min(partEnd, end) - off, seg: s, rec: k, part: i, inner: off - at}
				if p.Kind == Data || p.Kind == Packed {
					if dev < 0 {
						dev = s.Rec.Device(k)
					}
					sp.Dev = dev
					if p.Kind == Data {
						sp.Dev += p.Off + sp.inner
					}
				}
				if !yield(sp) {
					return false
				}
				off += sp.Len
			}
			at = partEnd
		}
	}
	return true
}
