package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// extra judges one of the further drivers that a target asks for.
func extra(f *facts.Facts, t *targets.Target, x targets.Extra, groups [][]string) Result {
	judge := available
	if x.Early {
		judge = early
	}
	r := bestGroup(f, groups, judge)
	if r.Status == Pass {
		return r
	}
	r = r.more(": %s", x.Why)
	r = r.with(sourced(t, x.Fact, "drivers", "", strings.Join(x.Any, "|")))
	if x.Severity != "" {
		r.Severity = Severity(x.Severity)
		if r.Status == Fail && r.Severity.Rank() <= Low.Rank() {
			r.Status = Warn
		}
	}
	if x.Early && r.Status != Unknown {
		r = fixInitramfs(f, t, r, x.Any)
	}
	return r
}

// targetModules are the drivers that belong into the initramfs for a target: its
// likeliest disk and its network cards.
func targetModules(t *targets.Target) []string {
	modules := slices.Clone(t.Disk.AnyOf[0])
	for _, g := range t.NIC.AnyOf {
		for _, m := range g {
			if !slices.Contains(modules, m) {
				modules = append(modules, m)
			}
		}
	}
	return modules
}
