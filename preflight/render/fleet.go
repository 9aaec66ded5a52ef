package render

import (
	_ "embed" // the page, its style and its script
	"fmt"
	"html/template"
	"io"
	"strings"

	"migimg/preflight/merge"
)

//go:embed fleet.html
var fleetHTML string

//go:embed fleet.css
var fleetCSS string

//go:embed fleet.js
var fleetJS string

// manyNames is how many of a cause's hosts are named where there is no script, and
// longList from how many rows on a list is folded.
const (
	manyNames = 40
	longList  = 20
)

// fleetView is what the page shows without its script, which shows the same by
// target, and the hosts.
type fleetView struct {
	Lang, CSP, Made, Version string
	CSS                      template.CSS
	JS, Data                 template.JS
	Hosts, Files, Passed     int
	Lost, Unjudged           bool
	Targets                  []merge.Target
	Notes                    []fleetNote
	Rows                     []fleetRow
	Causes                   []fleetCause
	Lists                    []fleetList
}

// fleetNote is a link to a list further down.
type fleetNote struct{ ID, Text string }

// fleetRow is a target's line in the table of verdicts.
type fleetRow struct {
	Place      int
	Title, Bar string
	Rects      []fleetRect
	Cells      []fleetCell
}

type fleetRect struct {
	Class string
	X, W  float64
}

type fleetCell struct {
	Label, Class, Letter string
	N                    int
}

type fleetCause struct {
	Place                                   int
	Title, Check, Code, Brief, Impact       string
	Example, Names                          string
	Open, Same                              bool
	More, Blocked, Alone, Undecided, Warned int
	Remedies                                []htmlRemedy
}

type fleetList struct {
	ID, Title, Text string
	Folded          bool
	Heads           []string
	Rows            [][]string
}

// FleetHTML writes the merged report as one page: it loads nothing, and everything
// that hosts said is text. Without its script it shows verdicts and causes; with it,
// the hosts, by target, verdict, cause and name. version is the program's.
func FleetHTML(w io.Writer, f *merge.Fleet, version string, o Options) error {
	p := &page{nil, nil, o, o.texts()}
	css, js := pageCSS+fleetCSS, copyJS+fleetJS
	v := fleetView{Lang: or(p.t.Lang(), "en"), CSP: policy(css, js), CSS: template.CSS(css), JS: template.JS(js), // #nosec G203: the program's own
		Made: f.Made.Format("2006-01-02 15:04 UTC"), Version: version, Hosts: len(f.Hosts), Files: f.Files, Passed: f.Passed, Targets: f.Targets}
	data, err := fleetData(f, p.t)
	if err != nil {
		return fmt.Errorf("the page of the merged report: %w", err)
	}
	v.Data = template.JS(data) // #nosec G203: JSON, in which encoding/json has escaped <, > and &
	v.Lost = f.Count(-1).Lost > 0
	for i := range f.Targets {
		v.Unjudged = v.Unjudged || f.Count(i).Unjudged > 0
	}
	for i := -1; i < len(f.Targets); i++ {
		if i < 0 && len(f.Targets) == 1 {
			continue
		}
		v.Rows = append(v.Rows, p.fleetRow(f, i, &v))
	}
	p.fleetCauses(f, &v)
	p.fleetLists(f, &v)
	return p.write(w, "fleet", v)
}

// fleetVerdict is a verdict as the page's script and style know it.
type fleetVerdict struct {
	letter, class, word string
	of                  func(merge.Counts) int
}

var fleetVerdicts = []fleetVerdict{
	{"r", "ready", "Ready", func(c merge.Counts) int { return c.Ready }},
	{"w", "warnings", "With warnings", func(c merge.Counts) int { return c.Warnings }},
	{"b", "blocked", "Blocked", func(c merge.Counts) int { return c.Blocked }},
	{"u", "unknown", "Undecided", func(c merge.Counts) int { return c.Unknown }},
	{"l", "lost", "Unreadable", func(c merge.Counts) int { return c.Lost }},
	{"-", "unjudged", "Not judged", func(c merge.Counts) int { return c.Unjudged }},
}

func (p *page) fleetRow(f *merge.Fleet, target int, v *fleetView) fleetRow {
	r := fleetRow{Place: target, Title: p.t.Text("all, the worst of them")}
	if target >= 0 {
		r.Title = f.Targets[target].Title
	}
	c, x := f.Count(target), 0.0
	var words []string
	for _, k := range fleetVerdicts {
		n := k.of(c)
		if k.letter == "l" && !v.Lost || k.letter == "-" && !v.Unjudged {
			continue
		}
		word := p.t.Text(k.word)
		r.Cells = append(r.Cells, fleetCell{word, k.class, k.letter, n})
		words = append(words, fmt.Sprintf("%s: %d", word, n))
		width := 1000 * float64(n) / float64(max(1, len(f.Hosts)))
		if n > 0 {
			r.Rects = append(r.Rects, fleetRect{k.class, x, width})
		}
		x += width
	}
	r.Bar = strings.Join(words, ", ")
	return r
}

func (p *page) fleetCauses(f *merge.Fleet, v *fleetView) {
	names, texts := make([][]string, len(f.Causes)), make([]int, len(f.Causes))
	for i := range f.Hosts {
		seen := map[int]bool{}
		for _, x := range f.Hosts[i].Findings {
			if s := x.For(-1); seen[x.Cause] || s == merge.Notes || s == merge.Waived {
				continue
			}
			seen[x.Cause] = true
			if names[x.Cause] == nil {
				texts[x.Cause] = x.Text
			}
			names[x.Cause] = append(names[x.Cause], clean(f.Hosts[i].Name))
		}
	}
	for i := range f.Causes {
		c := &f.Causes[i]
		if !c.All.Matters() {
			continue
		}
		x := fleetCause{Place: i, Title: clean(p.t.Text(c.Title)), Check: c.Check, Code: c.Code, Impact: clean(p.t.Text(c.Impact)), Open: c.Open, Same: c.Same,
			Blocked: c.All.Blocked, Alone: c.All.Alone, Undecided: c.All.Undecided, Warned: c.All.Warned, Remedies: remedyViews(p.t, f.Fixes[c.Fix]), Example: clean(f.Hosts[c.Host].Name)}
		x.Brief = clean(p.t.Say(f.Texts[texts[i]].Messages, f.Texts[texts[i]].English))
		if len(x.Remedies) > 0 {
			x.Brief = p.brief(f, c)
		}
		list := names[i]
		if len(list) > manyNames {
			x.More, list = len(list)-manyNames, list[:manyNames]
		}
		x.Names = strings.Join(list, ", ")
		v.Causes = append(v.Causes, x)
	}
}

// brief is a cause's fix in one line: what tells causes of one check apart.
func (p *page) brief(f *merge.Fleet, c *merge.Cause) string {
	list := f.Fixes[c.Fix]
	if !c.Same {
		list = list.Common()
	}
	var parts []string
	for _, m := range list {
		switch m.Type {
		case "command":
			for _, argv := range m.Argv {
				parts = append(parts, clean(strings.Join(argv, " ")))
			}
		case "link":
		default:
			parts = append(parts, clean(advice(p.t, m)))
		}
	}
	s := strings.Join(parts, " · ")
	if head, _ := take(s, 160); head < len(s) {
		s = s[:head] + " …"
	}
	return s
}

// fleetLists are what else is to be known: nothing is left out in silence.
func (p *page) fleetLists(f *merge.Fleet, v *fleetView) {
	t := p.t
	add := func(id, note, title, text string, heads []string, rows [][]string) {
		if len(rows) == 0 {
			return
		}
		for i := range heads {
			heads[i] = t.Text(heads[i])
		}
		for _, r := range rows {
			for i := range r {
				r[i] = clean(r[i])
			}
		}
		v.Lists = append(v.Lists, fleetList{id, title, text, len(rows) > longList, heads, rows})
		if note != "" {
			v.Notes = append(v.Notes, fleetNote{id, note})
		}
	}
	var rows [][]string
	for _, x := range f.Unreadable {
		rows = append(rows, []string{x.Path, x.Host, x.Why})
	}
	add("unreadable", t.Format("%d files could not be read as reports. Their hosts count as undecided, or worse.", len(rows)), t.Text("Files that could not be read"),
		t.Text("Get these reports anew. A host that has one of them is not ready, whatever its other reports say."), []string{"File", "Host", "Reason"}, rows)
	rows = nil
	for _, x := range f.Alike {
		who := t.Text("their files have this name")
		if x.Called {
			who = t.Text("their systems call themselves so")
		}
		rows = append(rows, []string{x.Name, who, strings.Join(x.Hosts, ", ")})
	}
	add("alike", t.Format("%d names stand for more than one host.", len(rows)), t.Text("Names that several hosts have"),
		t.Text("They are counted as hosts of their own. Where they are one machine, remove the reports that are not wanted."), []string{"Host name", "Reason", "Hosts"}, rows)
	rows = nil
	for _, x := range f.Older {
		rows = append(rows, []string{x.Path, x.Host, x.Made.Format("2006-01-02 15:04 UTC"), x.Newer})
	}
	add("older", "", t.Text("Older reports"), t.Text("There is a newer report of the same disk, which is the one that counts."), []string{"File", "Host", "Made", "Newer"}, rows)
}
