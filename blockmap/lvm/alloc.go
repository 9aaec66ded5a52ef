package lvm

import (
	"cmp"
	"slices"

	"migimg/blockmap"
)

// physicalVolume is the one that is scanned.
type physicalVolume struct {
	*member
	group *group
	used  []extents // of all segments, ascending, without overlap
	// pieces counts those that striped volumes are cut into.
	pieces int64
}

// extents are count extents of the physical volume from first on.
type extents struct{ first, count int64 }

// newPhysicalVolume finds the volume of the label in the group, checks where its
// parts lie, and collects what is allocated.
func newPhysicalVolume(v blockmap.Volume, l *label, g *group) (*physicalVolume, error) {
	m := g.memberByID(l.uuid)
	if m == nil {
		return nil, refuse("the physical volume (%s) is not one of volume group %s, whose metadata it holds: see vgck", l.uuid, g.name)
	}
	p := &physicalVolume{member: m, group: g}
	for _, f := range m.flags {
		switch f {
		case "ALLOCATABLE":
		case "MISSING":
			return nil, refuse("volume group %s counts this physical volume as missing, so what is on it may be old: see vgextend --restoremissing", g.name)
		case "EXPORTED":
			return nil, refuse("the physical volume is exported; vgimport makes it usable again")
		default:
			return nil, refuse("the flag %q of the physical volume is not known", f)
		}
	}
	size := v.Size()
	if m.size > size {
		return nil, refuse("the physical volume should have %d bytes, but there are %d; if this is an image, it is truncated", m.size, size)
	}
	if m.start > size || m.count > (size-m.start)/g.extent {
		return nil, refuse("the extents of the physical volume end beyond its device; if this is an image, it is truncated")
	}
	if len(l.data) != 1 || l.data[0].Off != m.start {
		return nil, refuse("the label and the metadata disagree where the extents begin: see pvck")
	}
	own := append([]blockmap.Range{{Len: l.at + sectorSize}, {Off: m.boot, Len: m.bootSize}}, l.mda...)
	for _, r := range append(own, l.boot...) {
		if r.Len > 0 && r.Off < p.byteOf(m.count) && r.End() > m.start {
			return nil, refuse("LVM's own areas overlap the extents: see pvck")
		}
	}
	if err := p.allocate(); err != nil {
		return nil, err
	}
	for _, l := range g.lvs {
		l.runs = p.follow(v, l)
	}
	return p, nil
}

// byteOf is where extent n begins.
func (p *physicalVolume) byteOf(n int64) int64 { return p.start + n*p.group.extent }

// allocate collects the extents that any segment has here.
func (p *physicalVolume) allocate() error {
	for _, l := range p.group.lvs {
		for _, s := range l.segments {
			for _, a := range s.areas {
				if a.pv != p.member || s.each == 0 {
					continue
				}
				if a.first > p.count || s.each > p.count-a.first {
					return refuse("logical volume %s/%s lies beyond the physical volume's last extent", p.group.name, l.name)
				}
				p.used = append(p.used, extents{a.first, s.each})
			}
		}
	}
	slices.SortFunc(p.used, func(a, b extents) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(p.used); i++ {
		if p.used[i].first < p.used[i-1].first+p.used[i-1].count {
			return refuse("two logical volumes of %s claim extent %d", p.group.name, p.used[i].first)
		}
	}
	return nil
}

// free are the extents that no segment has.
func (p *physicalVolume) free() (free []extents) {
	at := int64(0)
	for _, u := range append(p.used, extents{p.count, 0}) {
		if u.first > at {
			free = append(free, extents{at, u.first - at})
		}
		at = u.first + u.count
	}
	return free
}

// maxPieces bounds how many pieces all striped volumes are cut into, for all of
// them are listed in memory. The tools stripe a volume over one disk only if they
// are made to.
const maxPieces = 1 << 20

// follow finds where l lies on the volume, or nil where it cannot be followed:
// because it is a part of another one or has flags that say that it is not as it
// seems, or because of how or where its segments lie.
func (p *physicalVolume) follow(v blockmap.Volume, l *logical) []run {
	switch {
	case !l.visible || l.flag != "" || len(l.usedBy) > 0:
		return nil
	case len(l.segments) > 0 && l.segments[0].kind == "raid1":
		return p.followLegs(v, l)
	}
	return p.place(l)
}

// place is follow for a volume, whatever it is used for, that is linear or striped.
func (p *physicalVolume) place(l *logical) []run {
	var runs []run
	pieces := int64(0)
	for _, s := range l.segments {
		if s.kind != "striped" && s.kind != "linear" || s.count == 0 {
			return nil
		}
		r := run{size: s.count * p.group.extent, stripe: s.each * p.group.extent}
		if len(s.areas) > 1 {
			// As dm-stripe requires (kernel, drivers/md/dm-stripe.c, stripe_ctr).
			if s.stripe == 0 || r.stripe%s.stripe != 0 {
				return nil
			}
			r.stripe = s.stripe
			pieces += r.size / r.stripe
		}
		for _, a := range s.areas {
			if a.pv != p.member {
				return nil
			}
			r.areas = append(r.areas, p.byteOf(a.first))
		}
		runs = append(runs, r)
	}
	if p.pieces+pieces > maxPieces {
		return nil
	}
	p.pieces += pieces
	return runs
}
