package dsidentify

import (
	"fmt"
	"slices"
	"strings"
)

// Decision is what ds-identify would decide.
type Decision struct {
	// Run says that cloud-init starts.
	Run bool
	// Sources are the data sources that cloud-init then asks, in that order; nil
	// says that cloud-init takes those of its configuration.
	Sources []string
	// Why is the reason, for people.
	Why string
}

type decider struct {
	g    *Guest
	m    *Machine
	list []string
}

// ListFor is the list of data sources that the script looks for, on a kernel
// command line.
func (g *Guest) ListFor(cmdline string) []string {
	if i := strings.LastIndex(cmdline, "datasource_list"); i >= 0 && strings.Contains(cmdline[:i], "cc:") {
		t, _, _ := strings.Cut(cmdline[i:], "]")
		t = t[strings.LastIndex(t, "[")+1:]
		if list := flow(t); len(list) > 0 {
			return list
		}
	}
	if g.List != nil {
		return g.List
	}
	return g.Rules.Default
}

// Decide answers for a machine.
func (g *Guest) Decide(m Machine) Decision {
	if g.Rules.Script == "" {
		return Decision{Run: true, Why: "there is no ds-identify: cloud-init asks what its configuration lists"}
	}
	pinned, text := g.Datasource, g.Policy
	for w := range strings.FieldsSeq(m.Cmdline) {
		k, v, _ := strings.Cut(w, "=")
		if !g.Rules.Old {
			v, _, _ = strings.Cut(v, ";")
		}
		switch {
		case k == "ci.ds", k == "ci.datasource", k == "ds" && g.Rules.DsArgument:
			pinned = v
		case k == "ci.di.policy":
			text = v
		}
	}
	def := g.Rules.PolicyNoDMI
	if m.x86() {
		def = g.Rules.PolicyDMI
	}
	p := parsePolicy(text, parsePolicy(def, policy{"search", "all", "none", "disabled"}))
	// A report is written where cloud-init does not look.
	written := func(list []string) []string {
		if p.mode == "report" {
			return nil
		}
		return list
	}
	switch {
	case p.mode == "disabled":
		return Decision{Why: "ds-identify's policy is disabled"}
	case p.mode == "enabled":
		return Decision{Run: true, Why: "ds-identify's policy is enabled"}
	case pinned != "":
		return Decision{Run: true, Sources: written(withNone([]string{pinned})), Why: "ds-identify is told to take " + pinned}
	case g.ManualClean:
		return Decision{Run: true, Why: "/var/lib/cloud/instance/manual-clean keeps the last instance"}
	}
	d := decider{g: g, m: &m, list: g.ListFor(m.Cmdline)}
	if len(d.list) == 1 || len(d.list) == 2 && d.list[1] == "None" {
		out := d.list
		if g.Rules.Old {
			out = withNone(out)
		}
		return Decision{Run: true, Sources: written(out), Why: "the list has one data source"}
	}
	return d.search(p, written)
}

func (d *decider) search(p policy, written func([]string) []string) Decision {
	var sure, perhaps []string
	for _, s := range d.list {
		if !d.g.Rules.checks(s) {
			continue
		}
		switch d.look(s) {
		case found:
			sure = append(sure, s)
		case maybe:
			perhaps = append(perhaps, s)
		}
	}
	sources := func(list []string) []string { return written(withNone(list)) }
	switch {
	case len(sure) > 1 && p.found == "first":
		return Decision{Run: true, Sources: sources(sure[:1]), Why: "the first that is found: " + sure[0]}
	case len(sure) > 0:
		return Decision{Run: true, Sources: sources(sure), Why: "found: " + strings.Join(sure, ", ")}
	case len(perhaps) > 0 && p.maybe != "none":
		return Decision{Run: true, Sources: sources(perhaps), Why: "perhaps: " + strings.Join(perhaps, ", ")}
	case p.mode == "report" || p.notfound == "enabled":
		return Decision{Run: true, Why: "nothing found; the policy lets cloud-init run"}
	}
	return Decision{Why: fmt.Sprintf("ds-identify finds none of %s", strings.Join(d.list, ", "))}
}

// withNone adds the data source None at the end.
func withNone(list []string) []string {
	if slices.Contains(list, "None") {
		return list
	}
	return append(slices.Clone(list), "None")
}
