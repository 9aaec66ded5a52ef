package blockmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// maxDepth bounds volumes inside volumes: a disk > md > LVM > a table in it ...
const maxDepth = 8

// maxVolumes bounds how many volumes a hostile disk may name.
const maxVolumes = 4096

// ScanOptions are how a device is scanned. The zero value is the default.
type ScanOptions struct {
	// ClusterSize of the map in bytes; 0 means DefaultClusterSize.
	ClusterSize int64
	// Still, if set, says of a volume, by its name, that nothing can write to it; see
	// [StillScanner]. Otherwise it is said of none.
	Still func(volume string) bool
	// Frozen, if set, says of a volume, by its name, that its filesystem is mounted
	// and frozen; see [FreezableScanner].
	Frozen func(volume string) bool
	// Files, if set, is filled with where the files of frozen volumes lie.
	Files *Files
	// Disks, if set, are where in the device, which is a space, several disks lie; see
	// [Arrange]. Each of them is then a child of the tree's root.
	Disks []Place
	// Progress, if set, is called with the name of each volume as its scan
	// begins.
	Progress func(volume, scanner string)
}

// Scan asks the scanners, in their order, what on the device is free, and
// returns the map and the tree of volumes. The error is that of the context or
// of impossible options: a device that cannot be understood, or not be read, is
// carried, and the tree says why.
func Scan(ctx context.Context, dev Volume, scanners []Scanner, o ScanOptions) (*Map, *VolumeInfo, error) {
	if o.ClusterSize == 0 {
		o.ClusterSize = DefaultClusterSize
	}
	m, err := newMap(dev.Size(), o.ClusterSize)
	if err != nil {
		return nil, nil, err
	}
	s := &scan{ctx: ctx, m: m, scanners: scanners, still: o.Still, frozen: o.Frozen, files: o.Files, progress: o.Progress}
	root, err := s.root(dev, o.Disks)
	if err == nil {
		err = s.assemble(root)
	}
	if err != nil {
		return nil, nil, err
	}
	s.reflect(root)
	m.bits.index()
	o.Files.index()
	root.Count(m.BytesIn)
	return m, root, nil
}

// root scans the device, or each disk of the space that it is.
func (s *scan) root(dev Volume, disks []Place) (*VolumeInfo, error) {
	if len(disks) == 0 {
		return s.volume("", dev, 0)
	}
	root := &VolumeInfo{Report: Report{Type: "disks"}, Size: dev.Size(), Start: -1}
	end := int64(0)
	for _, d := range disks {
		v, err := Section(dev, d.Off, d.Len)
		if err != nil {
			return nil, fmt.Errorf("disk %s: %w", d.Name, err)
		}
		s.m.free(end, d.Off-end)
		end = d.End()
		disk, err := s.volume(d.Name, &placed{v, d.SectorSize}, 0)
		if err != nil {
			return nil, err
		}
		root.Children = append(root.Children, disk)
		root.ranges = append(root.ranges, d.Range)
	}
	return root, nil
}

// placed is a disk in a space.
type placed struct {
	Volume
	sector int64
}

func (p *placed) SectorSize() int64 { return p.sector }

type scan struct {
	ctx      context.Context
	m        *Map
	scanners []Scanner
	still    func(volume string) bool
	frozen   func(volume string) bool
	files    *Files
	progress func(volume, scanner string)
	volumes  int
	waiting  []waiting // in the order in which they were found
}

// volume scans v. Its error is the context's alone.
func (s *scan) volume(name string, v Volume, depth int) (*VolumeInfo, error) {
	info := &VolumeInfo{Name: name, Size: v.Size(), Start: -1}
	info.ranges = slices.Collect(v.Ranges(0, v.Size()))
	if len(info.ranges) > 0 && info.ranges[0].Len == v.Size() {
		info.Start = info.ranges[0].Off
	}
	if c, ok := v.(Copied); ok {
		for _, twin := range c.Copies() {
			info.copies = append(info.copies, mirrors(v, twin)...)
		}
	}
	if s.volumes++; depth > maxDepth || s.volumes > maxVolumes {
		info.Whole = fmt.Sprintf("volumes are nested deeper than %d or there are more than %d of them", maxDepth, maxVolumes)
		return info, nil
	}
	sc, why := s.probe(v)
	if sc == nil {
		info.Type, info.Whole = why.Type, why.Whole
		return info, s.ctx.Err()
	}
	if s.wait(sc, v, info, depth) {
		return info, s.ctx.Err()
	}
	if err := s.scanned(sc, v, info, depth); err != nil {
		return nil, err
	}
	return info, nil
}

// scanned has v, which is info's, scanned. Its error is the context's alone.
func (s *scan) scanned(sc Scanner, v Volume, info *VolumeInfo, depth int) error {
	name := info.Name
	if c, ok := sc.(StillScanner); ok && s.still != nil && s.still(name) {
		sc = c.WhenStill()
	}
	if c, ok := sc.(FreezableScanner); ok && s.frozen != nil && s.frozen(name) {
		sc = c.WhenFrozen()
	}
	if s.progress != nil {
		s.progress(name, sc.Name())
	}
	k := &sink{scan: s, v: v, info: info, depth: depth, extents: s.files.mark()}
	waiting := len(s.waiting)
	report, err := safely(s.ctx, sc, v, k)
	info.Report = report
	if info.Type == "" {
		info.Type = sc.Name()
	}
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case err != nil:
		info.Whole = err.Error()
	}
	if info.Whole != "" {
		s.files.forget(k.extents)
	}
	if info.Whole != "" && k.freed {
		for _, r := range info.ranges {
			s.m.carry(r.Off, r.Len)
		}
		info.Children, s.waiting = nil, s.waiting[:waiting]
	}
	return nil
}

// safely is sc.Scan, with a crash made an error: it costs the image size, like
// everything that a scanner cannot understand.
func safely(ctx context.Context, sc Scanner, v Volume, k Sink) (r Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: the scanner crashed, please report it: %v", sc.Name(), p)
		}
	}()
	return sc.Scan(ctx, v, k)
}

// probe finds the one scanner whose format v holds. With none or more than one,
// it says why v has to be carried whole: where two formats have left their
// marks, only one is in use, and the wrong one's free space is the other's data.
func (s *scan) probe(v Volume) (Scanner, Report) {
	var found []Scanner
	var names []string
	var failed error
	for _, sc := range s.scanners {
		switch err := sc.Probe(v); {
		case err == nil:
			found = append(found, sc)
		case !errors.Is(err, ErrNotMine) && failed == nil:
			failed = err
		}
	}
	marks, err := findMarks(v)
	if err != nil && failed == nil {
		failed = err
	}
	found = outermost(v, found, marks)
	for _, sc := range found {
		names = append(names, sc.Name())
	}
	for _, m := range marks {
		if !slices.Contains(names, m.name) && !(len(found) == 1 && inside(v, found[0], m)) {
			names = append(names, m.name)
		}
	}
	kind := ""
	if len(names) > 0 {
		kind = names[0]
	}
	switch {
	case failed != nil:
		return nil, Report{Type: kind, Whole: failed.Error()}
	case len(names) == 0:
		return nil, Report{Whole: "unknown contents"}
	case len(names) > 1:
		return nil, Report{Type: kind, Whole: fmt.Sprintf("signatures of more than one format: %v", names)}
	case len(found) == 0:
		return nil, Report{Type: kind, Whole: "no scanner for " + names[0]}
	}
	return found[0], Report{}
}

// sink is the Sink of one volume.
type sink struct {
	*scan
	v       Volume
	info    *VolumeInfo
	depth   int
	freed   bool
	extents int // of files, before the scan
}

func (k *sink) Free(off, n int64) error {
	if off < 0 || n < 0 || off > k.v.Size() || n > k.v.Size()-off {
		return fmt.Errorf("free range [%d, +%d) leaves a volume of %d bytes", off, n, k.v.Size())
	}
	if n == 0 {
		return nil
	}
	k.freed = true
	for r := range k.v.Ranges(off, n) {
		k.m.free(r.Off, r.Len)
	}
	return nil
}

func (k *sink) Data(off, n int64, file FileID, at int64) error {
	if off < 0 || n < 0 || off > k.v.Size() || n > k.v.Size()-off {
		return fmt.Errorf("data range [%d, +%d) leaves a volume of %d bytes", off, n, k.v.Size())
	}
	if k.files == nil {
		return nil
	}
	if k.info.Start >= 0 { // one run, as most are: asked for each extent, Ranges takes as long as the rest
		k.files.add(FileExtent{Range: Range{k.info.Start + off, n}, Volume: k.info.Name, File: file, At: at})
		return nil
	}
	to := at // not at itself: the closure would have it allocated above, too
	for r := range k.v.Ranges(off, n) {
		k.files.add(FileExtent{Range: r, Volume: k.info.Name, File: file, At: to})
		to += r.Len
	}
	return nil
}

func (k *sink) Nested(name string, v Volume) error {
	if k.info.Name != "" {
		name = k.info.Name + "/" + name
	}
	child, err := k.volume(name, v, k.depth+1)
	if err != nil {
		return err
	}
	k.freed = true // perhaps
	k.info.Children = append(k.info.Children, child)
	return nil
}
