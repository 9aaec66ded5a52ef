package pins

import (
	"cmp"
	"iter"
	"slices"

	"migimg/blockmap"
)

// Scanned is what a Scan finds.
type Scanned struct {
	Map     *blockmap.Map
	Volumes *blockmap.VolumeInfo
	Files   *blockmap.Files
	// Pin are the volumes to pin: those that are frozen, and were understood.
	Pin []*blockmap.VolumeInfo
	// Torn is why one that is frozen was not understood although its kind is known;
	// empty where there is none. It may not have stood still.
	Torn string
	// Around are volumes that hold others, of which to pin what is in none of these:
	// partition tables, boot code, what LVM and md write about themselves.
	Around []*blockmap.VolumeInfo
}

// maxAround bounds a run of bytes between volumes that is pinned: longer ones are
// gaps that nobody writes, or volumes that nobody understood.
const maxAround = 16 << 20

// pinned yields what has to be pinned, ascending within each volume: of a mirror, in all
// of its copies.
func (s *Scanned) pinned() iter.Seq[blockmap.Range] {
	var copies []blockmap.Mirror
	for v := range s.Volumes.All() {
		copies = slices.AppendSeq(copies, v.Copies())
	}
	return func(yield func(blockmap.Range) bool) {
		for p := range s.once() {
			if !yield(p) {
				return
			}
			for _, c := range copies {
				lo, hi := max(p.Off, c.Off), min(p.End(), c.End())
				if lo < hi && !yield(blockmap.Range{Off: c.To + lo - c.Off, Len: hi - lo}) {
					return
				}
			}
		}
	}
}

// once is pinned without the copies.
func (s *Scanned) once() iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		for _, v := range s.Pin {
			for r := range v.Device() {
				for p := range s.Files.Pinned(s.Map, r.Off, r.Len) {
					if !yield(p) {
						return
					}
				}
			}
		}
		for _, v := range s.Around {
			for _, r := range outside(v) {
				for p := range s.Map.Ranges(r.Off, r.Len) {
					if p.Len <= maxAround && !yield(p) {
						return
					}
				}
			}
		}
	}
}

// outside is what of a volume lies in none of those inside it, ascending.
func outside(v *blockmap.VolumeInfo) (out []blockmap.Range) {
	var inner []blockmap.Range
	for c := range v.Inside() {
		inner = slices.AppendSeq(inner, c.Device())
		for m := range c.Copies() {
			inner = append(inner, blockmap.Range{Off: m.To, Len: m.Len})
		}
	}
	byOffset := func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) }
	slices.SortFunc(inner, byOffset)
	for _, r := range slices.SortedFunc(v.Device(), byOffset) {
		at := r.Off
		for _, x := range inner {
			if x.Off >= r.End() {
				break
			}
			if x.Off > at {
				out = append(out, blockmap.Range{Off: at, Len: x.Off - at})
			}
			at = max(at, x.End())
		}
		if at < r.End() {
			out = append(out, blockmap.Range{Off: at, Len: r.End() - at})
		}
	}
	return out
}
