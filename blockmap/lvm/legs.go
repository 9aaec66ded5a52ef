package lvm

import (
	"fmt"
	"slices"

	"migimg/blockmap"
)

// leg is one copy of a raid1 volume: two hidden logical volumes.
type leg struct{ meta, image string }

// legKeys are what a segment of a raid1 may have (lvm2, lib/format_text/export.c
// and lib/raid/raid.c). What is not known, or says that data is elsewhere, as
// data_offset and reshape_count do, stands in the way of following it.
var legKeys = []string{"start_extent", "extent_count", "type", "tags", "device_count", "region_size", "writebehind", "min_recovery_rate", "max_recovery_rate", "raids"}

// readLegs reads a raid1's list of copies: nil where it is not as expected.
func readLegs(n *node) []leg {
	for _, k := range n.kids {
		if !slices.Contains(legKeys, k.name) {
			return nil
		}
	}
	count, err := n.number("device_count", most32)
	names, err2 := n.list("raids")
	if err != nil || err2 != nil || count < 1 || int64(len(names)) != 2*count {
		return nil
	}
	var legs []leg
	for ; len(names) > 0; names = names[2:] {
		legs = append(legs, leg{names[0], names[1]})
	}
	return legs
}

// followed is what came of following the copies of a raid1.
type followed struct {
	leg    string // the copy that is followed
	others int    // copies on the same physical volume that are carried whole
	why    string // why none is followed
}

// followLegs finds where a raid1 lies on the volume: on the first copy that is
// proven to be what the volume holds. The other copies here keep all of their
// extents, for the kernel reads from any of them.
//
// A copy is proven by the superblock and the bitmap in its metadata volume. Those of
// copies on other disks are not to be seen from here. They cannot say that this one
// is wrong, only that it is old, where it fell out and the others went on without
// it; then it is what the volume held when it fell out, and is mapped as that.
func (p *physicalVolume) followLegs(v blockmap.Volume, l *logical) []run {
	r := &l.raid
	s := l.segments[0]
	if len(l.segments) != 1 || s.legs == nil || s.flags != "" {
		r.why = "its description has parts that are not known"
		return nil
	}
	for _, g := range s.legs {
		for _, name := range []string{g.meta, g.image} {
			if r.why = p.group.whyNotPart(name); r.why != "" {
				return nil
			}
		}
	}
	var runs []run
	var proven []raidMeta
	for i, g := range s.legs {
		meta, image := p.place(p.group.lvNamed[g.meta]), p.place(p.group.lvNamed[g.image])
		if meta == nil {
			continue // on another disk
		}
		m, err := readRaidMeta(newVolume(v, meta), i, len(s.legs), s.count*p.group.extent)
		switch {
		case err != nil:
			r.why = err.Error()
		case m.doubt != "":
			r.why = m.doubt
		case len(proven) > 0 && m.events != proven[0].events:
			r.why = "the RAID superblocks of its copies are of different age"
		case image != nil && newVolume(v, image).size != s.count*p.group.extent:
			r.why = fmt.Sprintf("its copy %s has another size", g.image)
		}
		if r.why != "" {
			r.leg, r.others = "", 0
			return nil
		}
		proven = append(proven, m)
		switch {
		case image == nil:
		case runs == nil:
			runs, r.leg = image, g.image
		default:
			r.others++
		}
	}
	if runs == nil {
		r.why = "no copy of it lies on this disk as a whole, with the metadata that says whether it is up to date"
	}
	return runs
}

// whyNotPart says why a volume is not simply a part of one raid1: the copy that
// was split off, for one (lvconvert --splitmirrors --trackchanges), is visible.
func (g *group) whyNotPart(name string) string {
	l := g.lvNamed[name]
	switch {
	case l == nil:
		return fmt.Sprintf("its part %s is not described", name)
	case l.flag != "":
		return fmt.Sprintf("its part %s has the flag %s", name, l.flag)
	case l.visible || !slices.Equal(l.usedBy, []string{"raid1"}):
		return fmt.Sprintf("its part %s is in use by itself, too", name)
	}
	return ""
}

// warning tells the owner which copy is followed, and what an image of it is.
func (r *followed) warning(name string) string {
	s := fmt.Sprintf("logical volume %s is a RAID (raid1), of which the copy %s is followed: an image of this disk alone has that copy only, and starts as a degraded RAID (lvchange -ay --activationmode degraded)", name, r.leg)
	if r.others > 0 {
		s += "; the other copies on this disk are carried whole"
	}
	return s
}
