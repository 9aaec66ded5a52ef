package render

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
)

// The JUnit dialect that Jenkins and GitLab read.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Skipped *junitOutcome `xml:"skipped"`
	Error   *junitOutcome `xml:"error"`
	Failure *junitOutcome `xml:"failure"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitOutcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as JUnit XML, in English: a suite for each target, a
// case for each check. A failed check is a failure, an undecided one an error,
// and what is waived or does not apply is skipped; a warning passes, with its
// text as output.
func JUnit(w io.Writer, r *preflight.Report) error {
	all := junitSuites{Name: "migimg preflight"}
	for _, t := range r.Targets {
		s := junitSuite{Name: t.ID, Timestamp: r.GeneratedAt.UTC().Format("2006-01-02T15:04:05")}
		for _, c := range r.Checks {
			x := junitOf(c, t.ID)
			s.Tests++
			switch {
			case x.Failure != nil:
				s.Failures++
			case x.Error != nil:
				s.Errors++
			case x.Skipped != nil:
				s.Skipped++
			}
			s.Cases = append(s.Cases, x)
		}
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitOf(c preflight.CheckResult, target string) junitCase {
	x := junitCase{Class: "preflight." + target, Name: c.ID}
	summary := c.Summary
	if by, ok := c.SummaryBy[target]; ok {
		summary = by
	}
	status := checks.Status(c.StatusBy[target])
	o := &junitOutcome{Message: clean(summary), Type: c.SeverityBy[target]}
	if status != checks.Pass && status != checks.Skip {
		o.Text = details(c)
	}
	waived, is := c.Waived[target]
	switch {
	case is:
		o.Message = clean(fmt.Sprintf("waived until %s by %s: %s (%s)", waived.Until, waived.Who, waived.Reason, summary))
		x.Skipped, o.Type, o.Text = o, "", ""
	case status == checks.Fail:
		x.Failure = o
	case status == checks.Unknown:
		x.Error = o
	case status == checks.Skip:
		x.Skipped, o.Type = o, ""
	case status == checks.Warn:
		x.Out = "warning, " + c.SeverityBy[target] + ": " + clean(summary) + "\n" + o.Text
	}
	return x
}

// details are a finding's impact, evidence and remedies in plain text.
func details(c preflight.CheckResult) string {
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	p("%s (%s)", c.Title, c.Code)
	if c.Impact != "" {
		p("%s", c.Impact)
	}
	for _, e := range c.Evidence {
		p("evidence: %s", clean(evidenceLine(Options{}.texts(), e)))
	}
	for _, m := range c.Remedies {
		switch m.Type {
		case "command":
			for _, argv := range m.Argv {
				p("# %s", clean(shell(argv)))
			}
		case "link":
			p("%s %s", clean(m.URL), clean(m.Text))
		default:
			p("%s", clean(m.Text))
		}
	}
	return b.String()
}
