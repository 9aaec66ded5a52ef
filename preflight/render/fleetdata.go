package render

import (
	"encoding/json"
	"strings"

	"migimg/preflight"
	"migimg/preflight/merge"
	"migimg/preflight/texts"
)

// fleetWords are what the page's script says. What is put in for %s it knows.
var fleetWords = []string{
	"all, the worst of them", "any verdict", "any cause", "worst first", "by name", "largest first", "%s of %s hosts", "%s to %s of %s",
	"READY", "READY, WITH WARNINGS", "BLOCKED", "UNDECIDED", "Unreadable", "Not judged", "Blocks the move", "Undecided", "Warning", "Note", "Waived", "all",
	"For %s. A host counts once for each cause; several causes may keep it.", "Show its hosts", "Show all %s causes", "What to do", "Nothing needs attention.",
	"It calls itself %s.", "%s of %s are carried", "report of %s", "No file of this host could be read: %s.", "A file of this host could not be read: %s.",
	"There is no report of %s for %s.", "There is no report for %s.", "data disk", "operating system unknown", "No host is like that.", "and %s more",
}

// dataFleet is what the page's script works on: tables, and hosts that refer to
// them by place, so that thousands of them stay a few megabytes.
type dataFleet struct {
	Words   map[string]string `json:"w"`
	Targets []string          `json:"t"`
	IDs     []string          `json:"i"` // the targets'
	Causes  []dataCause       `json:"c"`
	Texts   []string          `json:"x"`
	Fixes   [][]dataFix       `json:"f"`
	States  []string          `json:"s"` // a letter for each target
	Systems []string          `json:"o"`
	Hosts   []dataHost        `json:"h"`
}

type dataCause struct {
	Check string `json:"i"`
	Title string `json:"n"`
}

type dataFix struct {
	Commands string `json:"c,omitempty"`
	Text     string `json:"t,omitempty"`
	URL      string `json:"u,omitempty"`
}

type dataHost struct {
	Name     string     `json:"n"`
	Called   string     `json:"a,omitempty"`
	System   int        `json:"o"`
	Size     int64      `json:"b"`
	SizeText string     `json:"z"`
	Verdict  string     `json:"v"` // over all targets, then for each
	Disks    [][]string `json:"d"` // device, carried, made, file
	// Findings are five numbers each: cause, text, fix, states, disk.
	Findings   []int       `json:"f"`
	Unreadable []string    `json:"u,omitempty"`
	Gaps       [][2]string `json:"g,omitempty"`
}

// fleetData is the data for the page's script, as JSON.
func fleetData(f *merge.Fleet, t *texts.Texts) ([]byte, error) {
	d := dataFleet{Words: map[string]string{}, Targets: []string{}, IDs: []string{}, Causes: []dataCause{}, Texts: []string{}, Fixes: [][]dataFix{}, States: []string{}, Systems: []string{}, Hosts: []dataHost{}}
	for _, w := range fleetWords {
		d.Words[w] = t.Format(w, "{1}", "{2}", "{3}")
	}
	for _, x := range f.Targets {
		d.Targets, d.IDs = append(d.Targets, clean(x.Title)), append(d.IDs, clean(x.ID))
	}
	for i := range f.Causes {
		d.Causes = append(d.Causes, dataCause{clean(f.Causes[i].Check), clean(t.Text(f.Causes[i].Title))})
	}
	// Only what a host that counts has said: the others' reports were replaced.
	textAt, fixAt, stateAt, systemAt := map[int]int{}, map[int]int{}, map[string]int{}, map[string]int{}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		x := dataHost{Name: clean(h.Name), Called: clean(h.Called), Verdict: letters(h), Disks: [][]string{}, Findings: []int{}}
		x.System = place(systemAt, &d.Systems, systemOf(h, t), func(s string) string { return s })
		for _, k := range h.Disks {
			x.Size += k.Size
			x.Disks = append(x.Disks, []string{clean(k.Device), t.Format("%s of %s are carried", size(k.Carried), size(k.Size)), t.Format("report of %s", k.Made.Format("2006-01-02 15:04 UTC")), clean(k.File)})
		}
		x.SizeText = size(x.Size)
		for _, p := range h.Findings {
			text := place(textAt, &d.Texts, p.Text, func(i int) string { return clean(t.Say(f.Texts[i].Messages, f.Texts[i].English)) })
			fix := place(fixAt, &d.Fixes, p.Fix, func(i int) []dataFix {
				list := []dataFix{}
				for _, m := range remedyViews(t, f.Fixes[i]) {
					list = append(list, dataFix(m))
				}
				return list
			})
			state := place(stateAt, &d.States, p.States, func(s string) string { return s })
			x.Findings = append(x.Findings, p.Cause, text, fix, state, p.Disk)
		}
		for _, u := range h.Unreadable {
			x.Unreadable = append(x.Unreadable, clean(u))
		}
		for _, g := range h.Gaps {
			x.Gaps = append(x.Gaps, [2]string{clean(g.Device), clean(g.Target)})
		}
		d.Hosts = append(d.Hosts, x)
	}
	return json.Marshal(d)
}

// place is where a value is in a table of what it is made into.
func place[K comparable, V any](at map[K]int, table *[]V, k K, of func(K) V) int {
	i, ok := at[k]
	if !ok {
		i = len(*table)
		at[k] = i
		*table = append(*table, of(k))
	}
	return i
}

// letters are a host's verdicts: over all targets, and for each.
func letters(h *merge.Host) string {
	if h.Lost() {
		return strings.Repeat("l", 1+len(h.Verdicts))
	}
	b := []byte{letter(h.Verdict)}
	for _, v := range h.Verdicts {
		b = append(b, letter(v))
	}
	return string(b)
}

func letter(v preflight.Verdict) byte {
	switch v {
	case preflight.Ready:
		return 'r'
	case preflight.Warnings:
		return 'w'
	case preflight.Blocked:
		return 'b'
	case "":
		return '-'
	}
	return 'u'
}

// systemOf is the host's operating system for people.
func systemOf(h *merge.Host, t *texts.Texts) string {
	switch {
	case h.System != "":
		return clean(h.System)
	case h.Lost():
		return ""
	case h.Data:
		return t.Text("data disk")
	}
	return t.Text("operating system unknown")
}
