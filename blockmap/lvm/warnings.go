package lvm

import (
	"fmt"
	"slices"
	"strings"
)

// maxWarnings bounds what is said of single volumes.
const maxWarnings = 32

// warnings are those of a physical volume: they name the group's others that are not
// here, and the logical volumes that are carried whole though they lie on it, with the
// reason.
func (g *assembly) warnings(p *physicalVolume) (w []string) {
	var others []string
	for _, m := range g.pvs {
		if g.part(m) != nil {
			continue
		}
		s := fmt.Sprintf("%s (%s", m.name, m.id)
		if m.device != "" {
			s += ", last seen as " + m.device
		}
		if slices.Contains(m.flags, "MISSING") {
			s += ", missing"
		}
		if others = append(others, s+")"); len(others) == maxWarnings {
			others = append(others, "and more")
			break
		}
	}
	if len(others) > 0 {
		w = append(w, fmt.Sprintf("volume group %s has other physical volumes, too, and is complete only with them: %s", g.name, strings.Join(others, ", ")))
	}
	t := touching{p: p, known: map[string]bool{}}
	for _, l := range g.lvs {
		if l.raid.leg != "" && len(w) <= maxWarnings && t.touches(l) {
			if s := l.raid.warning(g.name + "/" + l.name); s != "" {
				w = append(w, s)
			}
		}
		if l.runs != nil || !l.visible && len(l.usedBy) > 0 || !t.touches(l) {
			continue // a hidden part is named by what it is a part of
		}
		if len(w) > maxWarnings {
			return append(w, "and more like these")
		}
		w = append(w, fmt.Sprintf("logical volume %s/%s is carried whole: %s", g.name, l.name, g.why(l)))
	}
	return w
}

// why is the reason why l is not followed.
func (g *assembly) why(l *logical) string {
	for _, s := range l.segments {
		switch s.kind {
		case "striped", "linear":
		case "raid1":
			if why := l.raid.why; why != "" {
				return "it is a RAID (raid1): " + why
			}
		default:
			words, _ := segmentType(s.kind)
			return "it is " + words
		}
	}
	if len(l.usedBy) > 0 {
		words, _ := segmentType(l.usedBy[0])
		if l.usedBy[0] == "snapshot" {
			return "it has a snapshot or is one"
		}
		return "it is a part of a volume that is " + words
	}
	if l.flag != "" {
		return "it has the flag " + l.flag
	}
	if !l.visible {
		return "it is one of LVM's own"
	}
	var others []string
	for _, s := range l.segments {
		for _, a := range s.areas {
			if a.pv != nil && g.part(a.pv) == nil && !slices.Contains(others, a.pv.name) && len(others) < maxWarnings {
				others = append(others, a.pv.name)
			}
		}
	}
	if len(others) > 0 {
		return "parts of it lie on other physical volumes (" + strings.Join(others, ", ") + ")"
	}
	return "its stripes cannot be followed"
}

// touching finds which logical volumes have extents on p, themselves or through
// their parts.
type touching struct {
	p     *physicalVolume
	known map[string]bool // false while it is being found out, so a circle ends
}

func (t *touching) touches(l *logical) bool {
	if answer, ok := t.known[l.name]; ok {
		return answer
	}
	t.known[l.name] = false
	for _, s := range l.segments {
		for _, a := range s.areas {
			if a.pv == t.p.member && s.each > 0 {
				t.known[l.name] = true
				return true
			}
		}
		for _, part := range s.parts {
			if t.touches(t.p.group.lvNamed[part]) {
				t.known[l.name] = true
				return true
			}
		}
	}
	return false
}
