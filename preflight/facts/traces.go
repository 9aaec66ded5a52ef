package facts

import (
	"path"
	"regexp"
)

// Traces are what the tables of signs found in the guest: software and files
// that matter to somebody who moves it.
type Traces struct {
	List []Trace
	// Problems are, by kind, the places that could not be looked at: what is not
	// in List may be there.
	Problems map[string][]string
}

// The kinds of traces; each is a table of signs.
const (
	TraceHardware  = "hardware"  // agents and daemons for hardware that stays behind
	TraceSecurity  = "security"  // security software with an identity of its own
	TraceCluster   = "cluster"   // roles that a copy would collide in
	TraceLicence   = "licence"   // software whose licence is bound to the machine
	TraceSecret    = "secret"    // files that hold secrets: paths only
	TraceIdentity  = "identity"  // what makes two copies look like one machine
	TraceAppliance = "appliance" // systems that are not kept by hand
)

// Trace is one row of a table that was found.
type Trace struct {
	Kind, Name string
	// Class is a weight within the kind, for the check.
	Class string
	// Note is what it means, in words.
	Note string
	// Files are where it was seen. Of secrets there is no text.
	Files []TraceFile
	// Units are the systemd units and init scripts that start it at boot,
	// Packages the packages that it came with, with their versions.
	Units, Packages []string
	// Idle says that it is something to be started, and that nothing starts it at
	// boot.
	Idle bool
}

// TraceFile is a file, or a line of one.
type TraceFile struct {
	Path string
	Line int
	Text string
}

// Of returns the traces of a kind.
func (t *Traces) Of(kind string) (found []Trace) {
	for _, x := range t.List {
		if x.Kind == kind {
			found = append(found, x)
		}
	}
	return found
}

// sign is a row of a table: how something is known. Any of files, lines or
// packages will do, or any enabled unit; with onlyEnabled just the units count.
type sign struct {
	name, class, note string
	// files are names or patterns (path.Match, a component at a time).
	files []string
	// except is a pattern of base names that are not meant.
	except string
	// lines are files with a line that fits.
	lines []signLine
	// packages are names or patterns.
	packages []string
	// units are systemd's, scripts those of System V and OpenRC.
	units, scripts []string
	// onlyEnabled: it is of no consequence unless it is started at boot.
	onlyEnabled bool
}

type signLine struct {
	files string
	text  *regexp.Regexp
}

func (g *gatherer) traces() {
	t := &g.f.Traces
	t.Problems = map[string][]string{}
	if err := g.unreadableAt("etc", "usr", "opt", "var", "var/lib"); err != nil {
		g.f.SetAbsent(KeyTraces, Absence{Reason: err.Error()})
		return
	}
	installed := g.unitNames()
	for _, table := range []struct {
		kind string
		rows []sign
	}{
		{TraceHardware, hardwareSigns}, {TraceSecurity, securitySigns}, {TraceCluster, clusterSigns}, {TraceLicence, licenceSigns},
		{TraceSecret, secretSigns}, {TraceIdentity, identitySigns}, {TraceAppliance, applianceSigns},
	} {
		for _, s := range table.rows {
			x, problems := g.look(s, installed, table.kind == TraceSecret || table.kind == TraceIdentity)
			t.Problems[table.kind] = appendNew(t.Problems[table.kind], problems...)
			if x != nil {
				x.Kind = table.kind
				t.List = append(t.List, *x)
			}
		}
	}
}

// unitNames are the units that the guest has; nil where that could not be read.
// The tables name hundreds, of which few are there.
func (g *gatherer) unitNames() map[string]bool {
	names := map[string]bool{}
	for _, d := range unitDirs {
		entries, err := g.fs.ReadDir(d)
		if notThere(err) != nil {
			return nil
		}
		for _, e := range entries {
			names[e.Name()] = true
		}
	}
	return names
}

// look tries one row. With secret no text of a file is kept.
func (g *gatherer) look(s sign, installed map[string]bool, secret bool) (*Trace, []string) {
	x := &Trace{Name: s.name, Class: s.class, Note: s.note}
	var problems []string
	seen := func(err error) {
		if err != nil {
			problems = appendNew(problems, err.Error())
		}
	}
	for _, p := range s.files {
		names, err := g.find(p)
		seen(err)
		for _, n := range names {
			if no, err := path.Match(s.except, path.Base(n)); err != nil || !no {
				x.Files = append(x.Files, TraceFile{Path: "/" + n})
			}
		}
	}
	for _, l := range s.lines {
		names, err := g.find(l.files)
		seen(err)
		for _, n := range names {
			lines, err := g.grep(n, l.text, secret)
			seen(err)
			x.Files = append(x.Files, lines...)
		}
	}
	for _, p := range g.f.Packages.Find(s.packages...) {
		x.Packages = append(x.Packages, p.Name+" "+p.Version)
	}
	for _, u := range s.units {
		if installed != nil && !installed[u] {
			continue
		}
		switch g.unit(u) {
		case UnitEnabled:
			x.Units = append(x.Units, u)
		case UnitUnknown:
			problems = appendNew(problems, "whether "+u+" is started at boot could not be read")
		}
	}
	for _, n := range s.scripts {
		if g.initScript(n) {
			x.Units = append(x.Units, n)
		}
	}
	if len(x.Units) == 0 && (s.onlyEnabled || len(x.Files)+len(x.Packages) == 0) {
		return nil, problems
	}
	x.Idle = len(s.units)+len(s.scripts) > 0 && len(x.Units) == 0 && len(problems) == 0
	return x, problems
}
