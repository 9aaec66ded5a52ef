// Package checks judges facts: each [Check] is a pure function from the facts
// of a disk and what a target takes to one [Result].
//
// # Adding a check
//
// Write the Check in the file of its family, add it to the list in catalog.go,
// and add its cases to the family's table test. Ids are stable for ever and
// never used again for something else.
//
// # Status and severity
//
// A result is pass, warn, fail, skip (does not apply) or unknown (could not be
// found out). Severity is the consequence of a failure: a blocker is an import
// that is refused or a machine that does not boot. What a check needs and does
// not have makes it unknown, never pass; an unknown blocker is never ready.
package checks

import (
	"fmt"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// Status is the outcome of a check.
type Status string

// The outcomes.
const (
	Pass    Status = "pass"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Skip    Status = "skip"
	Unknown Status = "unknown"
)

// Severity is what a failure leads to.
type Severity string

// The severities, worst first.
const (
	Blocker Severity = "blocker" // refused at the import, or does not boot
	High    Severity = "high"    // boots, and cannot be reached or loses data
	Medium  Severity = "medium"
	Low     Severity = "low"
	Info    Severity = "info"
)

// Rank orders severities: 4 for a blocker down to 0 for info, and -1 for a word
// that is none.
func (s Severity) Rank() int {
	switch s {
	case Blocker:
		return 4
	case High:
		return 3
	case Medium:
		return 2
	case Low:
		return 1
	case Info:
		return 0
	}
	return -1
}

// Rank orders outcomes, worst first: fail 4, unknown 3, warn 2, pass 1, skip 0.
func (s Status) Rank() int {
	switch s {
	case Fail:
		return 4
	case Unknown:
		return 3
	case Warn:
		return 2
	case Pass:
		return 1
	}
	return 0
}

// Check is one question about a disk.
type Check struct {
	// ID is dotted and stable; Code the short form for tickets.
	ID, Code string
	// Title says what is true when the check passes.
	Title    string
	Category string
	// Severity is that of a failure where neither the target nor the result says
	// otherwise.
	Severity Severity
	// Impact is what happens on a failure, for a person.
	Impact string
	// Needs are the facts without which there is no answer.
	Needs []facts.Key
	Run   func(*facts.Facts, *targets.Target) Result
}

// Result is a check's answer for one target.
type Result struct {
	Status Status
	// Severity replaces the check's and the target's where it is set: the
	// finding's own weight.
	Severity    Severity
	Summary     string
	Evidence    []Evidence
	Remediation []Remediation
	// ErrorCode is what the target's importer answers to just this, where it is
	// another word than its usual one for the check.
	ErrorCode string

	said []Message // what Summary is made of; see Said
}

// Evidence is what a result was concluded from: a line of a file, or a value.
type Evidence struct {
	// Kind is "file", "value" or "volume".
	Kind string `json:"kind"`
	Path string `json:"path,omitempty"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text,omitempty"`
	Key  string `json:"key,omitempty"`
	// Actual is what was found, Expected what would pass.
	Actual   string            `json:"actual,omitempty"`
	Expected string            `json:"expected,omitempty"`
	Detail   map[string]string `json:"detail,omitempty"`
}

// Remediation is what a person can do.
type Remediation struct {
	// Type is "command", "hint" or "link".
	Type string `json:"type"`
	// Where is "guest" for commands that run in the guest's system.
	Where string     `json:"where,omitempty"`
	Argv  [][]string `json:"argv,omitempty"`
	Root  bool       `json:"root,omitempty"`
	Text  string     `json:"text,omitempty"`
	URL   string     `json:"url,omitempty"`
	// Message is what Text is made of.
	Message Message `json:"message,omitzero"`
}

// Judge runs the check for a target and settles the severity. What fails because
// of a doubtful figure of the target's is a warning.
func (c *Check) Judge(f *facts.Facts, t *targets.Target) Result {
	return c.doubt(f, t, c.settle(f, t))
}

func (c *Check) settle(f *facts.Facts, t *targets.Target) Result {
	r, done := c.missing(f)
	if !done {
		r = c.Run(f, t)
	}
	if r.Severity == "" {
		r.Severity = c.Severity
		if o, ok := t.Severity[c.ID]; ok {
			r.Severity = Severity(o.Severity)
		}
	}
	return r
}

func (c *Check) missing(f *facts.Facts) (Result, bool) {
	for _, k := range c.Needs {
		if a, absent := f.Absent(k); absent {
			if a.NotApplicable {
				return skip("%s", a.Reason), true
			}
			return unknown("%s", a.Reason), true
		}
	}
	return Result{}, false
}

func result(s Status, sev Severity, format string, a ...any) Result {
	return Result{Status: s, Severity: sev, Summary: fmt.Sprintf(format, a...), said: []Message{message(format, a...)}}
}

func pass(format string, a ...any) Result    { return result(Pass, "", format, a...) }
func skip(format string, a ...any) Result    { return result(Skip, "", format, a...) }
func unknown(format string, a ...any) Result { return result(Unknown, "", format, a...) }

// fail and warn take the finding's own severity, "" for the check's.
func fail(s Severity, format string, a ...any) Result { return result(Fail, s, format, a...) }
func warn(s Severity, format string, a ...any) Result { return result(Warn, s, format, a...) }

func (r Result) with(e ...Evidence) Result {
	r.Evidence = append(r.Evidence, e...)
	return r
}

func (r Result) hint(format string, a ...any) Result {
	r.Remediation = append(r.Remediation, Remediation{Type: "hint", Text: fmt.Sprintf(format, a...), Message: message(format, a...)})
	return r
}

// command adds commands for the guest's root.
func (r Result) command(argv ...[]string) Result {
	r.Remediation = append(r.Remediation, Remediation{Type: "command", Where: "guest", Root: true, Argv: argv})
	return r
}

func value(key, actual, expected string) Evidence {
	return Evidence{Kind: "value", Key: key, Actual: actual, Expected: expected}
}

func file(path string, line int, text string) Evidence {
	return Evidence{Kind: "file", Path: path, Line: line, Text: text}
}

// worst keeps the more serious of two results: by status, then by severity.
func worst(a, b Result) Result {
	if b.Status.Rank() > a.Status.Rank() || b.Status == a.Status && b.Severity.Rank() > a.Severity.Rank() {
		b.Evidence = append(append([]Evidence{}, a.Evidence...), b.Evidence...)
		b.Remediation = append(append([]Remediation{}, a.Remediation...), b.Remediation...)
		return b
	}
	a.Evidence = append(a.Evidence, b.Evidence...)
	a.Remediation = append(a.Remediation, b.Remediation...)
	return a
}

// size prints a size for people.
func size(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.4g %s", f, units[i])
}
