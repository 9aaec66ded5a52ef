package checks

import (
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// doubt turns a failure that hangs on a doubtful figure of the target into a
// warning, and so a pass that would be unknown without it. Whether it does is
// found by asking again without those figures, so that no check has to think of
// it: checks are pure functions, and what a target does not say they do not
// judge.
func (c *Check) doubt(f *facts.Facts, t *targets.Target, r Result) Result {
	if r.Status != Fail && r.Status != Pass {
		return r
	}
	certain, had := t.Certain()
	if !had {
		return r
	}
	sure := c.settle(f, certain)
	switch {
	case r.Status == Pass && sure.Status != Unknown:
		return r
	case sure.Status != Fail:
		r.Status = Warn
		if r.Severity.Rank() > Medium.Rank() {
			r.Severity = Medium
		}
		r.ErrorCode = ""
		return r.hint("What is known of %s is not certain here: ask its support, or try with a small disk first.", t.Title)
	case sure.Severity.Rank() < r.Severity.Rank():
		return sure
	}
	return r
}
