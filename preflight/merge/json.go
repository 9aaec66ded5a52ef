package merge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"migimg/preflight"
)

// SchemaID names the schema of major version 1 of the merged report.
const SchemaID = "urn:migimg:schema:fleet:1"

// schemaVersion is the document's: a minor change only adds fields.
const schemaVersion = "1.0"

var stateWords = map[State]string{Blocks: "blocks", Undecided: "undecided", Warns: "warns", Notes: "notes", Waived: "waived"}

type jsonTally struct {
	Blocked   int `json:"blocked"`
	Alone     int `json:"only_blocker"`
	Undecided int `json:"undecided"`
	Warned    int `json:"warned"`
}

type jsonCause struct {
	Check     string               `json:"check"`
	Code      string               `json:"code"`
	Title     string               `json:"title"`
	Impact    string               `json:"impact,omitempty"`
	Open      bool                 `json:"undecided"`
	Fix       Fix                  `json:"remediation"`
	Same      bool                 `json:"same_on_all"`
	Hosts     jsonTally            `json:"hosts"`
	PerTarget map[string]jsonTally `json:"hosts_by_target"`
}

type jsonHost struct {
	Name       string                       `json:"name"`
	Called     string                       `json:"calls_itself,omitempty"`
	System     string                       `json:"system,omitempty"`
	Firmware   string                       `json:"firmware,omitempty"`
	Verdict    string                       `json:"verdict"`
	Verdicts   map[string]preflight.Verdict `json:"verdicts"`
	Disks      []jsonDisk                   `json:"disks"`
	Findings   []jsonFinding                `json:"findings"`
	Unreadable []string                     `json:"unreadable,omitempty"`
	Gaps       []jsonGap                    `json:"not_judged,omitempty"`
}

type jsonDisk struct {
	Device  string    `json:"device"`
	File    string    `json:"file"`
	Made    time.Time `json:"generated_at"`
	Size    int64     `json:"size_bytes"`
	Carried int64     `json:"carried_bytes"`
}

type jsonFinding struct {
	Check   string            `json:"check"`
	Cause   int               `json:"cause"`
	Device  string            `json:"device"`
	Summary string            `json:"summary"`
	Targets map[string]string `json:"targets"`
	Fix     Fix               `json:"remediation"`
}

type jsonGap struct {
	Device string `json:"device,omitempty"`
	Target string `json:"target"`
}

// WriteJSON writes the fleet as one document, for programs: each host is a line.
// version is the program's.
func (f *Fleet) WriteJSON(w io.Writer, version string) error {
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b) // ends each value with a newline
	e.SetEscapeHTML(false)
	var err error
	put := func(before string, v any) {
		if err == nil {
			if _, err = b.WriteString(before); err == nil {
				err = e.Encode(v)
			}
		}
	}
	put(`{"$schema":`, SchemaID)
	put(`,"schema_version":`, schemaVersion)
	put(`,"tool":`, map[string]string{"name": "migimg", "version": version})
	put(`,"generated_at":`, f.Made.Truncate(time.Second))
	put(`,"files":`, f.Files)
	put(`,"passed_over":`, f.Passed)
	put(`,"counts":`, f.Count(-1))
	targets := []any{}
	for i, t := range f.Targets {
		targets = append(targets, map[string]any{"id": t.ID, "title": t.Title, "counts": f.Count(i)})
	}
	put(`,"targets":`, targets)
	causes := []jsonCause{}
	for i := range f.Causes {
		causes = append(causes, f.jsonCause(&f.Causes[i]))
	}
	put(`,"causes":`, causes)
	before := `,"hosts":[`
	for i := range f.Hosts {
		put(before, f.jsonHost(&f.Hosts[i]))
		before = `,`
	}
	if len(f.Hosts) == 0 && err == nil {
		_, err = b.WriteString(before)
	}
	files, older, alike := []any{}, []any{}, []any{}
	for _, x := range f.Unreadable {
		files = append(files, map[string]string{"file": x.Path, "host": x.Host, "why": x.Why})
	}
	for _, x := range f.Older {
		older = append(older, map[string]any{"file": x.Path, "host": x.Host, "generated_at": x.Made, "newer": x.Newer})
	}
	for _, x := range f.Alike {
		alike = append(alike, map[string]any{"name": x.Name, "hosts": x.Hosts, "by": map[bool]string{true: "system", false: "file"}[x.Called]})
	}
	put(`],"unreadable":`, files)
	put(`,"older":`, older)
	put(`,"alike":`, alike)
	if err == nil {
		_, err = b.WriteString("}\n")
	}
	if err != nil {
		return fmt.Errorf("the merged report: %w", err)
	}
	return b.Flush()
}

func (f *Fleet) jsonCause(c *Cause) jsonCause {
	x := jsonCause{Check: c.Check, Code: c.Code, Title: c.Title, Impact: c.Impact, Open: c.Open, Fix: f.fix(c.Fix), Same: c.Same,
		Hosts: jsonTally(c.All), PerTarget: map[string]jsonTally{}}
	for i, t := range f.Targets {
		if c.By[i].Matters() {
			x.PerTarget[t.ID] = jsonTally(c.By[i])
		}
	}
	return x
}

func (f *Fleet) fix(i int) Fix {
	if f.Fixes[i] == nil {
		return Fix{}
	}
	return f.Fixes[i]
}

func (f *Fleet) jsonHost(h *Host) jsonHost {
	x := jsonHost{Name: h.Name, Called: h.Called, System: h.System, Firmware: h.Firmware, Verdict: string(h.Verdict),
		Verdicts: map[string]preflight.Verdict{}, Disks: []jsonDisk{}, Findings: []jsonFinding{}, Unreadable: h.Unreadable}
	if h.Lost() {
		x.Verdict = "unreadable"
	}
	for i, v := range h.Verdicts {
		if v != "" {
			x.Verdicts[f.Targets[i].ID] = v
		}
	}
	for _, d := range h.Disks {
		x.Disks = append(x.Disks, jsonDisk(d))
	}
	for _, g := range h.Gaps {
		x.Gaps = append(x.Gaps, jsonGap(g))
	}
	for _, p := range h.Findings {
		j := jsonFinding{Check: f.Causes[p.Cause].Check, Cause: p.Cause, Device: h.Disks[p.Disk].Device, Summary: f.Texts[p.Text].English, Fix: f.fix(p.Fix), Targets: map[string]string{}}
		for i, t := range f.Targets {
			if s := p.For(i); s != None {
				j.Targets[t.ID] = stateWords[s]
			}
		}
		x.Findings = append(x.Findings, j)
	}
	return x
}
