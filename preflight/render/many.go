package render

import (
	"slices"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
)

// leastText is the narrowest column that a check's summary is readable in.
const leastText = 28

// many says that the targets are too many for a column each.
func (p *page) many() bool {
	return p.o.Width-1-statusWidth-1-idWidth-1-len(p.r.Targets)*(cellWidth+1) < leastText && len(p.r.Targets) > 2
}

// targetsOf are the lines that say which targets a check matters for, by what it
// is there.
func (p *page) targetsOf(c preflight.CheckResult, wide int) []string {
	var words []string
	by := map[string][]string{}
	for _, t := range p.r.Targets {
		word := c.SeverityBy[t.ID]
		if _, waived := c.Waived[t.ID]; waived {
			word = "waived"
		}
		switch checks.Status(c.StatusBy[t.ID]) {
		case checks.Pass, checks.Skip:
			continue
		case checks.Unknown:
			if word != "waived" {
				word = "unknown"
			}
		case checks.Fail:
			if word == string(checks.Blocker) {
				word = "BLOCK"
			}
		}
		if by[word] == nil {
			words = append(words, word)
		}
		by[word] = append(by[word], t.ID)
	}
	if len(words) == 0 {
		return nil
	}
	order := []string{"BLOCK", "unknown", "blocker", "high", "medium", "low", "info", "waived"}
	slices.SortFunc(words, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	var parts []string
	for _, w := range words {
		if len(by[w]) == len(p.r.Targets) {
			parts = append(parts, p.t.Text(w)+": "+p.t.Text("all"))
		} else {
			parts = append(parts, p.t.Text(w)+": "+strings.Join(by[w], ", "))
		}
	}
	return fold(strings.Join(parts, "; "), wide)
}

// manyVerdicts lists the targets of each verdict, worst first.
func (p *page) manyVerdicts() {
	for _, v := range []preflight.Verdict{preflight.Blocked, preflight.Unknown, preflight.Warnings, preflight.Ready} {
		var ids []string
		for _, t := range p.r.Targets {
			if t.Verdict == v {
				ids = append(ids, t.ID+p.about(t))
			}
		}
		if len(ids) == 0 {
			continue
		}
		p.line(" %s", p.paint(verdicts[v].color, p.t.Text(verdicts[v].text)))
		for _, l := range fold(strings.Join(ids, ", "), p.o.Width-4) {
			p.line("   %s", l)
		}
	}
}

// about is what is to be said of a target behind its name: the errors that its
// importer would answer, and whose figures were judged by.
func (p *page) about(t preflight.TargetInfo) string {
	s := ""
	if codes := predicted(t); len(codes) > 0 {
		s = p.t.Format(" (predicted error: %s)", strings.Join(codes, ", "))
	}
	if len(t.From) > 0 {
		s += p.t.Format(" [as of %s, from %s]", clean(t.AsOf), clean(strings.Join(t.From, ", ")))
	}
	return s
}
