package ptable

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"migimg/blockmap"
)

// MaxGap is how much unused space between two partitions, or behind the last
// one, is carried without being asked for, in bytes. Boot loaders and the marks
// of volume managers need less; what is larger is what a deleted partition left.
const MaxGap = 16 << 20

// Scope is what of a disk an image carries, and how large the image's disk is.
// The zero value is all of it but for gaps larger than [MaxGap].
type Scope struct {
	// Keep are the numbers of the partitions that are carried; nil is all of them.
	Keep []int
	// Gaps carries gaps of every size.
	Gaps bool
	// Shrink ends the image's disk behind the last partition that is carried (and
	// the backup of a GPT).
	Shrink bool
	// Round is what the size is rounded up to a multiple of, in bytes; 0 is not.
	Round int64
	// SectorSize is that of the image's disk in bytes, 512 or 4096, which the
	// table is written for; 0 is the device's.
	SectorSize int64
}

// Edit is a disk as the images of a scope have it.
type Edit struct {
	// Size is the image's disk, in bytes; SectorSize its sectors' where it is not
	// the device's, else 0.
	Size, SectorSize int64
	// Patches are the bytes of its partition table that are not the device's.
	Patches []Patch
	// Dropped are the parts of the device that are left out, ascending.
	Dropped []blockmap.Range
	// Notes are for people: what is left out, and what to watch for.
	Notes []string
}

// Patch is bytes in the place of the device's.
type Patch struct {
	Off   int64  `json:"offset"`
	Bytes []byte `json:"bytes"` // base64 in JSON
}

func (p Patch) end() int64 { return p.Off + int64(len(p.Bytes)) }

// Scope plans the images of a scope of the disk v, whose table t is. It reads
// the table again, and nothing else.
func (t *Table) Scope(v blockmap.Volume, s Scope) (*Edit, error) {
	whole := s.Keep == nil && !s.Shrink && s.SectorSize == 0
	switch {
	case t.Broken != "" && !whole:
		return nil, fmt.Errorf("the partition table cannot be relied on (%s): only the whole disk can be exported", t.Broken)
	case t.Kind == KindNone && !whole:
		return nil, errors.New("there is no partition table: partitions cannot be chosen, the disk cannot be shrunk, and no table can be rewritten")
	}
	e := &editor{t: t, v: v, Scope: s, unit: t.SectorSize, edit: &Edit{Size: v.Size(), SectorSize: s.SectorSize}}
	if s.SectorSize > 0 {
		e.unit = s.SectorSize
	}
	if t.Broken == "" && t.Kind != KindNone {
		if err := e.choose(); err != nil {
			return nil, err
		}
		e.gaps()
	}
	if err := e.resize(); err != nil {
		return nil, err
	}
	if err := e.rewrite(); err != nil {
		return nil, fmt.Errorf("the image's partition table: %w", err)
	}
	e.finish()
	return e.edit, nil
}

// editor makes an Edit.
type editor struct {
	Scope
	t    *Table
	v    blockmap.Volume
	unit int64 // the image's sector size
	edit *Edit

	kept, left []Partition // without extended ones
	end        int64       // of the last one kept
}

func (e *editor) note(format string, a ...any) {
	e.edit.Notes = append(e.edit.Notes, fmt.Sprintf(format, a...))
}

// keeps says whether the partition is carried.
func (e *editor) keeps(number int) bool {
	return slices.ContainsFunc(e.kept, func(p Partition) bool { return p.Number == number })
}

// choose sorts the partitions into those that are carried and the others.
func (e *editor) choose() error {
	numbers := []int{}
	for _, p := range e.t.Partitions {
		numbers = append(numbers, p.Number)
	}
	for _, n := range e.Keep {
		if !slices.Contains(numbers, n) {
			return fmt.Errorf("there is no partition %d; there are %s", n, strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]"))
		}
	}
	for _, p := range e.t.Partitions {
		if p.Extended {
			continue
		}
		if e.Keep == nil || slices.Contains(e.Keep, p.Number) || p.Logical && slices.Contains(e.Keep, e.container(p)) {
			e.kept = append(e.kept, p)
			e.end = max(e.end, p.end())
			continue
		}
		e.left = append(e.left, p)
		e.edit.Dropped = append(e.edit.Dropped, blockmap.Range{Off: p.Start, Len: p.Size})
		if p.Bootable {
			e.note("partition %d is left out, and is the one marked active: a BIOS may not start the disk without it", p.Number)
		}
	}
	if len(e.kept) == 0 && (e.Keep != nil || e.Shrink) {
		return errors.New("no partition would be carried")
	}
	return nil
}

// container is the number of the extended partition that p lies in.
func (e *editor) container(p Partition) int {
	for _, x := range e.t.Partitions {
		if x.Extended && x.Start <= p.Start && p.Start < x.end() {
			return x.Number
		}
	}
	return 0
}

// gaps drops what lies between partitions and is larger than MaxGap, but for the
// table's own sectors. What lies before the first partition is never a gap.
func (e *editor) gaps() {
	if e.Gaps || len(e.t.Partitions) == 0 {
		return
	}
	var taken []blockmap.Range
	for _, p := range e.t.Partitions {
		if !p.Extended {
			taken = append(taken, blockmap.Range{Off: p.Start, Len: p.Size})
		}
	}
	if len(taken) == 0 {
		return
	}
	taken = append(slices.Concat(taken, e.t.own), blockmap.Range{Off: e.v.Size()})
	slices.SortFunc(taken, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) })
	first := slices.MinFunc(e.t.Partitions, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) }).Start
	at, total := first, int64(0)
	for _, r := range taken {
		if n := r.Off - at; n > MaxGap {
			e.edit.Dropped = append(e.edit.Dropped, blockmap.Range{Off: at, Len: n})
			total += n
		}
		at = max(at, r.End())
	}
	if total > 0 {
		e.note("%d MiB that belong to no partition are left out (--gaps carries them)", total>>20)
	}
}

// resize decides on the size of the image's disk.
func (e *editor) resize() error {
	size := e.v.Size()
	if e.Shrink {
		size = e.end
		if e.t.GPT != nil {
			size = roundUp(size, e.unit) + e.backupSize()
		}
	}
	if e.Round > 0 {
		if e.Round%e.unit != 0 {
			return fmt.Errorf("%d bytes are not a multiple of the sector size, %d", e.Round, e.unit)
		}
		size = roundUp(size, e.Round)
	}
	if e.Shrink || e.Round > 0 || e.SectorSize > 0 {
		size = roundUp(size, e.unit)
	}
	e.edit.Size = size
	return nil
}

// roundUp is the least multiple of unit from n on.
func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// rewrite patches the table where it would not be right any more.
func (e *editor) rewrite() error {
	converted := e.unit != e.t.SectorSize
	changed := len(e.left) > 0 || converted || e.Shrink
	switch {
	case e.t.Broken != "" || e.t.Kind == KindNone:
		return nil
	case e.t.GPT == nil && changed:
		return e.rewriteMBR()
	case e.t.GPT != nil && (changed || e.edit.Size != e.v.Size()):
		return e.rewriteGPT()
	}
	return nil
}

// finish puts the parts in order.
func (e *editor) finish() {
	slices.SortFunc(e.edit.Dropped, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) })
	slices.SortFunc(e.edit.Patches, func(a, b Patch) int { return cmp.Compare(a.Off, b.Off) })
}

// sector reads the 512 bytes of a boot record.
func (e *editor) sector(at int64) ([]byte, error) {
	b := make([]byte, 512)
	return b, readFull(e.v, b, at)
}

// Map is m, a map of the device, for the image's disk: without what is dropped,
// with the table's new bytes.
func (e *Edit) Map(m *blockmap.Map) (*blockmap.Map, error) {
	return blockmap.FromRanges(e.Size, m.ClusterSize(), e.carried(m))
}

// carried yields what of the image's disk is carried: what is not dropped, and
// the patches.
func (e *Edit) carried(m *blockmap.Map) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		var run blockmap.Range // waits for its neighbours
		add := func(r blockmap.Range) bool {
			if run.Len > 0 && r.Off <= run.End() {
				run.Len = max(run.End(), r.End()) - run.Off
				return true
			}
			ok := run.Len == 0 || yield(run)
			run = r
			return ok
		}
		patches := e.Patches
		until := func(off int64) bool { // those that begin up to off
			for ; len(patches) > 0 && patches[0].Off <= off; patches = patches[1:] {
				if !add(blockmap.Range{Off: patches[0].Off, Len: int64(len(patches[0].Bytes))}) {
					return false
				}
			}
			return true
		}
		for r := range e.kept(m) {
			if !until(r.Off) || !add(r) {
				return
			}
		}
		if until(e.Size) && run.Len > 0 {
			yield(run)
		}
	}
}

// kept yields what the map carries and is not dropped.
func (e *Edit) kept(m *blockmap.Map) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		dropped := e.Dropped
		for r := range m.Ranges(0, min(m.Size(), e.Size)) {
			for at := r.Off; at < r.End(); {
				for len(dropped) > 0 && dropped[0].End() <= at {
					dropped = dropped[1:]
				}
				end, next := r.End(), r.End()
				if len(dropped) > 0 {
					end = min(end, max(at, dropped[0].Off))
					next = min(next, max(end, dropped[0].End()))
				}
				if end > at && !yield(blockmap.Range{Off: at, Len: end - at}) {
					return
				}
				if end == r.End() {
					break
				}
				at = next
			}
		}
	}
}

// View is the device's view with the table's new bytes over it.
func (e *Edit) View(view io.ReaderAt) io.ReaderAt {
	if len(e.Patches) == 0 {
		return view
	}
	return &patched{view, e.Patches}
}

// patched never reads below what it has itself: some of it lies beyond the end of
// the device.
type patched struct {
	below   io.ReaderAt
	patches []Patch
}

func (v *patched) ReadAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	at := off
	for _, x := range v.patches {
		if x.end() <= at || x.Off >= end {
			continue
		}
		if x.Off > at {
			if n, err := v.below.ReadAt(p[at-off:x.Off-off], at); int64(n) < x.Off-at {
				return int(at-off) + n, err
			}
			at = x.Off
		}
		at += int64(copy(p[at-off:], x.Bytes[at-x.Off:]))
	}
	if at < end {
		n, err := v.below.ReadAt(p[at-off:], at)
		return int(at-off) + n, err
	}
	return len(p), nil
}
