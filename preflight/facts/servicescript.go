package facts

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// rcLink is a link rcN.d/SNNname.
type rcLink struct{ level, path string }

// upstartJob is a job of Upstart's.
type upstartJob struct {
	path string
	// start: it has a "start on" that nothing takes back.
	start  bool
	manual string // the file that says so
}

// gatherScripts reads System V's init scripts and the links of the runlevels:
// Debian's /etc/rcN.d, Red Hat's /etc/rc.d/rcN.d, SUSE's /etc/init.d/rcN.d.
func (g *gatherer) gatherScripts(s *Services) {
	for _, d := range []string{"etc/init.d", "etc/rc.d/init.d"} {
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.Problems = append(s.Problems, err.Error())
			}
			continue
		}
		for i, e := range entries {
			if i < maxUnits && s.scripts[e.Name()] == "" {
				s.scripts[e.Name()] = "/" + path.Join(d, e.Name())
			}
		}
	}
	for _, level := range []string{"2", "3", "4", "5", "S"} {
		for _, d := range []string{"etc/rc" + level + ".d", "etc/rc.d/rc" + level + ".d", "etc/init.d/rc" + level + ".d", "etc/init.d/boot.d"} {
			if d == "etc/init.d/boot.d" && level != "S" {
				continue
			}
			entries, err := g.fs.ReadDir(d)
			if err != nil {
				continue // not every system has them all
			}
			for i, e := range entries {
				n := e.Name()
				if i == maxUnits || len(n) < 4 || n[0] != 'S' {
					continue
				}
				name := strings.TrimLeft(n[1:], "0123456789")
				s.rcLinks[name] = append(s.rcLinks[name], rcLink{level, "/" + path.Join(d, n)})
			}
		}
	}
	s.level = g.defaultRunlevel()
}

// defaultRunlevel is the default runlevel (inittab(5), initdefault); Debian's is 2.
func (g *gatherer) defaultRunlevel() string {
	if b, err := guestfs.ReadFile(g.fs, "etc/inittab", guestfs.MaxConfig); err == nil {
		for line := range strings.Lines(string(b)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) >= 3 && f[2] == "initdefault" && !strings.HasPrefix(f[0], "#") && len(f[1]) == 1 {
				return f[1]
			}
		}
	}
	if ok, _ := g.exists("etc/debian_version"); len(ok) > 0 {
		return "2"
	}
	return "3"
}

// sysv is the answer of the rc links of some runlevels.
func (s *Services) sysv(name string, levels []string) Service {
	x := Service{Name: name, On: AnswerNo, State: UnitAbsent, Why: "it is not installed"}
	for _, l := range s.rcLinks[name] {
		if slices.Contains(levels, l.level) {
			x.On, x.State, x.Why = AnswerYes, "", ""
			x.Where = addPath(x.Where, l.path)
		}
	}
	if x.On == AnswerNo && s.scripts[name] != "" {
		x.State, x.Why = "", "no link of the default runlevel starts "+s.scripts[name]
	}
	return x
}

// gatherUpstart reads the jobs of Upstart (init(5)): /etc/init/NAME.conf, and
// NAME.override over it, whose word "manual" drops the "start on".
func (g *gatherer) gatherUpstart(s *Services) {
	entries, err := g.fs.ReadDir("etc/init")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.Problems = append(s.Problems, err.Error())
		}
		return
	}
	for _, ext := range []string{".conf", ".override"} {
		for i, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), ext)
			if !ok || i == maxUnits {
				continue
			}
			p := path.Join("etc/init", e.Name())
			b, err := guestfs.ReadFile(g.fs, p, maxUnitSize)
			if err != nil {
				s.Problems = append(s.Problems, err.Error())
				continue
			}
			j, found := s.jobs[name]
			if ext == ".conf" {
				j = upstartJob{path: "/" + p}
			} else if !found {
				continue
			}
			for line := range strings.Lines(string(b)) {
				switch w := strings.Fields(line); {
				case len(w) >= 2 && w[0] == "start" && w[1] == "on":
					j.start, j.manual = true, ""
				case len(w) == 1 && w[0] == "manual":
					j.start, j.manual = false, "/"+p
				}
			}
			s.jobs[name] = j
		}
	}
}

func (s *Services) upstart(name string) Service {
	j, ok := s.jobs[name]
	switch {
	case !ok:
		return Service{Name: name, On: AnswerNo, State: UnitAbsent, Why: "it is not installed"}
	case j.start:
		return Service{Name: name, On: AnswerYes, Where: []string{j.path}}
	case j.manual != "":
		return Service{Name: name, On: AnswerNo, Where: []string{j.manual}, Why: "its job is manual"}
	}
	return Service{Name: name, On: AnswerNo, Where: []string{j.path}, Why: "its job has no \"start on\""}
}

// gatherOpenRC reads OpenRC's runlevels (rc(8)). Those that nothing starts at
// boot, "shutdown" and "nonetwork", are left out.
func (g *gatherer) gatherOpenRC(s *Services) {
	for _, l := range []string{"sysinit", "boot", "default"} {
		d := path.Join("etc/runlevels", l)
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				s.Problems = append(s.Problems, err.Error())
			}
			continue
		}
		for i, e := range entries {
			if i < maxUnits {
				s.runlevels[e.Name()] = append(s.runlevels[e.Name()], "/"+path.Join(d, e.Name()))
			}
		}
	}
}

func (s *Services) openrc(name string) Service {
	if where := s.runlevels[name]; len(where) > 0 {
		return Service{Name: name, On: AnswerYes, Where: where}
	}
	x := Service{Name: name, On: AnswerNo, State: UnitAbsent, Why: "it is not installed"}
	if s.scripts[name] != "" {
		x.State, x.Why = "", "it is in no runlevel"
	}
	return x
}
