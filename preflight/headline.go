package preflight

import "strings"

// manyTargets is from where on the line for people names the targets by verdict,
// and does not say what blocks each.
const manyTargets = 4

func (r *Report) byVerdict() string {
	var parts []string
	for _, v := range []struct {
		verdict Verdict
		words   string
	}{{Blocked, "blocked for "}, {Unknown, "undecided for "}, {Warnings, "ready with warnings for "}, {Ready, "ready for "}} {
		var ids []string
		for _, t := range r.Targets {
			if t.Verdict == v.verdict {
				ids = append(ids, t.ID)
			}
		}
		if len(ids) > 0 {
			parts = append(parts, v.words+strings.Join(ids, ", "))
		}
	}
	return strings.Join(parts, " | ")
}
