package render

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
	"migimg/preflight/texts"
)

// Explain writes one check in full: what was found, what it leads to, on what
// evidence, and what to do. An unknown id is an error that names similar ones.
func Explain(w io.Writer, r *preflight.Report, id string, o Options) error {
	i := slices.IndexFunc(r.Checks, func(c preflight.CheckResult) bool { return c.ID == id || strings.EqualFold(c.Code, id) })
	if i < 0 {
		return unknownID(r, id)
	}
	c := r.Checks[i]
	b := bufio.NewWriter(w)
	p := &page{b, r, o, o.texts()}
	p.line("%s  (%s, %s)", c.ID, c.Code, p.t.Text(c.Category))
	p.line("%s", sentence(p.t.Text(c.Title)))
	p.line("")
	p.line("%s", p.t.Format("%s, severity %s: %s", p.t.Text(words[statusWord(c)].text), p.t.Text(string(c.Severity)), clean(p.t.Say(c.Message, c.Summary))))
	if c.Impact != "" {
		p.line("%s", p.t.Format("What it leads to: %s", p.t.Text(c.Impact)))
	}
	p.line("")
	for _, t := range r.Targets {
		s := fmt.Sprintf("  %s: %s, %s", t.ID, p.t.Text(c.StatusBy[t.ID]), p.t.Text(c.SeverityBy[t.ID]))
		if by := c.SummaryBy[t.ID]; by != "" && by != c.Summary {
			s += ": " + clean(p.t.Say(c.MessageBy[t.ID], by))
		}
		if code := c.MapsTo[t.ID]; code != "" && c.StatusBy[t.ID] == string(checks.Fail) {
			s += p.t.Format(" (the importer's error: %s)", code)
		}
		if x, ok := c.Waived[t.ID]; ok {
			s += p.t.Format(" (waived until %s by %s: %s)", x.Until, clean(x.Who), clean(x.Reason))
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
		return fmt.Errorf("there is no check %q; migimg preflight -v lists them all", id)
	}
	return fmt.Errorf("no check %q: there are %s", id, strings.Join(similar, ", "))
}

func (p *page) evidence(list []checks.Evidence) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.t.Text("Evidence:"))
	for _, e := range list {
		p.line("  %s", clean(evidenceLine(p.t, e)))
	}
}

// evidenceLine is a piece of evidence in one line.
func evidenceLine(t *texts.Texts, e checks.Evidence) string {
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
		s = t.Format("volume %s", or(e.Key, t.Text("(whole disk)")))
	}
	if e.Actual != "" {
		s += t.Format(" is %s", e.Actual)
	}
	if e.Expected != "" {
		s += t.Format(", wanted %s", e.Expected)
	}
	for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
		if e.Detail[k] != "" {
			s += "; " + k + " " + e.Detail[k]
		}
	}
	return s
}

// sentence ends a title with a full stop, where the script has one.
func sentence(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r > 0x2e80 }) >= 0 {
		return s
	}
	return s + "."
}

func (p *page) remedies(list []checks.Remediation) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.t.Text("What to do:"))
	for _, m := range list {
		switch m.Type {
		case "command":
			for _, argv := range m.Argv {
				p.line("  # %s", clean(shell(argv)))
			}
		case "link":
			p.line("  %s  %s", clean(m.URL), clean(m.Text))
		default:
			p.line("  %s", clean(advice(p.t, m)))
		}
	}
}

// advice is a hint's text.
func advice(t *texts.Texts, m checks.Remediation) string {
	if m.Message.ID == "" {
		return t.Text(m.Text)
	}
	return t.Say([]checks.Message{m.Message}, m.Text)
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
