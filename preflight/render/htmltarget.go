package render

import (
	"slices"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
)

type htmlTarget struct {
	Title, Class, Verdict, Codes, Formats, AsOf string
	Lists                                       []htmlList
}

// htmlList are checks under a heading. Link says that the page has the check.
// Folded lists are opened by a click; Times is how many checks say the same.
type htmlList struct {
	Title  string
	Folded bool
	Checks []htmlItem
}

type htmlItem struct {
	ID, Title string
	Link      bool
	Times     int
}

var htmlVerdicts = map[preflight.Verdict]string{preflight.Ready: "ready", preflight.Warnings: "warnings", preflight.Blocked: "blocked", preflight.Unknown: "unknown"}

func (p *page) target(x preflight.TargetInfo) htmlTarget {
	h := htmlTarget{Title: x.Title, Class: htmlVerdicts[x.Verdict], Verdict: p.t.Text(verdicts[x.Verdict].text),
		Codes: strings.Join(predicted(x), ", "), Formats: strings.Join(x.Formats, ", "), AsOf: x.AsOf}
	for _, l := range []struct {
		title string
		ids   []string
	}{{"Blocks the move", x.Blockers}, {"Undecided", x.Unknown}, {"Warnings", x.Warnings}, {"Waived", x.Waived}} {
		if len(l.ids) == 0 {
			continue
		}
		list := htmlList{Title: p.t.Text(l.title), Folded: l.title != "Blocks the move" && len(p.r.Targets) > fewTargets}
		for _, id := range l.ids {
			item := htmlItem{ID: id, Title: id, Times: 1}
			for _, c := range p.r.Checks {
				if c.ID == id {
					item.Title = clean(p.summary(c, x.ID))
					item.Link = c.Status != checks.Pass && c.Status != checks.Skip
				}
			}
			if k := slices.IndexFunc(list.Checks, func(o htmlItem) bool { return o.Title == item.Title }); k >= 0 {
				list.Checks[k].Times++
				continue
			}
			list.Checks = append(list.Checks, item)
		}
		h.Lists = append(h.Lists, list)
	}
	return h
}

// fewTargets is how many a page has room for in full.
const fewTargets = 3

// chips fill in what the check is for each target; where it is the same for
// many, that is said once.
func (p *page) chips(c preflight.CheckResult, x *htmlFinding) {
	plain := &page{nil, p.r, Options{}, p.t}
	said := map[string]int{} // the place in Others, by text
	var ids [][]string
	other := func(id, text string) {
		k, ok := said[text]
		if !ok {
			k = len(ids)
			said[text] = k
			ids, x.Others = append(ids, nil), append(x.Others, text)
		}
		ids[k] = append(ids[k], id)
	}
	for _, target := range p.r.Targets {
		chip := htmlChip{target.ID, c.StatusBy[target.ID], strings.TrimSpace(plain.cell(c, target.ID))}
		if w, ok := c.Waived[target.ID]; ok {
			chip.Class = "waived"
			other(target.ID, clean(p.t.Format(" (waived until %s by %s: %s)", w.Until, w.Who, w.Reason)))
		}
		x.Targets = append(x.Targets, chip)
		if by := c.SummaryBy[target.ID]; by != "" && by != c.Summary {
			other(target.ID, ": "+clean(p.t.Say(c.MessageBy[target.ID], by)))
		}
	}
	for k := range x.Others {
		x.Others[k] = strings.Join(ids[k], ", ") + x.Others[k]
	}
	if len(x.Targets) == 0 {
		return
	}
	first := x.Targets[0]
	if len(x.Targets) > fewTargets && !slices.ContainsFunc(x.Targets, func(o htmlChip) bool { return o.Class != first.Class || o.Word != first.Word }) {
		x.Targets = []htmlChip{{p.t.Text("all"), first.Class, first.Word}}
	}
}
