package preflight

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/checks"
)

// FailOn are the words that ExitCode's failOn takes.
var FailOn = []string{"blocker", "high", "medium", "warn", "never"}

// ValidFailOn is an error for a word that is not in [FailOn]; the empty one is
// the default, "blocker".
func ValidFailOn(s string) error {
	if s == "" || slices.Contains(FailOn, s) {
		return nil
	}
	return fmt.Errorf("--fail-on %q: it takes %s", s, strings.Join(FailOn, ", "))
}

// ExitCode is the program's for a report: 0 ready, 2 blocked, 3 warnings where
// failOn asks for it, 4 undecided. failOn is the severity from which a failure
// or warning counts ("warn" counts all that the verdict counts); "never" answers
// 0 whatever was found.
func ExitCode(r *Report, failOn string) int {
	if failOn == "never" {
		return 0
	}
	switch r.Summary.Verdict {
	case Blocked:
		return 2
	case Unknown:
		return 4
	}
	floor := checks.Severity(failOn)
	if failOn == "warn" {
		if r.Summary.Verdict == Warnings {
			return 3
		}
		return 0
	}
	if failOn == "" || floor == checks.Blocker {
		return 0
	}
	for _, c := range r.Checks {
		for id, status := range c.StatusBy {
			if _, waived := c.Waived[id]; waived {
				continue
			}
			bad := status == string(checks.Fail) || status == string(checks.Warn) || status == string(checks.Unknown)
			if bad && checks.Severity(c.SeverityBy[id]).Rank() >= floor.Rank() {
				return 3
			}
		}
	}
	return 0
}
