package facts

import (
	"errors"
	"fmt"
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
				s.Problems = append(s.Problems, fmt.Sprintf("/%s: more than %d units", d, maxUnits))
				return
			}
			g.unitEntry(s, d, e.Name())
		}
	}
	s.target = s.resolve("default.target")
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
		entries, err := g.fs.ReadDir(p)
		if err != nil {
			if fi, err2 := g.fs.Stat(p); err2 == nil && fi.IsDir() {
				s.Problems = append(s.Problems, err.Error())
			}
			return
		}
		by := strings.TrimSuffix(name, path.Ext(name))
		for i, e := range entries {
			if i == maxUnits {
				s.Problems = append(s.Problems, fmt.Sprintf("/%s: more than %d links", p, maxUnits))
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
		s.Problems = append(s.Problems, fmt.Sprintf("/%s: more than %d bytes of units", p, maxUnitBytes))
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
		for k, e := range entries {
			if k == maxUnits || !strings.HasSuffix(e.Name(), ".conf") {
				continue
			}
			if b, err := guestfs.ReadFile(g.fs, path.Join(dir, e.Name()), maxUnitSize); err == nil && s.bytes+len(b) <= maxUnitBytes {
				s.bytes += len(b)
				u.settings = append(u.settings, ParseUnit(string(b))...)
			}
		}
	}
	var pulls []string
	for _, key := range []string{"Wants", "Requires", "BindsTo", "Upholds"} {
		pulls = append(pulls, unitList(u.settings, "Unit", key)...)
	}
	if p := unitList(u.settings, "Unit", "RequiresMountsFor"); len(p) > 0 {
		s.mountsFor[name] = p[:min(len(p), maxPulls)]
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

// resolve follows aliases.
func (s *Services) resolve(name string) string {
	for range maxUnitHops {
		u := s.units[name]
		if u == nil || u.alias == "" {
			return name
		}
		name = u.alias
	}
	return name
}

// never are the units that nothing starts on the way up.
var never = []string{"emergency.target", "rescue.target", "shutdown.target", "halt.target", "poweroff.target", "reboot.target", "kexec.target",
	"soft-reboot.target", "suspend.target", "hibernate.target", "hybrid-sleep.target", "suspend-then-hibernate.target", "sleep.target",
	"final.target", "umount.target", "exit.target", "system-update.target", "ctrl-alt-del.target", "initrd.target", "initrd-switch-root.target",
	"initrd-root-fs.target", "initrd-root-device.target", "initrd-fs.target", "initrd-usr-fs.target"}

// started says whether a link in this unit's folder makes something start at
// boot. Units that devices or generators start count.
func (s *Services) started(by string) bool {
	by = s.resolve(by)
	if u := s.units[by]; u != nil && u.masked || slices.Contains(never, by) {
		return false
	}
	return by != "graphical.target" || s.target != "multi-user.target"
}

// systemd is a unit's answer.
func (s *Services) systemd(name string) Service { return s.unitAnswer(name, map[string]bool{}) }

func (s *Services) unitAnswer(name string, seen map[string]bool) Service {
	x := Service{Name: name, On: AnswerNo, State: UnitAbsent, Why: "it is not installed"}
	own := s.resolve(name)
	u := s.units[own]
	tmpl, instance, templated := template(own)
	if u == nil && templated {
		u = s.units[tmpl]
	}
	if u == nil || seen[own] || u.alias != "" { // aliases in a circle
		return x
	}
	seen[own] = true
	if u.masked {
		return Service{Name: own, On: AnswerNo, State: UnitMasked, Where: []string{u.path}, Why: "it is masked"}
	}
	x = Service{Name: own, On: AnswerNo, State: UnitDisabled, Why: "nothing wants it"}
	for wanted, links := range s.wants {
		if s.resolve(wanted) != own && !(templated && instance == "" && sameTemplate(wanted, own)) {
			continue
		}
		for _, l := range links {
			if s.started(l.by) {
				x.On, x.State, x.Why = AnswerYes, UnitEnabled, ""
				x.Where = addPath(x.Where, l.path)
			} else if x.On == AnswerNo {
				x.Why = "only " + l.by + " wants it"
				if strings.HasPrefix(l.path, "/etc/") {
					x.State = UnitEnabled // the owner enabled it, for something else
				}
			}
		}
	}
	slices.Sort(x.Where)
	if x.On == AnswerYes {
		return x
	}
	return s.pulled(x, own, u, seen)
}

// sameTemplate: the link is an instance of the template that was asked for.
func sameTemplate(wanted, tmpl string) bool {
	t, _, ok := template(wanted)
	return ok && t == tmpl
}

// pulled looks for what else starts a unit that no link wants.
func (s *Services) pulled(x Service, own string, u *unit, seen map[string]bool) Service {
	for _, by := range s.startedBy[own] {
		if len(seen) > maxPulls || slices.Contains(never, by) {
			continue
		}
		if y := s.unitAnswer(by, seen); y.On == AnswerYes || by == s.target {
			x.On, x.Where, x.Why = AnswerYes, append([]string{s.units[by].path}, y.Where...), by+" starts it"
			return x
		}
	}
	switch {
	case x.State == UnitEnabled:
	case s.FirstBoot && u.install && s.preset(own) != AnswerNo:
		x.On, x.Why = s.preset(own), "there is no /etc/machine-id, so the next boot enables what the presets say"
	case !u.install:
		x.On, x.Why = AnswerUnknown, "it has no [Install] section: a device, D-Bus or a generator may start it"
	}
	return x
}
