package lvm

import (
	"cmp"
	"slices"

	"migimg/blockmap"
)

// physicalVolume is one that is scanned.
type physicalVolume struct {
	*member
	volume blockmap.Volume
	label  *label
	group  *group
	text   []byte    // that describes the group
	used   []extents // of all segments, ascending, without overlap
}

// extents are count extents of the physical volume from first on.
type extents struct{ first, count int64 }

// newPhysicalVolume finds the volume of the label in the group, checks where its
// parts lie, and collects what is allocated.
func newPhysicalVolume(v blockmap.Volume, l *label, g *group, text []byte) (*physicalVolume, error) {
	m := g.memberByID(l.uuid)
	if m == nil {
		return nil, refuse("the physical volume (%s) is not one of volume group %s, whose metadata it holds: see vgck", l.uuid, g.name)
	}
	p := &physicalVolume{member: m, volume: v, label: l, group: g, text: text}
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
	return p, p.allocate()
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
