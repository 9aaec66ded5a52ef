package render

import (
	"encoding/json"
	"io"
	"net/url"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
)

// The parts of SARIF 2.1.0 that a report has something to say for
// (docs.oasis-open.org/sarif/sarif/v2.1.0, section 3).
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	Invocations []sarifInvocation        `json:"invocations"`
	Bases       map[string]sarifArtifact `json:"originalUriBaseIds"`
	Results     []sarifResult            `json:"results"`
	Language    string                   `json:"language"`
	Newlines    []string                 `json:"newlineSequences"`
	Properties  map[string]any           `json:"properties"`
}

type sarifDriver struct {
	Name     string      `json:"name"`
	Version  string      `json:"version,omitempty"`
	Language string      `json:"language"`
	Rules    []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Short   sarifText      `json:"shortDescription"`
	Full    sarifText      `json:"fullDescription"`
	Default sarifConfig    `json:"defaultConfiguration"`
	Props   map[string]any `json:"properties"`
}

type sarifConfig struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	OK  bool   `json:"executionSuccessful"`
	End string `json:"endTimeUtc"`
}

type sarifArtifact struct {
	URI         string     `json:"uri,omitempty"`
	BaseID      string     `json:"uriBaseId,omitempty"`
	Description *sarifText `json:"description,omitempty"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Kind         string             `json:"kind"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations,omitempty"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	Properties   map[string]any     `json:"properties"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifRegion struct {
	Line    int        `json:"startLine"`
	Snippet *sarifText `json:"snippet,omitempty"`
}

type sarifLogical struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

// sarifBase is the symbol for the guest's root directory, below which paths are.
const sarifBase = "GUESTROOT"

// SARIF writes the report as a SARIF 2.1.0 log, in English: a rule and a result
// for each check. What each target makes of a result is in its properties.
func SARIF(w io.Writer, r *preflight.Report) error {
	run := sarifRun{
		Invocations: []sarifInvocation{{true, r.GeneratedAt.UTC().Format("2006-01-02T15:04:05Z")}},
		Bases:       map[string]sarifArtifact{sarifBase: {Description: &sarifText{"the root directory of the system on " + clean(r.Source.Device)}}},
		Results:     []sarifResult{},
		Language:    "en-US", Newlines: []string{"\r\n", "\n"}, // the defaults, which not every reader knows
		Properties: map[string]any{"verdict": r.Summary.Verdict, "device": clean(r.Source.Device), "targets": sarifTargets(r)},
	}
	run.Tool.Driver = sarifDriver{Name: "migimg preflight", Version: r.Tool.Version, Language: "en-US", Rules: []sarifRule{}}
	for i, c := range r.Checks {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: c.ID, Name: c.Code, Short: sarifText{c.Title}, Full: sarifText{or(impactOf(c), c.Title)},
			Default: sarifConfig{level(c.Severity)}, Props: map[string]any{"category": c.Category},
		})
		run.Results = append(run.Results, sarifOf(c, i, r))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// impactOf is the check's own, which the report leaves out where it passed.
func impactOf(c preflight.CheckResult) string {
	if known := checks.Find(c.ID); known != nil {
		return known.Impact
	}
	return c.Impact
}

func sarifTargets(r *preflight.Report) map[string]preflight.Verdict {
	m := map[string]preflight.Verdict{}
	for _, t := range r.Targets {
		m[t.ID] = t.Verdict
	}
	return m
}

func sarifOf(c preflight.CheckResult, rule int, r *preflight.Report) sarifResult {
	x := sarifResult{RuleID: c.ID, RuleIndex: rule, Kind: "fail", Level: level(c.Severity), Message: sarifText{or(clean(c.Summary), c.Title)},
		Properties: map[string]any{"severity": c.Severity, "status": c.Status, "status_by_target": c.StatusBy, "severity_by_target": c.SeverityBy}}
	// A kind other than "fail" has the level "none" (section 3.27.10).
	switch c.Status {
	case checks.Pass:
		x.Kind, x.Level = "pass", "none"
	case checks.Skip:
		x.Kind, x.Level = "notApplicable", "none"
	case checks.Unknown:
		x.Kind, x.Level = "open", "none"
	case checks.Warn:
		if x.Level == "error" {
			x.Level = "warning"
		}
	}
	if len(c.Remedies) > 0 {
		x.Properties["remediation"] = c.Remedies
	}
	for _, e := range c.Evidence {
		if l, ok := location(e); ok {
			x.Locations = append(x.Locations, l)
		}
	}
	if len(x.Locations) == 0 {
		x.Locations = []sarifLocation{{Logical: []sarifLogical{{clean(r.Source.Device), "device"}}}}
	}
	if c.AllWaived() {
		for _, t := range r.Targets {
			if w, ok := c.Waived[t.ID]; ok {
				x.Suppressions = append(x.Suppressions, sarifSuppression{"external", "accepted", clean(t.ID + ", until " + w.Until + ", " + w.Who + ": " + w.Reason)})
			}
		}
	}
	return x
}

func level(s checks.Severity) string {
	switch s {
	case checks.Blocker, checks.High:
		return "error"
	case checks.Medium:
		return "warning"
	}
	return "note"
}

// location is where a piece of evidence is; a value of no file has none.
func location(e checks.Evidence) (sarifLocation, bool) {
	if !strings.HasPrefix(e.Path, "/") {
		return sarifLocation{}, false
	}
	u := url.URL{Path: strings.TrimLeft(e.Path, "/")}
	p := &sarifPhysical{Artifact: sarifArtifact{URI: u.EscapedPath(), BaseID: sarifBase}}
	if strings.Contains(strings.SplitN(p.Artifact.URI, "/", 2)[0], ":") { // else a scheme
		p.Artifact.URI = "./" + p.Artifact.URI
	}
	if e.Line > 0 {
		p.Region = &sarifRegion{Line: e.Line}
		if e.Text != "" {
			p.Region.Snippet = &sarifText{clean(e.Text)}
		}
	}
	return sarifLocation{Physical: p}, true
}
