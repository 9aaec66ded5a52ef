package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"migimg/preflight/checks"
)

// Anonymise replaces what tells whose machine it is: names of hosts and people,
// network and hardware addresses, UUIDs, serial numbers. Equal ones become the
// same pseudonym throughout the report ("host-1"), so that it can still be
// followed; which is which is known to nobody else. Commands then name
// pseudonyms, too, and cannot be run as they are.
func (r *Report) Anonymise() {
	a := newAnonymiser(r.names.Hosts, r.names.Users)
	r.Redaction = "full"
	str := func(list ...*string) {
		for _, s := range list {
			*s = a.text(*s)
		}
	}
	byKey := func(m map[string]string) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			m[k] = a.text(m[k])
		}
	}
	said := func(list []checks.Message) {
		for i := range list {
			list[i].Args = a.texts(list[i].Args)
		}
	}
	for i := range r.Targets {
		r.Targets[i].From = a.texts(r.Targets[i].From)
	}
	s := &r.Source
	str(&s.Device)
	if s.Root != nil {
		str(&s.Root.Volume)
		s.Root.UUID = a.tag("uuid", s.Root.UUID)
	}
	outputs := func(list []OutputResult) {
		for i := range list {
			str(&list[i].Path, &list[i].Absent)
		}
	}
	outputs(s.Outputs)
	for i := range s.Disks {
		str(&s.Disks[i].Name, &s.Disks[i].Device)
		outputs(s.Disks[i].Outputs)
	}
	for i := range s.Volumes {
		v := &s.Volumes[i]
		str(&v.Name, &v.Whole, &v.Disk)
		v.Parts = a.texts(v.Parts)
		v.UUID, v.Label = a.tag("uuid", v.UUID), a.tag("label", v.Label)
		v.Mounted = a.texts(v.Mounted)
	}
	if o := r.OS; o != nil {
		str(&o.ID, &o.VersionID, &o.Pretty)
		o.Hostname = a.tag("host", o.Hostname)
		for i := range o.Kernels {
			str(&o.Kernels[i].Version, &o.Kernels[i].Path)
			o.Kernels[i].Initrds = a.texts(o.Kernels[i].Initrds)
		}
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		str(&c.Summary)
		byKey(c.SummaryBy)
		said(c.Message)
		for _, k := range slices.Sorted(maps.Keys(c.MessageBy)) {
			said(c.MessageBy[k])
		}
		for k := range c.Evidence {
			e := &c.Evidence[k]
			if e.Kind == "volume" && e.Detail == nil { // "ext4 UUID"
				e.Detail = map[string]string{}
			}
			str(&e.Path, &e.Text, &e.Key, &e.Actual, &e.Expected)
			byKey(e.Detail)
		}
		for k := range c.Remedies {
			m := &c.Remedies[k]
			str(&m.Text)
			m.Message.Args = a.texts(m.Message.Args)
			for n := range m.Argv {
				m.Argv[n] = a.texts(m.Argv[n])
			}
		}
		for _, k := range slices.Sorted(maps.Keys(c.Waived)) {
			w := c.Waived[k]
			a.waiver(&w)
			c.Waived[k] = w
		}
	}
	for i := range r.Waivers {
		a.waiver(&r.Waivers[i].Waiver)
	}
	r.Coverage.Unreadable = a.texts(r.Coverage.Unreadable)
	byKey(r.Coverage.Skipped)
	r.summarise()
}

// anonymiser gives pseudonyms, in the order in which names turn up.
type anonymiser struct {
	known *regexp.Regexp    // names that the guest's own files gave; nil for none
	kinds map[string]string // their kinds, by name in lower case
	given map[string]string
	count map[string]int
}

func newAnonymiser(hosts, users []string) *anonymiser {
	a := &anonymiser{kinds: map[string]string{}, given: map[string]string{}, count: map[string]int{}}
	var all []string
	for kind, list := range map[string][]string{"host": hosts, "user": users} {
		for _, n := range list {
			a.kinds[strings.ToLower(n)] = kind
			all = append(all, n)
		}
	}
	// The longest first: www.example.com before www.
	slices.SortFunc(all, func(x, y string) int { return cmp.Or(len(y)-len(x), strings.Compare(x, y)) })
	if len(all) > 0 {
		for i, n := range all {
			all[i] = regexp.QuoteMeta(n)
		}
		// A name ends where letters and digits do: vg_web01-root holds web01.
		a.known = regexp.MustCompile(`(?i)(^|[^\pL\pN])(` + strings.Join(all, "|") + `)($|[^\pL\pN])`)
	}
	return a
}

func (a *anonymiser) texts(list []string) []string {
	for i := range list {
		list[i] = a.text(list[i])
	}
	return list
}

func (a *anonymiser) waiver(w *Waiver) {
	w.Who, w.Reason = a.tag("user", w.Who), a.text(w.Reason)
}

// tag is the pseudonym of a whole value, which says nothing about its kind.
func (a *anonymiser) tag(kind, s string) string {
	if s == "" {
		return ""
	}
	key := kind + " " + strings.ToLower(s)
	if p, ok := a.given[key]; ok {
		return p
	}
	a.count[kind]++
	p := fmt.Sprintf("%s-%d", kind, a.count[kind])
	a.given[key] = p
	return p
}

// text replaces everything in a text that is known or looks like it.
func (a *anonymiser) text(s string) string {
	for _, p := range patterns {
		s = p.find.ReplaceAllStringFunc(s, func(m string) string {
			i := p.find.FindStringSubmatchIndex(m)
			from, to := i[2], i[3]
			if pseudonym.MatchString(m[from:to]) || p.keep != nil && p.keep(m[i[len(i)-2]:i[len(i)-1]]) {
				return m
			}
			return m[:from] + a.tag(p.kind, m[from:to]) + m[to:]
		})
	}
	if a.known == nil {
		return s
	}
	// Twice: the character between two names belongs to the first match.
	for range 2 {
		s = a.known.ReplaceAllStringFunc(s, func(m string) string {
			i := a.known.FindStringSubmatchIndex(m)
			n := m[i[4]:i[5]]
			return m[:i[4]] + a.tag(a.kinds[strings.ToLower(n)], n) + m[i[5]:]
		})
	}
	return s
}
