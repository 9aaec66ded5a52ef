package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
)

// Explain writes one check in full: what was found, what it leads to, on what
// evidence, and what to do. An unknown id is an error that names similar ones.
func Explain(w io.Writer, r *preflight.Report, id string) error {
	i := slices.IndexFunc(r.Checks, func(c preflight.CheckResult) bool { return c.ID == id || strings.EqualFold(c.Code, id) })
	if i < 0 {
		return unknownID(r, id)
	}
	c := r.Checks[i]
	b := bufio.NewWriter(w)
	p := &page{b, r, Options{}}
	p.line("%s  (%s, %s)", c.ID, c.Code, c.Category)
	p.line("%s.", c.Title)
	p.line("")
	p.line("%s, severity %s: %s", words[c.Status].text, c.Severity, clean(c.Summary))
	if c.Impact != "" {
		p.line("What it leads to: %s", c.Impact)
	}
	p.line("")
	for _, t := range r.Targets {
		s := fmt.Sprintf("  %s: %s, %s", t.ID, c.StatusBy[t.ID], c.SeverityBy[t.ID])
		if by := c.SummaryBy[t.ID]; by != "" && by != c.Summary {
			s += ": " + clean(by)
		}
		if code := c.MapsTo[t.ID]; code != "" && c.StatusBy[t.ID] == string(checks.Fail) {
			s += " (the importer's error: " + code + ")"
		}
		p.line("%s", s)
	}
	p.evidence(c.Evidence)
	p.remedies(c.Remedies)
	return b.Flush()
}

func unknownID(r *preflight.Report, id string) error {
	var similar []string
	family, _, _ := strings.Cut(id, ".")
	for _, c := range r.Checks {
		if strings.HasPrefix(c.ID, family+".") || strings.Contains(c.ID, id) {
			similar = append(similar, c.ID)
		}
	}
	if len(similar) == 0 {
		for _, c := range r.Checks {
			similar = append(similar, c.ID)
		}
	}
	return fmt.Errorf("no check %q: there are %s", id, strings.Join(similar, ", "))
}

func (p *page) evidence(list []checks.Evidence) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("Evidence:")
	for _, e := range list {
		s := e.Path
		if e.Line > 0 {
			s += fmt.Sprintf(":%d", e.Line)
		}
		for _, x := range []string{e.Key, e.Text} {
			if x != "" {
				s = strings.TrimLeft(s+"  "+x, " ")
			}
		}
		if e.Kind == "volume" {
			s = "volume " + or(e.Key, "(whole disk)")
		}
		if e.Actual != "" {
			s += " is " + e.Actual
		}
		if e.Expected != "" {
			s += ", wanted " + e.Expected
		}
		var keys []string
		for k := range e.Detail {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if e.Detail[k] != "" {
				s += "; " + k + " " + e.Detail[k]
			}
		}
		p.line("  %s", clean(s))
	}
}

func (p *page) remedies(list []checks.Remediation) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("What to do:")
	for _, m := range list {
		switch m.Type {
		case "command":
			for _, argv := range m.Argv {
				p.line("  # %s", clean(shell(argv)))
			}
		case "link":
			p.line("  %s  %s", clean(m.URL), clean(m.Text))
		default:
			p.line("  %s", clean(m.Text))
		}
	}
}

// shell quotes a command for a shell.
func shell(argv []string) string {
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = a
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,+@%") != "" {
			out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
