package facts

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// unitDirs are searched in systemd's order of preference (systemd.unit(5),
// "Unit File Load Path"); what is below /run is gone at the next boot.
var unitDirs = []string{"etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// Bounds of what is read of one guest's units.
const (
	maxUnits     = 5000
	maxUnitSize  = 1 << 20
	maxUnitBytes = 32 << 20 // of all units together
	maxUnitLinks = 20_000
	maxMountsFor = 2000 // paths of RequiresMountsFor=
	maxUnitHops  = 8
	maxPulls     = 64 // units between the target and what it pulls in
)

// unit is a unit file, or a link that stands for one.
type unit struct {
	path     string
	masked   bool
	alias    string // of another unit
	install  bool   // has an [Install] section
	settings []UnitSetting
}

// unitLink is a link X.wants/NAME.
type unitLink struct{ by, path string }

func (g *gatherer) gatherUnits(s *Services) {
	seen := map[string]bool{}
	for _, d := range unitDirs {
		if seen[g.real(d)] { // /lib is a link to /usr/lib on most systems
			continue
		}
		seen[g.real(d)] = true
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.Problems = append(s.Problems, err.Error())
			}
			continue
		}
		for _, e := range entries {
			if len(s.units) >= maxUnits {
				s.problem("/%s: more than %d units", d, maxUnits)
				return
			}
			g.unitEntry(s, d, e.Name())
		}
	}
	s.target = s.resolve("default.target")
	for _, wanted := range slices.Sorted(maps.Keys(s.wants)) {
		s.index(wanted)
	}
	for _, name := range slices.Sorted(maps.Keys(s.units)) {
		g.pullsOf(s, s.units[name], name)
	}
	_, err := g.fs.Lstat("etc/machine-id")
	b, err2 := guestfs.ReadFile(g.fs, "etc/machine-id", 4096)
	s.FirstBoot = errors.Is(err, fs.ErrNotExist) || err2 == nil && strings.TrimSpace(string(b)) == "uninitialized"
	if s.FirstBoot {
		g.gatherPresets(s)
	}
}

// index files the links to a unit under its own name, and under its template's.
func (s *Services) index(wanted string) {
	own := s.resolve(wanted)
	s.linked[own] = append(s.linked[own], s.wants[wanted]...)
	if tmpl, instance, ok := template(wanted); ok && instance != "" {
		s.linked[tmpl] = append(s.linked[tmpl], s.wants[wanted]...)
	}
}

// real is a folder's own name where its first component is a link.
func (g *gatherer) real(dir string) string {
	head, rest, _ := strings.Cut(dir, "/")
	if link, err := g.fs.ReadLink(head); err == nil {
		return path.Join(strings.TrimPrefix(link, "/"), rest)
	}
	return dir
}

func (g *gatherer) unitEntry(s *Services, dir, name string) {
	p := path.Join(dir, name)
	switch path.Ext(name) {
	case ".wants", ".requires", ".upholds":
		if s.links > maxUnitLinks {
			return
		}
		entries, err := g.fs.ReadDir(p)
		if err != nil {
			if fi, err2 := g.fs.Stat(p); err2 == nil && fi.IsDir() {
				s.Problems = append(s.Problems, err.Error())
			}
			return
		}
		by := strings.TrimSuffix(name, path.Ext(name))
		for _, e := range entries {
			if s.links++; s.links > maxUnitLinks {
				s.problem("/%s: more than %d links to units", p, maxUnitLinks)
				return
			}
			s.wants[e.Name()] = append(s.wants[e.Name()], unitLink{by, "/" + path.Join(p, e.Name())})
		}
		return
	}
	if !unitSuffixes[path.Ext(name)] || s.units[name] != nil {
		return
	}
	u := &unit{path: "/" + p}
	if link, err := g.fs.ReadLink(p); err == nil {
		switch {
		case link == "/dev/null" || strings.HasSuffix(link, "/dev/null"):
			u.masked = true
			s.units[name] = u
			return
		case path.Base(link) != name && inUnitDir(dir, link):
			u.alias = path.Base(link)
			s.units[name] = u
			return
		}
	}
	if fi, err := g.fs.Stat(p); err == nil && fi.IsDir() {
		return
	}
	b, err := guestfs.ReadFile(g.fs, p, maxUnitSize)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a link to nowhere
		return
	case err != nil:
		s.Problems = append(s.Problems, err.Error())
	case len(b) == 0 && dir == unitDirs[0]: // an empty file of the owner's masks, too
		u.masked = true
	case s.bytes+len(b) > maxUnitBytes:
		s.problem("/%s: more than %d bytes of units", p, maxUnitBytes)
	default:
		s.bytes += len(b)
		u.settings = ParseUnit(string(b))
	}
	s.units[name] = u
}

// inUnitDir says whether a link leads to where units are: only then its target's
// name is the unit's; a file from elsewhere is linked in under the link's name.
func inUnitDir(dir, link string) bool {
	if !path.IsAbs(link) {
		link = path.Join("/", dir, link)
	}
	return slices.Contains(unitDirs, path.Dir(path.Clean(link))[1:])
}

// pullsOf reads the unit's drop-ins and notes what it pulls in, by the unit that
// is pulled. The settings are kept of mounts and swap alone.
func (g *gatherer) pullsOf(s *Services, u *unit, name string) {
	if u.masked || u.alias != "" {
		return
	}
	for i := len(unitDirs) - 1; i >= 0; i-- {
		dir := path.Join(unitDirs[i], name+".d")
		entries, err := g.fs.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".conf") {
				continue
			}
			if s.links++; s.links > maxUnitLinks || s.bytes > maxUnitBytes {
				s.problem("/%s: more drop-ins than are read", dir)
				return
			}
			if b, err := guestfs.ReadFile(g.fs, path.Join(dir, e.Name()), maxUnitSize); err == nil {
				s.bytes += len(b)
				u.settings = append(u.settings, ParseUnit(string(b))...)
			}
		}
	}
	var pulls []string
	for _, key := range []string{"Wants", "Requires", "BindsTo", "Upholds"} {
		pulls = append(pulls, unitList(u.settings, "Unit", key)...)
	}
	for _, p := range unitList(u.settings, "Unit", "RequiresMountsFor") {
		if s.paths++; s.paths <= maxMountsFor {
			s.mountsFor[name] = append(s.mountsFor[name], p)
		}
	}
	for _, x := range u.settings {
		u.install = u.install || x.Section == "Install"
	}
	stem := strings.TrimSuffix(name, path.Ext(name))
	for _, k := range []struct{ ext, section, key string }{{".socket", "Socket", "Service"}, {".timer", "Timer", "Unit"}, {".path", "Path", "Unit"}} {
		if path.Ext(name) != k.ext {
			continue
		}
		starts := unitList(u.settings, k.section, k.key)
		if len(starts) == 0 {
			starts = []string{stem + ".service"}
			if k.ext == ".socket" {
				starts = append(starts, stem+"@.service") // Accept=yes
			}
		}
		pulls = append(pulls, starts...)
	}
	for _, p := range pulls {
		if p = s.resolve(p); !slices.Contains(s.startedBy[p], name) && len(s.startedBy[p]) < maxPulls {
			s.startedBy[p] = append(s.startedBy[p], name)
		}
	}
	if e := path.Ext(name); e != ".mount" && e != ".swap" && e != ".automount" {
		u.settings = nil
	}
}
