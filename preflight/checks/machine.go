package checks

import (
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var metaP2V = Check{
	ID: "meta.p2v", Code: "MIG9103", Title: "Machines of this kind are taken", Category: "meta", Severity: Blocker,
	Needs:  []facts.Key{facts.KeyGuest},
	Impact: "The target takes images of virtual machines only.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		m, rule := f.Machine, t.Physical
		var ev []Evidence
		if m.Name != "" {
			ev = append(ev, value("machine", m.Name, ""))
		}
		switch {
		case rule == nil:
			return pass("the target's documents do not ask whether the machine is a physical one").with(ev...)
		case m.Known && m.Virtual:
			return pass("this is a virtual machine").with(ev...)
		case m.Known:
			return outside(rule.Severity, "this is a physical machine: %s", rule.Why).
				with(ev...).with(sourced(t, rule.Fact, "machine", "physical", "virtual")).advise(rule.Advice, rule.Error)
		}
		return warn(Low, "whether the disk is a physical machine's is not to be seen here: %s", rule.Why).
			with(ev...).with(sourced(t, rule.Fact, "machine", "", "virtual")).advise(rule.Advice, rule.Error)
	},
}
