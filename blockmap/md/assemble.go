package md

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"migimg/blockmap"
)

// maxPieces bounds how many pieces a striped array is cut into, for all of them are
// listed in memory.
const maxPieces = 1 << 22

// PartOf names the array, by its UUID. See [blockmap.Assembler].
func (Scanner) PartOf(v blockmap.Volume) (id string, parts int) {
	m, err := read(v)
	if err != nil || m.version == "0.90" || m.apart != "" || m.actors < 2 {
		return "", 1
	}
	return m.uuid, m.actors
}

// part is a member with where it lies.
type part struct {
	*member
	blockmap.Part
	number int // among those that were given
}

// Assemble hands on an array whose active members are all there. A RAID1 of which that
// is not so is followed by each member, as far as that goes.
func (s Scanner) Assemble(ctx context.Context, parts []blockmap.Part, nested func(name string, v blockmap.Volume) error) ([]blockmap.Report, error) {
	reports := make([]blockmap.Report, len(parts))
	var all []part
	for i, p := range parts {
		m, err := read(p.Volume)
		if err != nil {
			return nil, err
		}
		reports[i] = blockmap.Report{Type: "linux_raid_member", UUID: m.uuid, Label: m.name, Features: m.features()}
		all = append(all, part{m, p, i})
	}
	// Their roles are the order of their data, and of what is made like what.
	slices.SortStableFunc(all, func(a, b part) int { return cmp.Compare(a.active.role, b.active.role) })
	why := disagreement(all)
	if why == "" {
		var array blockmap.Volume
		if array, why = assembled(all); why == "" {
			name := all[0].name[strings.LastIndexByte(all[0].name, ':')+1:]
			if name == "" || strings.ContainsAny(name, "/\x00") {
				name = all[0].uuid[:8]
			}
			if err := nested("md-"+name, array); err != nil {
				return nil, err
			}
			return reports, ctx.Err()
		}
	}
	for _, p := range all {
		if p.level != 1 {
			reports[p.number].Whole = why
			continue
		}
		r, err := s.Scan(ctx, p.Volume, p.Sink)
		if err != nil {
			return nil, err
		}
		reports[p.number] = r
	}
	return reports, ctx.Err()
}

// disagreement is why members cannot be the whole array at one moment. Where all active
// ones know the same of each other at the same count of events, none has fallen out:
// the others would have counted that.
func disagreement(all []part) string {
	first := all[0]
	for i, m := range all {
		switch {
		case m.apart != "":
			return m.apart
		case i > 0 && m.active.role == all[i-1].active.role:
			return fmt.Sprintf("md: two of the disks hold member %d of the array: one is a copy of the other; leave it out", m.active.role)
		case m.events != first.events || !bytes.Equal(m.roles, first.roles):
			return fmt.Sprintf("md: the members' superblocks are of different age (events %d and %d): stop the array (mdadm --stop), or wait until it is idle", first.events, m.events)
		case m.level != first.level || m.disks != first.disks || m.chunk != first.chunk || m.level == 1 && m.data.Len != first.data.Len:
			return "md: the members' superblocks contradict each other: see mdadm --examine"
		}
	}
	if n := first.actors; len(all) != n || first.spread() && int64(n) != first.disks {
		return fmt.Sprintf("md: %d of the array's %d members are here, and what is in it can be told with all of them only", len(all), max(int64(n), first.disks))
	}
	return ""
}

// assembled is the array of all members, in the order of their roles, or why it is none.
func assembled(all []part) (array blockmap.Volume, why string) {
	first := all[0]
	if first.level == 1 {
		return mirrored(all), ""
	}
	var areas []blockmap.Area
	var lens []int64
	for _, m := range all {
		n := m.data.Len
		if first.chunk > 0 { // drivers/md/raid0.c, create_strip_zones; md-linear.c, linear_conf
			n -= n % first.chunk
		}
		areas, lens = append(areas, blockmap.Area{In: m.Volume, Off: m.data.Off}), append(lens, n)
	}
	if first.level == -1 {
		var runs []blockmap.Run
		for i, a := range areas {
			if lens[i] > 0 {
				runs = append(runs, blockmap.Run{Size: lens[i], Stripe: lens[i], Areas: []blockmap.Area{a}})
			}
		}
		return blockmap.Compose(runs), ""
	}
	size := lens[0] * int64(len(lens))
	switch {
	case first.chunk == 0 || lens[0] == 0:
		return nil, "md: the RAID superblock has no size of chunks: see mdadm --examine"
	case slices.Max(lens) != slices.Min(lens):
		return nil, "md: the members of the RAID0 differ in size, which is not supported; to copy what is in it, export the assembled array (/dev/md...) instead"
	case size/first.chunk > maxPieces:
		return nil, fmt.Sprintf("md: the RAID0 has more than %d chunks, which is not supported; to copy what is in it, export the assembled array (/dev/md...) instead", maxPieces)
	}
	return blockmap.Compose([]blockmap.Run{{Size: size, Stripe: first.chunk, Areas: areas}}), ""
}

// mirrored is a RAID1, by the member that the others are made like: see checkSync.
func mirrored(all []part) blockmap.Volume {
	from := max(0, slices.IndexFunc(all, func(m part) bool { return !m.active.writeMostly }))
	whole := func(m part) []blockmap.Run {
		return []blockmap.Run{{Size: m.data.Len, Stripe: m.data.Len, Areas: []blockmap.Area{{In: m.Volume, Off: m.data.Off}}}}
	}
	var copies []blockmap.Volume
	for i, m := range all {
		if i != from {
			copies = append(copies, blockmap.Compose(whole(m)))
		}
	}
	return blockmap.Compose(whole(all[from]), copies...)
}
