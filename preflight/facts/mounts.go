package facts

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Mounts is what mounts filesystems besides fstab.
type Mounts struct {
	// Units are the mount and swap units of the owner, and those of packages that
	// name a disk.
	Units []MountUnit
	// Autofs are the entries of automounter maps; AutofsOn whether the automounter
	// is started.
	Autofs   []AutofsEntry
	AutofsOn Service
	// ISCSI are the nodes that the initiator knows; ISCSIOn whether it is started.
	ISCSI   []ISCSINode
	ISCSIOn Service
	// GeneratorsOff are systemd's generators that are masked: without
	// systemd-fstab-generator nobody reads fstab.
	GeneratorsOff []string
	// Subvolumes are the btrfs subvolumes that fstab names.
	Subvolumes []Subvolume
	Problems   []string
}

// MountUnit is a .mount or .swap unit of systemd.
type MountUnit struct {
	// Name is the unit's, File its guest path, Line that of What=.
	Name, File string
	Line       int
	// What, Where and FSType are the settings; Resolved is where What is.
	What, Where, FSType string
	Options             []string
	Resolved            Spec
	// On is whether the unit, or its automount unit, is started; Required that
	// local-fs.target or swap.target cannot do without it.
	On       Service
	Required bool
	// NeededBy are units that say RequiresMountsFor= of a place below Where.
	NeededBy []string
}

// maxMountUnits bounds the units that are listed.
const maxMountUnits = 500

func (g *gatherer) mounts() {
	if err := g.unreadableAt("etc", "etc/systemd"); err != nil {
		g.f.SetAbsent(KeyMounts, Absence{Reason: err.Error()})
		return
	}
	m, s := &g.f.Mounts, &g.f.Services
	m.Problems = append(m.Problems, s.Problems...)
	for _, name := range slices.Sorted(maps.Keys(s.units)) {
		u := s.units[name]
		ext := path.Ext(name)
		if u.masked || u.alias != "" || ext != ".mount" && ext != ".swap" {
			continue
		}
		if len(m.Units) == maxMountUnits {
			m.Problems = append(m.Problems, fmt.Sprintf("more than %d mount units", maxMountUnits))
			break
		}
		section := map[string]string{".mount": "Mount", ".swap": "Swap"}[ext]
		what, ok := unitLast(u.settings, section, "What")
		if !ok || what.Value == "" {
			continue
		}
		x := MountUnit{Name: name, File: u.path, Line: what.Line, What: what.Value}
		if v, ok := unitLast(u.settings, section, "Where"); ok {
			x.Where = v.Value
		}
		if v, ok := unitLast(u.settings, section, "Type"); ok {
			x.FSType = v.Value
		}
		if v, ok := unitLast(u.settings, section, "Options"); ok {
			x.Options = splitOptions(v.Value)
		}
		x.Resolved = g.f.Disk.Resolve(x.What, x.FSType)
		if !strings.HasPrefix(u.path, "/etc/") && (x.Resolved.Place == NoDisk || x.Resolved.Kind == "file") {
			continue // the kernel's own filesystems
		}
		stem := strings.TrimSuffix(name, ext)
		x.On = s.Enabled(name, stem+".automount")
		for _, l := range s.wants[name] {
			x.Required = x.Required || strings.Contains(l.path, "/local-fs.target.requires/") || strings.Contains(l.path, "/swap.target.requires/")
		}
		if x.Where != "" {
			x.NeededBy = s.WantedMounts(x.Where)
		}
		m.Units = append(m.Units, x)
	}
	for _, n := range []string{"systemd-fstab-generator", "systemd-cryptsetup-generator"} {
		for _, d := range []string{"etc/systemd/system-generators", "usr/local/lib/systemd/system-generators"} {
			if link, err := g.fs.ReadLink(path.Join(d, n)); err == nil && strings.HasSuffix(link, "/dev/null") {
				m.GeneratorsOff = append(m.GeneratorsOff, "/"+path.Join(d, n))
			}
		}
	}
	g.autofs(m)
	g.iscsi(m)
	g.subvolumes(m)
}

// WantedMounts are the units that are started and say RequiresMountsFor= of a
// place at or below a mount point.
func (s *Services) WantedMounts(point string) (units []string) {
	if point == "/" {
		return nil
	}
	for _, by := range slices.Sorted(maps.Keys(s.mountsFor)) {
		for _, p := range s.mountsFor[by] {
			if len(units) < maxPulls && (p == point || strings.HasPrefix(p, strings.TrimSuffix(point, "/")+"/")) && s.systemd(by).On == AnswerYes {
				units = addPath(units, by)
			}
		}
	}
	return units
}
