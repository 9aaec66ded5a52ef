// Package render shows a preflight report to people: as a table of what needs
// attention, and one check in full.
package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
	"migimg/preflight/texts"
)

// Options are how a report is shown. The zero value is plain text, 80 columns,
// without the checks that passed.
type Options struct {
	// Color uses ANSI colours; the caller knows whether it writes to a terminal
	// and whether NO_COLOR is set.
	Color bool
	// Verbose lists passed and skipped checks too.
	Verbose bool
	// Width is the terminal's, in columns; 0 means 80. Less than 60 counts as 60.
	Width int
	// Texts is the language; nil is English.
	Texts *texts.Texts
	// Images that were verified; the page has a section about them.
	Images []Image
}

func (o Options) texts() *texts.Texts {
	if o.Texts == nil {
		return &texts.Texts{}
	}
	return o.Texts
}

// Table writes the report: a head line, one row a check with each target's
// severity, the counts, and the verdicts.
func Table(w io.Writer, r *preflight.Report, o Options) error {
	if o.Width == 0 {
		o.Width = 80
	}
	o.Width = max(60, o.Width)
	b := bufio.NewWriter(w)
	p := &page{b, r, o, o.texts()}
	p.head()
	p.rows()
	p.counts()
	p.verdicts()
	return b.Flush()
}

type page struct {
	*bufio.Writer
	r *preflight.Report
	o Options
	t *texts.Texts
}

func (p *page) line(format string, a ...any) {
	fmt.Fprintf(p, format, a...) // bufio keeps the first error for Flush
	_ = p.WriteByte('\n')
}

// paint wraps text in a colour: 31 red, 33 yellow, 32 green, 2 faint.
func (p *page) paint(code, s string) string {
	if !p.o.Color || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *page) head() {
	s := p.r.Source
	words := []string{"migimg preflight", clean(s.Devices(", "))}
	switch {
	case p.r.OS != nil:
		words = append(words, or(clean(p.r.OS.Pretty), p.t.Text("an operating system")), strings.ToUpper(clean(p.r.OS.Firmware)))
	case statusOf(p.r, "meta.coverage") == checks.Pass:
		words = append(words, p.t.Text("data disk"))
	default:
		words = append(words, p.t.Text("operating system unknown"))
	}
	if s.Live {
		words = append(words, p.t.Text("live"))
	} else {
		words = append(words, p.t.Text("offline"))
	}
	var ids []string
	for _, t := range p.r.Targets {
		ids = append(ids, t.ID)
	}
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	if p.many() {
		ids = []string{fmt.Sprintf("%d targets", len(ids))}
	}
	words = append(words, "-> "+strings.Join(ids, ", "))
	line := ""
	for _, w := range words {
		if line != "" && columns(line)+2+columns(w) > p.o.Width {
			p.line("%s", line)
			line = " "
		}
		line += "  " + w
		line = strings.TrimPrefix(line, "  ")
	}
	p.line("%s", line)
	p.line("")
}

const (
	statusWidth = 5
	idWidth     = 25
	cellWidth   = 9
)

// rows lists the checks, worst first; equal ones in the catalogue's order.
func (p *page) rows() {
	rows := p.sorted()
	wide := p.o.Width - 1 - statusWidth - 1 - idWidth - 1 - len(p.r.Targets)*(cellWidth+1)
	if p.many() {
		wide = p.o.Width - 1 - statusWidth - 1 - idWidth - 1
	}
	wide = max(20, wide)
	if len(rows) > 0 && !p.many() {
		h := strings.Repeat(" ", 1+statusWidth+1+idWidth+1+wide)
		for _, t := range p.r.Targets {
			h += " " + pad(t.ID, cellWidth)
		}
		p.line("%s", strings.TrimRight(h, " "))
	}
	for _, c := range rows {
		p.row(c, wide)
	}
	if len(rows) > 0 {
		p.line("")
	}
}

// sorted are the checks that are shown.
func (p *page) sorted() []preflight.CheckResult {
	rows := slices.Clone(p.r.Checks)
	if !p.o.Verbose {
		rows = slices.DeleteFunc(rows, func(c preflight.CheckResult) bool { return c.Status == checks.Pass || c.Status == checks.Skip })
	}
	slices.SortStableFunc(rows, func(a, b preflight.CheckResult) int {
		if d := group(b) - group(a); d != 0 {
			return d
		}
		return b.Severity.Rank() - a.Severity.Rank()
	})
	return rows
}

// group orders rows: failures, what is undecided, warnings, what is waived.
func group(c preflight.CheckResult) int {
	if c.AllWaived() {
		return 1
	}
	return map[checks.Status]int{checks.Fail: 4, checks.Unknown: 3, checks.Warn: 2}[c.Status]
}

var words = map[checks.Status]struct{ text, color string }{
	checks.Fail: {"FAIL", "31"}, checks.Warn: {"WARN", "33"}, checks.Unknown: {"????", "35"}, checks.Pass: {"pass", "32"}, checks.Skip: {"skip", "2"},
	preflight.WaivedCount: {"WAIV", "36"},
}

// statusWord is a check's status for people.
func statusWord(c preflight.CheckResult) checks.Status {
	if c.AllWaived() {
		return preflight.WaivedCount
	}
	return c.Status
}

func (p *page) row(c preflight.CheckResult, wide int) {
	text := fold(clean(p.t.Say(c.Message, c.Summary)), wide)
	word := words[statusWord(c)]
	var s strings.Builder
	s.WriteString(" " + p.paint(word.color, pad(p.t.Text(word.text), statusWidth)) + " " + pad(c.ID, idWidth) + " " + pad(text[0], wide))
	if p.many() {
		text = append(text, p.targetsOf(c, wide)...)
	} else {
		for _, t := range p.r.Targets {
			s.WriteString(" " + p.cell(c, t.ID))
		}
	}
	p.line("%s", strings.TrimRight(s.String(), " "))
	for _, more := range text[1:] {
		p.line("%s%s", strings.Repeat(" ", 1+statusWidth+1+idWidth+1), more)
	}
}

// cell is what a check means for one target: its severity, where it matters.
func (p *page) cell(c preflight.CheckResult, id string) string {
	if _, waived := c.Waived[id]; waived {
		return p.paint("36", pad(p.t.Text("waived"), cellWidth))
	}
	switch status := checks.Status(c.StatusBy[id]); status {
	case checks.Pass:
		return p.paint("32", pad(p.t.Text("ok"), cellWidth))
	case checks.Skip:
		return p.paint("2", pad("-", cellWidth))
	case checks.Unknown:
		return p.paint("35", pad(p.t.Text("unknown"), cellWidth))
	default:
		sev := c.SeverityBy[id]
		if sev == string(checks.Blocker) && status == checks.Fail {
			return p.paint("31", pad(p.t.Text("BLOCK"), cellWidth))
		}
		return p.paint("33", pad(p.t.Text(sev), cellWidth))
	}
}

func (p *page) counts() {
	n := p.r.Summary.Counts
	s := p.t.Format(" pass %d   warn %d   fail %d   unknown %d   skip %d", n[checks.Pass], n[checks.Warn], n[checks.Fail], n[checks.Unknown], n[checks.Skip])
	if w := n[preflight.WaivedCount]; w > 0 {
		s += p.t.Format("   waived %d", w)
	}
	if !p.o.Verbose {
		s += p.t.Text("   (-v lists them)")
	}
	p.line("%s", s)
	if rows := p.sorted(); len(rows) > 0 && group(rows[0]) > 0 {
		command := fmt.Sprintf("migimg preflight --explain %s %s", rows[0].ID, clean(p.r.Source.Devices(" ")))
		line := p.t.Format(" What it means and what to do:  %s", command)
		if columns(line) > p.o.Width {
			line = p.t.Format(" What it means and what to do:  %s", "\n   "+command)
		}
		for l := range strings.Lines(line) {
			p.line("%s", strings.TrimRight(l, " \n"))
		}
	}
}

var verdicts = map[preflight.Verdict]struct{ text, color string }{
	preflight.Ready: {"READY", "32"}, preflight.Warnings: {"READY, WITH WARNINGS", "33"},
	preflight.Blocked: {"BLOCKED", "31"}, preflight.Unknown: {"UNDECIDED", "35"},
}

func (p *page) verdicts() {
	if p.many() {
		p.manyVerdicts()
	} else {
		for _, t := range p.r.Targets {
			v := verdicts[t.Verdict]
			p.line("%s", p.t.Format(" Verdict: %s %s", t.ID, p.paint(v.color, p.t.Text(v.text)))+p.about(t))
		}
	}
	for _, w := range p.r.Waivers {
		if w.State == "expired" {
			p.line("%s", p.t.Format(" A waiver has expired: %s for %s, until %s (%s)", w.Check, w.Target, w.Until, clean(w.Reason)))
		}
	}
}

// predicted are the importer's error codes, each once.
func predicted(t preflight.TargetInfo) (codes []string) {
	for _, e := range t.Predicted {
		if code := clean(e.Code); !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func statusOf(r *preflight.Report, id string) checks.Status {
	for _, c := range r.Checks {
		if c.ID == id {
			return c.Status
		}
	}
	return checks.Unknown
}
