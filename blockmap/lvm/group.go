package lvm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of numbers: lvm2 keeps counts of extents, sequence numbers and extent
// sizes in 32 bits. Places and sizes on a device are of 64 bits, but none beyond
// 2^62 bytes makes sense.
const (
	most32      = 1<<32 - 1
	mostSectors = 1<<62/sectorSize - 1
)

// group is a volume group, as a text describes it.
type group struct {
	name, id string
	seqno    int64
	extent   int64 // bytes
	pvs      []*member
	lvs      []*logical
	// names of physical and of logical volumes; lvm2 looks for the former first.
	pvNamed map[string]*member
	lvNamed map[string]*logical
}

// member is one of the group's physical volumes.
type member struct {
	name, id string
	device   string // where it was last seen, a hint only
	size     int64  // of the device in bytes; 0 where it is not said
	start    int64  // of the first extent, in bytes
	count    int64  // extents
	boot     int64  // where a boot loader's area begins, in bytes; 0 if there is none
	bootSize int64
	flags    []string
}

// root finds the group's section behind the text's head, and checks the latter.
func rootOf(text *node) (*node, error) {
	f := fields{n: text}
	contents, version := f.str("contents"), f.number("version", most32)
	switch {
	case f.err != nil:
		return nil, f.err
	case contents != "Text Format Volume Group" || version != 1:
		return nil, fmt.Errorf("it is %q of version %d, which is not known", contents, version)
	}
	var vg *node
	for _, k := range text.kids {
		if k.kind != isSection {
			continue
		}
		if vg != nil {
			return nil, errors.New("it describes more than one volume group")
		}
		vg = k
	}
	if vg == nil {
		return nil, errors.New("it describes no volume group")
	}
	return vg, nil
}

// sequence is the text's number, which grows by 1 with each change.
func sequence(text *node) (int64, error) {
	vg, err := rootOf(text)
	if err != nil {
		return 0, err
	}
	return vg.number("seqno", most32)
}

// parseGroup reads what a text says. All that is not known to be harmless is an
// error: a refusal.
func parseGroup(text *node) (*group, error) {
	vg, err := rootOf(text)
	if err != nil {
		return nil, refuse("the volume group's description: %v", err)
	}
	f := fields{n: vg}
	g := &group{
		name: vg.name, id: f.str("id"), seqno: f.number("seqno", most32),
		extent:  f.number("extent_size", most32) * sectorSize,
		pvNamed: map[string]*member{}, lvNamed: map[string]*logical{},
	}
	status, format, lockType := f.list("status"), f.str("format"), f.str("lock_type")
	pvs, lvs := f.section("physical_volumes"), f.section("logical_volumes")
	switch {
	case f.err != nil:
		return nil, refuse("volume group %s: %v", vg.name, f.err)
	case g.extent == 0 || pvs == nil:
		return nil, refuse("volume group %s has no extents or no physical volumes", vg.name)
	case format != "" && format != "lvm2":
		return nil, refuse("volume group %s has the format %q, which is not known", vg.name, format)
	case lockType != "" && lockType != "none":
		return nil, refuse("volume group %s is shared between machines (%s), so another one may change it", vg.name, lockType)
	}
	if why := groupFlags(status); why != "" {
		return nil, refuse("volume group %s %s", vg.name, why)
	}
	for _, k := range vg.kids {
		if k.kind == isSection && !slices.Contains([]string{"physical_volumes", "logical_volumes", "historical_logical_volumes"}, k.name) {
			return nil, refuse("volume group %s has a section %q, which is not known", vg.name, k.name)
		}
	}
	if err := g.readMembers(pvs); err != nil {
		return nil, refuse("volume group %s: %v", vg.name, err)
	}
	if lvs != nil {
		if err := g.readLogicals(lvs); err != nil {
			return nil, refuse("volume group %s: %v", vg.name, err)
		}
	}
	return g, nil
}

// groupFlags says what of a group's status flags (lvm2, lib/format_text/flags.c)
// stands in the way.
func groupFlags(status []string) string {
	for _, s := range status {
		switch s {
		case "RESIZEABLE", "READ", "WRITE":
		case "EXPORTED":
			return "is exported; vgimport makes it usable again"
		case "CLUSTERED", "SHARED":
			return "is shared between machines, so another one may change it"
		case "PARTIAL":
			return "is marked as partial: some of its disks were missing when it was last written"
		case "PVMOVE":
			return "is being moved from one disk to another (pvmove): let that finish, or abort it"
		default:
			return fmt.Sprintf("has the flag %q, which is not known", s)
		}
	}
	return ""
}

func (g *group) readMembers(pvs *node) error {
	for _, n := range pvs.kids {
		if n.kind != isSection {
			return fmt.Errorf("physical volume %q is not a section", n.name)
		}
		f := fields{n: n}
		m := &member{
			name: n.name, id: f.str("id"), device: f.str("device"),
			start: f.number("pe_start", mostSectors) * sectorSize, count: f.number("pe_count", most32),
			flags: append(f.list("status"), f.list("flags")...),
		}
		for name, p := range map[string]*int64{"dev_size": &m.size, "ba_start": &m.boot, "ba_size": &m.bootSize} {
			if n.kid(name) != nil {
				*p = f.number(name, mostSectors) * sectorSize
			}
		}
		if f.err != nil {
			return f.err
		}
		g.pvs = append(g.pvs, m)
		g.pvNamed[m.name] = m
	}
	return nil
}

// memberByID is the physical volume of a UUID, if exactly one has it.
func (g *group) memberByID(id string) *member {
	var found *member
	for _, m := range g.pvs {
		if m.id == id {
			if found != nil {
				return nil
			}
			found = m
		}
	}
	return found
}

// features are the words of the report.
func (g *group) features() []string {
	return []string{"vg=" + g.name, "vg_uuid=" + g.id, fmt.Sprintf("seqno=%d", g.seqno), fmt.Sprintf("pvs=%d", len(g.pvs)), fmt.Sprintf("lvs=%d", len(g.lvs))}
}

// mapperName is the name that device-mapper has for a logical volume (libdm,
// dm_build_dm_name): a hyphen inside of the names is doubled.
func mapperName(vg, lv string) string {
	double := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
	return double(vg) + "-" + double(lv)
}
