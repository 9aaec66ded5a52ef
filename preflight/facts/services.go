package facts

import (
	"fmt"
	"slices"
	"strings"
)

// UnitState is whether a systemd unit is started at boot, as far as the links
// on the disk say (systemd.unit(5)).
type UnitState string

// The states of a unit.
const (
	UnitEnabled  UnitState = "enabled"
	UnitDisabled UnitState = "disabled" // installed and not wanted by anything
	UnitMasked   UnitState = "masked"   // a link to /dev/null
	UnitAbsent   UnitState = "absent"
	UnitUnknown  UnitState = "unknown"
)

// Answer is yes, no, or not known.
type Answer string

// The answers.
const (
	AnswerYes     Answer = "yes"
	AnswerNo      Answer = "no"
	AnswerUnknown Answer = "unknown"
)

// Services is which services the guest starts at boot, as its files say it:
// systemd's links, presets and sockets, System V's rc links, Upstart's jobs,
// OpenRC's runlevels. What a generator decides at boot is not seen.
type Services struct {
	// Init is the program that starts them: "systemd", "upstart", "openrc",
	// "sysv", or "" where it cannot be told.
	Init string
	// FirstBoot: systemd will take the next boot for the machine's first and
	// enable what its presets say, as there is no /etc/machine-id
	// (machine-id(5)).
	FirstBoot bool
	// Problems are what could not be read. With any, no service is known to be
	// off.
	Problems []string

	units  map[string]*unit
	wants  map[string][]unitLink // by the name that is wanted
	linked map[string][]unitLink // by the own name of the unit
	// links, paths and bytes count what was read, for its bounds.
	links, paths, bytes int
	// startedBy are the units whose settings start one: Wants=, Requires=, and
	// sockets, timers and paths.
	startedBy map[string][]string
	// mountsFor are the paths of RequiresMountsFor=, by unit.
	mountsFor map[string][]string
	presets   []preset
	// target is the unit that default.target stands for.
	target string
	// scripts are the init scripts of a System V system, links the runlevels that
	// start one, jobs the jobs of Upstart, runlevels those of OpenRC.
	scripts   map[string]string
	rcLinks   map[string][]rcLink
	jobs      map[string]upstartJob
	runlevels map[string][]string
	// level is the default runlevel.
	level string
}

// Service is whether a service is started at boot.
type Service struct {
	// Name is the one that was found, On whether it is started.
	Name string
	On   Answer
	// Where are the guest paths that say so: links, jobs, files.
	Where []string
	// Why is the reason in words where the links alone do not say it.
	Why string
	// State is systemd's word for the unit; empty for other systems.
	State UnitState
}

// Enabled says whether a service is started at boot. Names are tried in turn
// ("ssh", "sshd"), with or without the kind of unit; the first one that is
// started counts, else the first that is not known, else the first that exists.
// A service that a socket, timer or path starts on demand counts as started.
func (s *Services) Enabled(names ...string) Service {
	best := Service{On: AnswerNo, State: UnitAbsent, Why: "it is not installed"}
	if len(names) > 0 {
		best.Name = names[0]
	}
	for _, n := range names {
		x := s.one(n)
		switch {
		case x.On == AnswerYes:
			return x
		case x.On == AnswerUnknown && best.On == AnswerNo, best.On == AnswerNo && best.State == UnitAbsent && x.State != UnitAbsent:
			best = x
		}
	}
	if best.On == AnswerNo && len(s.Problems) > 0 {
		best.On, best.Why = AnswerUnknown, s.Problems[0]
		if best.State == UnitAbsent {
			best.State = UnitUnknown
		}
	}
	return best
}

// one looks a name up in the guest's own system, and in all of them where that
// is not known.
func (s *Services) one(name string) Service {
	script := strings.TrimSuffix(name, ".service")
	switch s.Init {
	case "systemd":
		x := s.systemd(unitName(name))
		if x.State != UnitAbsent {
			return x
		}
		// systemd-sysv-generator(8): a script without a unit of its name.
		return s.sysv(script, []string{"2", "3", "4", "5", "S"})
	case "upstart":
		if x := s.upstart(script); x.State != UnitAbsent {
			return x
		}
		return s.sysv(script, []string{s.level, "S"})
	case "openrc":
		return s.openrc(script)
	case "sysv":
		return s.sysv(script, []string{s.level, "S"})
	}
	best := s.systemd(unitName(name))
	for _, x := range []Service{s.upstart(script), s.openrc(script), s.sysv(script, []string{s.level, "S"})} {
		if best.On == AnswerNo && (x.On != AnswerNo || best.State == UnitAbsent) {
			best = x
		}
	}
	return best
}

// unit tells the state of a systemd unit. Units that a generator wants at run
// time are not seen: callers that know of one say so themselves.
func (g *gatherer) unit(name string) UnitState {
	s := &g.f.Services
	x := s.systemd(unitName(name))
	switch {
	case x.State == UnitAbsent && len(s.Problems) > 0:
		return UnitUnknown
	case x.State == UnitDisabled && len(s.Problems) > 0:
		return UnitUnknown
	}
	return x.State
}

// initScript tells whether a System V or OpenRC service is started at boot.
func (g *gatherer) initScript(name string) bool {
	s := &g.f.Services
	return s.openrc(name).On == AnswerYes || s.sysv(name, []string{"2", "3", "5", "S"}).On == AnswerYes
}

// services reads what starts services; the error of a folder that cannot be
// read is a problem, and leaves what is not found unknown.
func (g *gatherer) services() {
	s := &g.f.Services
	*s = Services{units: map[string]*unit{}, wants: map[string][]unitLink{}, startedBy: map[string][]string{}, linked: map[string][]unitLink{},
		mountsFor: map[string][]string{}, scripts: map[string]string{},
		rcLinks: map[string][]rcLink{}, jobs: map[string]upstartJob{}, runlevels: map[string][]string{}}
	if err := g.unreadableAt("etc", "etc/systemd", "usr", "usr/lib", "lib"); err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	g.gatherUnits(s)
	g.gatherScripts(s)
	g.gatherUpstart(s)
	g.gatherOpenRC(s)
	s.Init = g.initSystem(s)
}

// initSystem tells which program is process 1: what /sbin/init leads to, or
// else what only one of them has.
func (g *gatherer) initSystem(s *Services) string {
	has := func(names ...string) bool { found, _ := g.exists(names...); return len(found) > 0 }
	for _, n := range []string{"sbin/init", "usr/sbin/init"} {
		link, err := g.fs.ReadLink(n)
		if err != nil {
			continue
		}
		for _, k := range []struct{ part, init string }{{"systemd", "systemd"}, {"upstart", "upstart"}, {"openrc", "openrc"}} {
			if strings.Contains(link, k.part) {
				return k.init
			}
		}
	}
	switch {
	case has("sbin/openrc", "usr/sbin/openrc", "sbin/openrc-run") && len(s.runlevels) > 0:
		return "openrc"
	case has("sbin/initctl") && has("etc/init/rc.conf", "etc/init/rcS.conf", "etc/init/rc-sysinit.conf") && !has("lib/systemd/systemd", "usr/lib/systemd/systemd"):
		return "upstart"
	case has("etc/inittab") && !has("lib/systemd/systemd", "usr/lib/systemd/systemd"):
		return "sysv"
	case has("lib/systemd/systemd", "usr/lib/systemd/systemd") && !has("etc/inittab"):
		return "systemd"
	case len(s.units) > 0 && len(s.jobs) == 0 && len(s.runlevels) == 0:
		return "systemd"
	}
	return ""
}

// problem notes what could not be read, at most a few times.
func (s *Services) problem(format string, a ...any) {
	if len(s.Problems) < maxPulls {
		s.Problems = append(s.Problems, fmt.Sprintf(format, a...))
	}
}

func addPath(paths []string, p string) []string {
	if slices.Contains(paths, p) {
		return paths
	}
	return append(paths, p)
}
