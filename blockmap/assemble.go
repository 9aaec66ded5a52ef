package blockmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Assembler is what a Scanner is, besides, whose volumes are parts of something larger:
// the physical volumes of a volume group, the members of an array. A scan leaves them
// until it has found all there are.
type Assembler interface {
	Scanner
	// PartOf says what a volume, which Probe answered nil for, is a part of, by an id
	// that no other thing has, and how many parts that has. The id is empty where
	// the volume says nothing of it that can be trusted, or it is the only part.
	PartOf(v Volume) (id string, parts int)
	// Assemble is Scan for parts of one thing, two or more, of which more may be
	// elsewhere. What lies in one of them goes to that part's sink, what lies in
	// several to nested. There is a report for each part, which may say that the part is
	// carried whole. After an error, or where anything was handed to nested besides, all
	// parts are.
	Assemble(ctx context.Context, parts []Part, nested func(name string, v Volume) error) ([]Report, error)
}

// Part is a volume that is assembled with others.
type Part struct {
	Volume
	Sink
}

// waiting is a volume whose scanner is an Assembler.
type waiting struct {
	sc    Assembler
	id    string
	of    int
	v     Volume
	info  *VolumeInfo
	depth int
}

// wait keeps a volume that is a part of something for later, if it is.
func (s *scan) wait(sc Scanner, v Volume, info *VolumeInfo, depth int) bool {
	a, ok := sc.(Assembler)
	if !ok {
		return false
	}
	id, of, err := partOf(a, v)
	if id == "" || err != nil { // what is wrong with it, Scan says
		return false
	}
	info.Type = sc.Name()
	s.waiting = append(s.waiting, waiting{a, id, of, v, info, depth})
	return true
}

// partOf is a.PartOf, with a crash made an error.
func partOf(a Assembler, v Volume) (id string, of int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: the scanner crashed: %v", a.Name(), p)
		}
	}()
	id, of = a.PartOf(v)
	return id, of, nil
}

// assemble scans what waits, and what that brings to light. root is of all of it.
func (s *scan) assemble(root *VolumeInfo) error {
	for len(s.waiting) > 0 {
		parts := s.next()
		if len(parts) == 1 {
			w := parts[0]
			if err := s.scanned(w.sc, w.v, w.info, w.depth); err != nil {
				return err
			}
			continue
		}
		if err := s.together(root, parts); err != nil {
			return err
		}
	}
	return nil
}

// next takes the parts of one thing out of those that wait: of one that is complete,
// since others may have their missing parts in it, or else of the outermost.
func (s *scan) next() (parts []waiting) {
	count := map[string]int{}
	for _, w := range s.waiting {
		count[w.key()]++
	}
	chosen := s.waiting[0]
	for _, w := range s.waiting {
		if count[w.key()] >= w.of {
			chosen = w
			break
		}
		if w.depth < chosen.depth {
			chosen = w
		}
	}
	same := func(w waiting) bool { return w.key() == chosen.key() }
	for _, w := range s.waiting {
		if same(w) {
			parts = append(parts, w)
		}
	}
	s.waiting = slices.DeleteFunc(s.waiting, same)
	return parts
}

func (w *waiting) key() string { return w.sc.Name() + " " + w.id }

// together assembles parts. The volumes that lie in several of them become root's.
func (s *scan) together(root *VolumeInfo, all []waiting) error {
	sc := all[0].sc
	if s.progress != nil {
		s.progress(all[0].info.Name, sc.Name())
	}
	var parts []Part
	var sinks []*sink
	extents, mark := s.files.mark(), len(s.waiting)
	for _, w := range all {
		k := &sink{scan: s, v: w.v, info: w.info, depth: w.depth, extents: extents}
		sinks = append(sinks, k)
		parts = append(parts, Part{w.v, k})
	}
	var across []*VolumeInfo
	nested := func(name string, v Volume) error {
		for slices.ContainsFunc(root.Children, func(c *VolumeInfo) bool { return c.Name == name }) {
			name += "~"
		}
		child, err := s.volume(name, v, all[0].depth+1)
		if err != nil {
			return err
		}
		for _, w := range all {
			child.Parts = append(child.Parts, w.info.Name)
		}
		across, root.Children = append(across, child), append(root.Children, child)
		return nil
	}
	reports, err := assembleSafely(s.ctx, sc, parts, nested)
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	for i := range reports {
		if reports[i].Type == "" {
			reports[i].Type = sc.Name()
		}
	}
	undo := func(k *sink) {
		k.info.Children = nil
		s.waiting = slices.DeleteFunc(s.waiting, func(w waiting) bool { return strings.HasPrefix(w.info.Name, k.info.Name+"/") })
		for _, r := range k.info.ranges {
			s.m.carry(r.Off, r.Len)
		}
	}
	if err == nil && len(across) == 0 { // each part stands for itself
		for i, k := range sinks {
			if k.info.Report = reports[i]; k.info.Whole != "" && k.freed {
				undo(k)
			}
		}
		return nil
	}
	for i, k := range sinks {
		if err == nil {
			k.info.Report, k.info.across = reports[i], across
			if k.info.Whole != "" {
				err = errors.New(k.info.Whole)
			}
		}
	}
	if err == nil {
		return nil
	}
	s.files.forget(extents)
	s.waiting = s.waiting[:mark]
	root.Children = slices.DeleteFunc(root.Children, func(c *VolumeInfo) bool { return slices.Contains(across, c) })
	for _, k := range sinks {
		k.info.across, k.info.Whole = nil, err.Error()
		undo(k)
	}
	return nil
}

// assembleSafely is sc.Assemble, with a crash made an error.
func assembleSafely(ctx context.Context, sc Assembler, parts []Part, nested func(string, Volume) error) (r []Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: the scanner crashed, please report it: %v", sc.Name(), p)
		}
	}()
	r, err = sc.Assemble(ctx, parts, nested)
	if err == nil && len(r) != len(parts) {
		err = fmt.Errorf("%s: %d reports of %d volumes, please report it", sc.Name(), len(r), len(parts))
	}
	return r, err
}

// Mirror is a range of the device whose bytes are also at To, and may be read from there.
type Mirror struct {
	Range
	To int64
}

// mirrors are the ranges of v whose bytes are in a copy, too.
func mirrors(v, twin Volume) (out []Mirror) {
	a, b := slices.Collect(v.Ranges(0, v.Size())), slices.Collect(twin.Ranges(0, twin.Size()))
	for len(a) > 0 && len(b) > 0 {
		n := min(a[0].Len, b[0].Len)
		out = append(out, Mirror{Range{a[0].Off, n}, b[0].Off})
		for _, l := range []*[]Range{&a, &b} {
			if r := &(*l)[0]; r.Len == n {
				*l = (*l)[1:]
			} else {
				r.Off, r.Len = r.Off+n, r.Len-n
			}
		}
	}
	return out
}

// reflect frees in the copies of mirrored volumes what is free in the volumes. It comes
// last, when all that lies in them has been scanned.
func (s *scan) reflect(root *VolumeInfo) {
	for v := range root.All() {
		for _, c := range v.copies {
			at := c.Off
			for r := range s.m.Ranges(c.Off, c.Len) {
				s.m.free(c.To+at-c.Off, r.Off-at)
				at = r.End()
			}
			s.m.free(c.To+at-c.Off, c.End()-at)
		}
	}
}
