package merge

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"migimg/preflight"
)

// maxAll bounds the targets of a fleet.
const maxAll = 256

// builder puts reports together, one after the other.
type builder struct {
	f      *Fleet
	wanted bool           // Targets are those that were asked for
	target map[string]int // places in f.Targets
	texts  map[string]int
	fixes  map[string]int
	causes causes
	groups map[string]*group
	merged int
}

// group is what files of one name are of.
type group struct {
	machines []*machine
	broken   []File
}

// machine is a host whose reports come in.
type machine struct {
	called, folder string
	nameless       bool
	disks          []*held
	older          []Older
}

// held is the newest report of a disk.
type held struct {
	*slim
	path     string
	findings []Finding
	states   [][]State // of each finding, by fleet target; as long as was known then
	verdicts []preflight.Verdict
}

func newBuilder(targets []string) *builder {
	b := &builder{f: &Fleet{}, wanted: len(targets) > 0, target: map[string]int{}, texts: map[string]int{}, fixes: map[string]int{},
		causes: causes{at: map[string]int{}}, groups: map[string]*group{}}
	for _, id := range targets {
		b.place(Target{ID: id, Title: id})
	}
	return b
}

// place is a target's place in the fleet.
func (b *builder) place(t Target) int {
	i, ok := b.target[t.ID]
	if !ok {
		i = len(b.f.Targets)
		b.target[t.ID] = i
		b.f.Targets = append(b.f.Targets, t)
	} else if x := &b.f.Targets[i]; x.Title == x.ID {
		x.Title = t.Title
	}
	return i
}

// add is told of each file, in order: its report, or why there is none.
func (b *builder) add(f file, r *slim, why error) {
	if errors.Is(why, errMerged) {
		b.merged++
		return
	}
	if why == nil && !b.wanted && len(b.f.Targets)+len(r.targets) > maxAll {
		fresh := 0
		for _, t := range r.targets {
			if _, ok := b.target[t.ID]; !ok {
				fresh++
			}
		}
		if len(b.f.Targets)+fresh > maxAll {
			why = fmt.Errorf("a report for targets of its own: together with the others' they are more than %d", maxAll)
		}
	}
	g := b.groups[f.host]
	if g == nil {
		g = &group{}
		b.groups[f.host] = g
	}
	if why != nil {
		g.broken = append(g.broken, File{f.path, f.host, why.Error()})
		return
	}
	h := &held{slim: r, path: f.path}
	for _, m := range g.machines {
		if !m.is(f, r) {
			continue
		}
		if m.called == "" {
			m.called = r.called
		}
		k := slices.IndexFunc(m.disks, func(d *held) bool { return d.device == r.device })
		if k < 0 {
			m.disks = append(m.disks, h)
			b.keep(h)
			return
		}
		newer, older := h, m.disks[k]
		if !r.made.After(older.made) {
			newer, older = older, h
		}
		m.older = append(m.older, Older{Path: older.path, Made: older.made, Newer: newer.path})
		if newer == h {
			m.disks[k] = h
			b.keep(h)
		}
		return
	}
	g.machines = append(g.machines, &machine{called: r.called, folder: f.folder, nameless: f.nameless, disks: []*held{h}})
	b.keep(h)
}

// is says that a report of the same name is of the same machine. Where that is not
// certain they are two: one host too many is seen, one that is missing is not.
func (m *machine) is(f file, r *slim) bool {
	if r.called != "" && m.called != "" && !strings.EqualFold(r.called, m.called) {
		return false
	}
	for _, d := range m.disks {
		if d.device == r.device {
			return d.same(r)
		}
	}
	return f.folder != "" && f.folder == m.folder || r.called != "" && strings.EqualFold(r.called, m.called)
}

// same says that two reports are of one disk: it has a UUID that the other has, or
// its size, where one has none.
func (s *slim) same(o *slim) bool {
	if len(s.ids) == 0 || len(o.ids) == 0 {
		return s.size == o.size
	}
	return slices.ContainsFunc(s.ids, func(id string) bool { return slices.Contains(o.ids, id) })
}

// keep takes what a report says into the fleet's tables, and lets go of the rest.
func (b *builder) keep(h *held) {
	var places []int // of the report's targets in the fleet; -1: not wanted
	for _, t := range h.slim.targets {
		i := -1
		if _, ok := b.target[t.ID]; ok || !b.wanted {
			i = b.place(t)
		}
		places = append(places, i)
	}
	h.verdicts = make([]preflight.Verdict, len(b.f.Targets))
	for k, i := range places {
		if i >= 0 {
			h.verdicts[i] = h.slim.verdicts[k]
		}
	}
	for _, x := range h.slim.findings {
		states := slices.Repeat([]State{None}, len(b.f.Targets))
		some := false
		for k, i := range places {
			if i < 0 || x.states[k] == None {
				continue
			}
			states[i], some = x.states[k], true
			if sev := x.severity(h.slim.targets[k].ID); x.states[k] != Waived && sev.Rank() > h.severity.Rank() {
				h.severity = sev
			}
		}
		if !some {
			continue
		}
		fix := intern(b.fixes, &b.f.Fixes, fixKey(x.check.Remedies), Fix(x.check.Remedies))
		h.findings = append(h.findings, Finding{Text: intern(b.texts, &b.f.Texts, x.text.English, x.text), Fix: fix, Cause: b.causes.of(&x, fix)})
		h.states = append(h.states, states)
	}
	h.slim.findings, h.slim.targets = nil, nil
}

// intern is the place of a value in a table, by its key.
func intern[T any](at map[string]int, table *[]T, key string, v T) int {
	i, ok := at[key]
	if !ok {
		i = len(*table)
		at[key] = i
		*table = append(*table, v)
	}
	return i
}

// fleet ends it: hosts get their names and verdicts, causes their counts.
func (b *builder) fleet() *Fleet {
	f := b.f
	states := map[string]string{} // equal ones are one string
	taken := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(b.groups)) {
		g := b.groups[name]
		first := len(f.Hosts)
		if len(g.machines) == 0 {
			f.Hosts = append(f.Hosts, Host{Name: unique(taken, name, g.broken[0].Path)})
		}
		var alike []string
		for _, m := range g.machines {
			h := m.host(f, states)
			switch file := h.Disks[0].File; {
			case len(g.machines) > 1:
				h.Name = unique(taken, fmt.Sprintf("%s (%s)", name, file), file)
				alike = append(alike, h.Name)
			case m.nameless && m.called != "":
				h.Name = unique(taken, m.called, file)
			default:
				h.Name = unique(taken, name, file)
			}
			for _, o := range m.older {
				o.Host = h.Name
				f.Older = append(f.Older, o)
			}
			f.Hosts = append(f.Hosts, h)
		}
		if alike != nil {
			f.Alike = append(f.Alike, Alike{Name: name, Hosts: alike})
		}
		for _, x := range g.broken {
			if len(f.Hosts) == first+1 {
				x.Host = f.Hosts[first].Name
			}
			f.Unreadable = append(f.Unreadable, x)
			for i := first; i < len(f.Hosts); i++ {
				f.Hosts[i].Unreadable = append(f.Hosts[i].Unreadable, x.Path)
			}
		}
	}
	for i := range f.Hosts {
		f.Hosts[i].judge(f, b.wanted)
	}
	slices.SortFunc(f.Hosts, func(a, b Host) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Unreadable, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(f.Older, func(a, b Older) int { return cmp.Compare(a.Path, b.Path) })
	f.callAlike()
	b.causes.count(f)
	return f
}

// unique is a name that no other host has.
func unique(taken map[string]bool, name, file string) string {
	if taken[name] {
		name = fmt.Sprintf("%s (%s)", name, file)
	}
	for taken[name] {
		name += "'"
	}
	taken[name] = true
	return name
}
