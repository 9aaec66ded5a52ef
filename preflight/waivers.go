package preflight

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"migimg/preflight/checks"
	"migimg/preflight/internal/regular"
	"migimg/preflight/targets"
)

// Waiver is a finding that the owner of the disk lives with: it keeps its
// status, is shown as waived, and counts neither for the verdict nor for the
// exit code.
type Waiver struct {
	// Check is an id, Target a target's or "*".
	Check  string `json:"check"`
	Target string `json:"target"`
	// Reason is for whoever reads the report, Who the person that answers for it.
	Reason string `json:"reason"`
	Who    string `json:"who"`
	// Until is the last day, "2026-12-31", by UTC.
	Until string `json:"until"`
	// Severity is the highest that is waived; empty is any.
	Severity checks.Severity `json:"severity,omitempty"`
	// Undecided: what could not be found out is waived, too.
	Undecided bool `json:"undecided,omitempty"`
}

// WaiverResult is what became of a waiver: "active", "expired", or "unused"
// where the check found nothing for it.
type WaiverResult struct {
	Waiver
	State string `json:"state"`
}

// Bounds of a waivers file.
const (
	maxWaiversFile = 1 << 20
	maxWaivers     = 1000
)

// LoadWaivers reads a file in YAML or JSON: {waivers: [{check, target, reason,
// who, until}]}. All that is wrong with it is in the error, by entry. A waiver
// may name the targets that the program knows, and those given.
func LoadWaivers(file string, known ...string) ([]Waiver, error) {
	b, err := regular.Read(file, maxWaiversFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	ws, err := parseWaivers(b, known...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return ws, nil
}

func parseWaivers(b []byte, known ...string) ([]Waiver, error) {
	if slices.ContainsFunc(bytes.Split(b, []byte("\n")), aliased) {
		return nil, errors.New("YAML aliases (*name) are not taken here: write \"*\" in quotes where all targets are meant")
	}
	var doc struct {
		Waivers []Waiver `json:"waivers"`
	}
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict(), yaml.UseJSONUnmarshaler())
	if err := d.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(doc.Waivers) > maxWaivers {
		return nil, fmt.Errorf("%d waivers, at most %d", len(doc.Waivers), maxWaivers)
	}
	var errs []error
	for i, w := range doc.Waivers {
		if why := w.wrong(known); why != "" {
			errs = append(errs, fmt.Errorf("waiver %d (%s): %s", i+1, w.Check, why))
		}
	}
	return doc.Waivers, errors.Join(errs...)
}

// aliased says that a line uses an alias, with which few bytes become many.
func aliased(line []byte) bool {
	s := strings.TrimSpace(string(line))
	_, value, ok := strings.Cut(s, ": ")
	if !ok {
		value = strings.TrimPrefix(s, "- ")
	}
	return strings.HasPrefix(strings.TrimSpace(value), "*")
}

func (w Waiver) wrong(known []string) string {
	_, err := targets.Load(w.Target)
	switch {
	case w.Check == "":
		return "check is missing: the id of the check that is waived"
	case checks.Find(w.Check) == nil:
		return "there is no such check; migimg preflight -v lists them"
	case w.Target == "":
		return `target is missing: a target's id, or "*" for all`
	case w.Target != "*" && err != nil && !slices.Contains(known, w.Target):
		return err.Error()
	case strings.TrimSpace(w.Reason) == "":
		return "reason is missing: say why this is acceptable"
	case strings.TrimSpace(w.Who) == "":
		return "who is missing: who answers for it"
	case w.Severity != "" && w.Severity.Rank() < 0:
		return fmt.Sprintf("severity %q is not one of blocker, high, medium, low, info", w.Severity)
	}
	if _, err := time.Parse(time.DateOnly, w.Until); err != nil {
		return fmt.Sprintf("until %q is not a day such as 2026-12-31: a waiver has an end", w.Until)
	}
	return ""
}

// expired says whether the waiver's last day is over.
func (w Waiver) expired(now time.Time) bool { return now.UTC().Format(time.DateOnly) > w.Until }

// covers says whether the waiver is about a result.
func (w Waiver) covers(id, target string, s checks.Status, sev checks.Severity) bool {
	if w.Check != id || w.Target != "*" && w.Target != target {
		return false
	}
	if w.Severity != "" && sev.Rank() > w.Severity.Rank() {
		return false
	}
	return s == checks.Fail || s == checks.Warn || s == checks.Unknown && w.Undecided
}

// Waive applies waivers, and makes the verdicts anew. It may be called once.
func (r *Report) Waive(ws []Waiver, now time.Time) {
	if len(ws) == 0 {
		return
	}
	used := make([]bool, len(ws))
	for i := range r.Checks {
		c := &r.Checks[i]
		for _, t := range r.Targets {
			for k, w := range ws {
				if !w.covers(c.ID, t.ID, checks.Status(c.StatusBy[t.ID]), checks.Severity(c.SeverityBy[t.ID])) {
					continue
				}
				used[k] = true
				if w.expired(now) {
					continue
				}
				if c.Waived == nil {
					c.Waived = map[string]Waiver{}
				}
				c.Waived[t.ID] = w
				break
			}
		}
	}
	for k, w := range ws {
		x := WaiverResult{w, "unused"}
		switch {
		case w.expired(now):
			x.State = "expired"
		case used[k]:
			x.State = "active"
		}
		r.Waivers = append(r.Waivers, x)
	}
	r.recount()
}

// WaivedCount is the key of Summary.Counts for checks whose every finding is
// waived.
const WaivedCount checks.Status = "waived"

// AllWaived says that the check found something and that all of it is waived.
func (c *CheckResult) AllWaived() bool {
	for id, s := range c.StatusBy {
		_, waived := c.Waived[id]
		if s != string(checks.Pass) && s != string(checks.Skip) && !waived {
			return false
		}
	}
	return len(c.Waived) > 0
}

// recount makes the verdicts, the counts and the headline from the results that
// are not waived.
func (r *Report) recount() {
	for i := range r.Targets {
		t := &r.Targets[i]
		t.Verdict, t.Blockers, t.Warnings, t.Unknown, t.Waived, t.Predicted = Ready, []string{}, []string{}, []string{}, nil, []Predicted{}
		for _, c := range r.Checks {
			if _, waived := c.Waived[t.ID]; waived {
				t.Waived = append(t.Waived, c.ID)
				continue
			}
			t.count(c.ID, checks.Result{Status: checks.Status(c.StatusBy[t.ID]), Severity: checks.Severity(c.SeverityBy[t.ID])}, c.MapsTo[t.ID])
		}
	}
	clear(r.Summary.Counts)
	for _, s := range []checks.Status{checks.Pass, checks.Warn, checks.Fail, checks.Skip, checks.Unknown, WaivedCount} {
		r.Summary.Counts[s] = 0
	}
	for i := range r.Checks {
		s := r.Checks[i].Status
		if r.Checks[i].AllWaived() {
			s = WaivedCount
		}
		r.Summary.Counts[s]++
	}
	r.summarise()
}
