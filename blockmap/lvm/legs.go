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
	leg     string // the copy that is followed
	missing bool   // some copies are on disks that are not here
	why     string // why none is followed
}

// followLegs finds where a raid1 lies: on the first copy that is proven to be what
// the volume holds. What is free in it is free in the others that are here, too, for
// they hold the same, and the kernel reads from any of them.
//
// A copy is proven by the superblock and the bitmap in its metadata volume. Those of
// copies on disks that are not here are not to be seen. They cannot say that this one
// is wrong, only that it is old, where it fell out and the others went on without
// it; then it is what the volume held when it fell out, and is mapped as that.
func (g *assembly) followLegs(l *logical) {
	r := &l.raid
	s := l.segments[0]
	if len(l.segments) != 1 || s.legs == nil || s.flags != "" {
		r.why = "its description has parts that are not known"
		return
	}
	for _, x := range s.legs {
		for _, name := range []string{x.meta, x.image} {
			if r.why = g.whyNotPart(name); r.why != "" {
				return
			}
		}
	}
	size := s.count * g.extent
	var first []blockmap.Run
	var copies [][]blockmap.Run
	var proven []raidMeta
	for i, x := range s.legs {
		meta, image := g.place(g.lvNamed[x.meta]), g.place(g.lvNamed[x.image])
		if meta == nil {
			r.missing = true
			continue
		}
		m, err := readRaidMeta(blockmap.Compose(meta), i, len(s.legs), size)
		switch {
		case err != nil:
			r.why = err.Error()
		case m.doubt != "":
			r.why = m.doubt
		case len(proven) > 0 && m.events != proven[0].events:
			r.why = "the RAID superblocks of its copies are of different age"
		case image != nil && blockmap.Compose(image).Size() != size:
			r.why = fmt.Sprintf("its copy %s has another size", x.image)
		}
		if r.why != "" {
			r.leg = ""
			return
		}
		proven = append(proven, m)
		switch {
		case image == nil:
			r.missing = true
		case first == nil:
			first, r.leg = image, x.image
		default:
			copies = append(copies, image)
		}
	}
	if first == nil {
		r.why = "no copy of it lies on this disk as a whole, with the metadata that says whether it is up to date"
		return
	}
	l.runs, l.copies = first, copies
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

// warning tells the owner which copy is followed, and what an image without the others
// is; empty where all are here.
func (r *followed) warning(name string) string {
	if !r.missing {
		return ""
	}
	return fmt.Sprintf("logical volume %s is a RAID (raid1), of which the copy %s is followed: an image of this disk alone has that copy only, and starts as a degraded RAID (lvchange -ay --activationmode degraded)", name, r.leg)
}
