package checks

import (
	"fmt"
	"strings"

	"migimg/preflight/targets"
)

// outside is a disk that a target's rule does not take: a failure, or a warning
// where the rule says that it is not serious. "" is the check's own severity.
func outside(severity, format string, a ...any) Result {
	r := result(Fail, Severity(severity), format, a...)
	if severity != "" && r.Severity.Rank() <= Medium.Rank() {
		r.Status = Warn
	}
	return r
}

// advise adds what the target's file advises, and the importer's own word.
func (r Result) advise(advice, code string) Result {
	if advice != "" {
		r = r.hint("%s", advice)
	}
	r.ErrorCode = code
	return r
}

// sourced is evidence for a figure of the target's: what was found, what it
// takes, and where that was read.
func sourced(t *targets.Target, fact targets.Fact, key, actual, expected string) Evidence {
	e := value(key, actual, expected)
	e.Detail = map[string]string{"confidence": fact.Sure}
	if fact.Source >= 0 && fact.Source < len(t.Sources) {
		s := t.Sources[fact.Source]
		e.Detail["source"] = fmt.Sprintf("%s, %s (%s)", s.Title, s.Date, s.Ref)
	}
	if fact.Note != "" {
		e.Detail["note"] = fact.Note
	}
	return e
}

func words(list []string) string { return strings.Join(list, ", ") }
