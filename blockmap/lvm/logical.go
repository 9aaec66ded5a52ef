package lvm

import (
	"fmt"
	"slices"
	"strings"

	"migimg/blockmap"
)

// logical is a logical volume.
type logical struct {
	name     string
	visible  bool
	flag     string // the first status flag that stands in the way of following it
	segments []segment
	// usedBy are the types of the segments that are built of it: it is a part of
	// other volumes, or has snapshots.
	usedBy []string
	runs   []blockmap.Run   // where it lies; nil where it is not followed
	copies [][]blockmap.Run // of a raid1: where else it lies
	raid   followed
}

// segment is a run of a logical volume's extents that are made in one way.
type segment struct {
	kind   string
	count  int64 // extents
	each   int64 // extents of each area
	stripe int64 // bytes; 0 with one area
	areas  []place
	parts  []string // the logical volumes that it names
	flags  string   // what stands behind the type
	legs   []leg    // of a raid1 that is described as expected
}

// place is where an area begins: on a physical volume, if pv is set.
type place struct {
	pv    *member
	first int64 // extent
}

// segmentTypes are those of lvm2 (lib/metadata/segtype.h), with what they are
// called here.
func segmentType(kind string) (words string, ok bool) {
	switch kind {
	case "striped", "linear":
		return "striped", true
	case "mirror":
		return "a mirror", true
	case "snapshot":
		return "a snapshot", true
	case "thin", "thin-pool":
		return "thin provisioned", true
	case "cache", "cache-pool", "writecache":
		return "cached", true
	case "integrity":
		return "kept with integrity checksums", true
	case "vdo", "vdo-pool":
		return "deduplicated (VDO)", true
	case "error", "zero":
		return "without data of its own", true
	case "raid0", "raid0_meta", "raid1", "raid10", "raid10_near", "raid4",
		"raid5", "raid5_n", "raid5_la", "raid5_ls", "raid5_ra", "raid5_rs",
		"raid6", "raid6_nc", "raid6_nr", "raid6_zr", "raid6_la_6", "raid6_ls_6", "raid6_ra_6", "raid6_rs_6", "raid6_n_6":
		return kind, true
	}
	return "", false
}

func (g *group) readLogicals(lvs *node) error {
	for _, n := range lvs.kids {
		if n.kind != isSection {
			return fmt.Errorf("logical volume %q is not a section", n.name)
		}
		f := fields{n: n}
		status, more := f.list("status"), f.list("flags")
		if f.err != nil {
			return f.err
		}
		l := &logical{name: n.name, visible: slices.Contains(status, "VISIBLE")}
		var err error
		if l.flag, err = logicalFlags(status); err != nil {
			return fmt.Errorf("logical volume %s: %w", n.name, err)
		}
		if slices.Contains(more, "CACHE_VOL") { // the others of that list may be unknown
			l.flag = "CACHE_VOL"
		}
		g.lvs = append(g.lvs, l)
		g.lvNamed[l.name] = l
	}
	for i, n := range lvs.kids { // segments name volumes that may come later
		if err := g.readSegments(n, g.lvs[i]); err != nil {
			return fmt.Errorf("logical volume %s: %w", n.name, err)
		}
	}
	return nil
}

// logicalFlags finds a status flag (lvm2, lib/format_text/flags.c) that says
// more of a volume than that it can be used.
func logicalFlags(status []string) (flag string, err error) {
	for _, s := range status {
		switch s {
		case "READ", "WRITE", "FIXED_MINOR", "VISIBLE":
		case "PVMOVE", "LOCKED", "NOTSYNCED", "REBUILD", "RESHAPE", "RESHAPE_DATA_OFFSET", "RESHAPE_DELTA_DISKS_PLUS",
			"RESHAPE_DELTA_DISKS_MINUS", "REMOVE_AFTER_RESHAPE", "WRITEMOSTLY", "METADATA_FORMAT", "CROP_METADATA",
			"CACHE_VOL", "CACHE_USES_CACHEVOL":
			flag = s
		default:
			return "", fmt.Errorf("its flag %q is not known", s)
		}
	}
	return flag, nil
}

// readSegments reads the segments of l, which must follow one another.
func (g *group) readSegments(n *node, l *logical) error {
	next := int64(0)
	for _, k := range n.kids {
		if k.kind != isSection {
			continue
		}
		s, first, err := g.readSegment(k)
		if err != nil {
			return err
		}
		if first != next {
			return fmt.Errorf("%s begins at extent %d, not at %d", k.name, first, next)
		}
		next += s.count
		l.segments = append(l.segments, s)
	}
	if want, err := n.number("segment_count", most32); err != nil || want != int64(len(l.segments)) {
		return fmt.Errorf("it has %d segments, and says otherwise", len(l.segments))
	}
	return nil
}

func (g *group) readSegment(n *node) (s segment, first int64, err error) {
	f := fields{n: n}
	first = f.number("start_extent", most32)
	s.count = f.number("extent_count", most32)
	// "+" joins flags to the type that older versions must not overlook.
	kind, flags, _ := strings.Cut(f.str("type"), "+")
	if f.err != nil {
		return s, 0, f.err
	}
	s.kind, s.flags = kind, flags
	if _, ok := segmentType(kind); !ok || flags != "" && kind == "striped" {
		return s, 0, fmt.Errorf("%s is of the type %q, which is not known", n.name, kind+strings.TrimSuffix("+"+flags, "+"))
	}
	list, number := "", int64(1)
	switch kind {
	case "striped", "linear":
		list, number = "stripes", f.number("stripe_count", most32)
		if number > 1 {
			s.stripe = f.number("stripe_size", most32) * sectorSize
		}
	case "mirror":
		list, number = "mirrors", f.number("mirror_count", most32)
	case "raid1":
		s.legs = readLegs(n)
	}
	if f.err != nil {
		return s, 0, f.err
	}
	if list != "" {
		if err := g.readAreas(n, &s, list, number); err != nil {
			return s, 0, err
		}
	}
	return s, first, g.parts(n, &s, list)
}

// readAreas reads a list of areas, pairs of a volume and its first extent.
func (g *group) readAreas(n *node, s *segment, list string, number int64) error {
	k := n.kid(list)
	if k == nil || k.kind != isArray || number == 0 || int64(len(k.values)) != 2*number {
		return fmt.Errorf("%s does not list its areas", n.name)
	}
	s.each = s.count
	if list == "stripes" {
		if s.count%number != 0 {
			return fmt.Errorf("%s has %d extents in %d stripes", n.name, s.count, number)
		}
		s.each = s.count / number
	}
	for i := 0; i < len(k.values); i += 2 {
		name, first := k.values[i], k.values[i+1]
		if name.isInt || !first.isInt || first.n < 0 || first.n > most32 {
			return fmt.Errorf("%s has an area that is none", n.name)
		}
		p := place{pv: g.pvNamed[name.text], first: first.n}
		if p.pv == nil && g.lvNamed[name.text] == nil {
			return fmt.Errorf("%s lies on %q, which there is not", n.name, name.text)
		}
		s.areas = append(s.areas, p)
	}
	return nil
}

// parts collects the logical volumes that anything in a segment names, whatever
// the name of the value: a volume that is a part of another one, or that another
// one depends on, is not followed. A physical volume must not be named outside of
// the list of areas.
func (g *group) parts(n *node, s *segment, areas string) error {
	for _, k := range n.kids {
		if k.kind == isSection {
			if err := g.parts(k, s, ""); err != nil {
				return err
			}
			continue
		}
		if k.name == "type" || k.name == "tags" {
			continue
		}
		for _, v := range k.values {
			if v.isInt {
				continue
			}
			if g.pvNamed[v.text] != nil {
				if k.name != areas {
					return fmt.Errorf("%s names the physical volume %s as its %s", n.name, v.text, k.name)
				}
			} else if l := g.lvNamed[v.text]; l != nil {
				s.parts = append(s.parts, l.name)
				l.usedBy = append(l.usedBy, s.kind)
			}
		}
	}
	return nil
}
