package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/ptable"
)

// openDisks opens the devices, gives them names and places, and finds out how they are
// used.
func (s *source) openDisks(paths []string, o sourceOptions) error {
	for _, path := range paths {
		dev, err := device.Open(path)
		if err != nil {
			return err
		}
		d := &disk{src: s, dev: dev, faults: &device.Faults{Dev: dev, ZeroFill: o.zeroFill}}
		s.disks = append(s.disks, d)
		if d.path, err = filepath.Abs(path); err != nil {
			return err
		}
		if d.uses, err = dev.Uses(device.Roots{}); err != nil {
			return err
		}
		if d.table, err = ptable.Read(dev); err != nil {
			return fmt.Errorf("%s: reading the partition table: %w", path, err)
		}
	}
	if err := s.apart(); err != nil {
		return err
	}
	var layers []blockmap.Layer
	var places []blockmap.Place
	s.name()
	for _, d := range s.disks {
		layers = append(layers, d.faults)
		places = append(places, blockmap.Place{Name: d.name, Range: blockmap.Range{Len: d.dev.Size()}, SectorSize: d.dev.SectorSize()})
		for _, u := range d.uses {
			if !slices.Contains(s.uses, u) { // a volume over two disks is in use once
				s.uses = append(s.uses, u)
			}
		}
	}
	s.size = blockmap.Arrange(places)
	for i, d := range s.disks {
		d.at = places[i]
	}
	s.base = blockmap.Join(places, layers)
	if len(places) > 1 {
		s.places = places
		if o.scope.chooses() {
			return fmt.Errorf("--partitions and --except go with one disk, and here are %d: mount the disks one by one, or all of them whole", len(s.disks))
		}
	}
	return nil
}

// apart refuses disks that are the same, or parts of each other.
func (s *source) apart() error {
	for i, d := range s.disks {
		for _, x := range s.disks[:i] {
			same, err := d.dev.Overlaps(x.dev, device.Roots{})
			if err != nil {
				return err
			}
			if same {
				return fmt.Errorf("%s and %s are the same disk, or one is a part of the other: give it once", x.dev.Path(), d.dev.Path())
			}
		}
	}
	return nil
}

// reserved are what else a mount has at its top.
var reserved = []string{"targets", "partitions", "preflight.json", "report.html"}

// name names the disks as the kernel does, or as their files are called; where two have
// one name, as the images a/disk.img and b/disk.img, by their number as well.
func (s *source) name() {
	if len(s.disks) == 1 {
		return
	}
	taken := map[string]bool{}
	for _, r := range reserved {
		taken[r] = true
	}
	for _, d := range s.disks {
		name := strings.TrimPrefix(d.dev.Name(), ".")
		for n := 2; taken[name] || name == ""; n++ {
			name = fmt.Sprintf("%s-%d", d.dev.Name(), n)
		}
		taken[name] = true
		d.name = name
	}
}

// named is the devices' paths, for people.
func (s *source) named() string {
	var paths []string
	for _, d := range s.disks {
		paths = append(paths, or(d.path, d.dev.Path()))
	}
	return strings.Join(paths, ", ")
}

// machineOf is the mount at path's folder, if path is that of one of several disks in it,
// and that folder's name.
func machineOf(path string) (mount, folder string, ok bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", "", false
	}
	mount, folder = filepath.Split(abs)
	mount = filepath.Clean(mount)
	st, err := readStatus(mount)
	return mount, folder, err == nil && slices.ContainsFunc(st.Disks, func(d diskStatus) bool { return d.Folder == folder })
}

// devices are those of a mount.
func (st *status) devices() (paths []string) {
	for _, d := range st.Disks {
		paths = append(paths, d.Source.Device)
	}
	if len(paths) == 0 {
		paths = append(paths, st.Source.Device)
	}
	return paths
}

// node is the disk in the tree of the space's volumes.
func (d *disk) node() *blockmap.VolumeInfo {
	if d.name == "" {
		return d.src.volumes
	}
	return d.src.volumes.Children[slices.Index(d.src.disks, d)]
}

// across are the volumes that lie on more than one disk, or in several volumes of one.
func (s *source) across() (out []*blockmap.VolumeInfo) {
	for _, v := range s.volumes.Children {
		if len(v.Parts) > 0 {
			out = append(out, v)
		}
	}
	return out
}

// diskAt is the disk in whose place off lies; nil between the disks.
func (s *source) diskAt(off int64) *disk {
	i := sort.Search(len(s.disks), func(i int) bool { return s.disks[i].at.End() > off })
	if i == len(s.disks) || s.disks[i].at.Off > off {
		return nil
	}
	return s.disks[i]
}

// carried yields what the images carry of [off, off+n) of the space.
func (s *source) carried(off, n int64) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) {
		for _, d := range s.disks {
			lo, hi := max(off, d.at.Off), min(off+n, d.at.End())
			if lo >= hi {
				continue
			}
			for r := range d.blocks.Ranges(lo-d.at.Off, hi-lo) {
				if r.Off += d.at.Off; !yield(r) {
					return
				}
			}
		}
	}
}

// carriedIn is how many bytes that are.
func (s *source) carriedIn(off, n int64) (total int64) {
	for r := range s.carried(off, n) {
		total += r.Len
	}
	return total
}

// firstCopy is where the range of a copy of a mirror lies in the copy that was scanned,
// whose files are known; other ranges are where they are.
func (s *source) firstCopy(r blockmap.Range) blockmap.Range {
	for v := range s.volumes.All() {
		for c := range v.Copies() {
			if r.Off >= c.To && r.End() <= c.To+c.Len {
				return blockmap.Range{Off: c.Off + r.Off - c.To, Len: r.Len}
			}
		}
	}
	return r
}

// extent is how many bytes of the space from off on are alike to the cluster, and whether
// the images carry them.
func (s *source) extent(off int64) (n int64, carried bool) {
	d := s.diskAt(off)
	n, carried = d.blocks.Extent(off - d.at.Off)
	return min(n, d.at.End()-off), carried
}

// imagesSpace is the space as images have it: view is a disk's own. What one reads beyond
// a disk's end, none is told.
func (s *source) imagesSpace(view func(*disk) io.ReaderAt) io.ReaderAt {
	var layers []blockmap.Layer
	for _, d := range s.disks {
		layers = append(layers, readable{view(d)})
	}
	return blockmap.Join(s.places, layers)
}

// identity stands for a disk and its map, of which sum is the digest: what every id in
// an image is derived from. It depends on nothing that changes between two mounts of an
// unchanged disk, nor on the machine that the disk is in.
func (d *disk) identity(e *ptable.Edit, sum [32]byte) (id [32]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "migimg identity 1\n%d %d %s\n", d.dev.Size(), d.dev.SectorSize(), d.table.ID)
	for v := range d.volumes.All() {
		fmt.Fprintf(h, "%s %d %d %s %s\n", v.Name, v.Start, v.Size, v.Type, v.UUID)
	}
	for _, p := range e.Patches {
		fmt.Fprintf(h, "%d %x\n", p.Off, p.Bytes)
	}
	h.Write(sum[:])
	h.Sum(id[:0])
	return id
}
