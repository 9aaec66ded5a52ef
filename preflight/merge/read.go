package merge

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"migimg/preflight"
	"migimg/preflight/checks"
	"migimg/preflight/internal/regular"
)

// maxTargets bounds the targets of one report; there are about two dozen.
const maxTargets = 64

// errMerged is for a document that this package has written.
var errMerged = errors.New("no preflight report of one host, but a merged one")

// slim is what is kept of a report.
type slim struct {
	device, called   string // the devices, where the report is of several disks
	system, firmware string
	data             bool // known to have no operating system
	made             time.Time
	size, carried    int64
	ids              []string // UUIDs on the disk
	targets          []Target
	verdicts         []preflight.Verdict
	findings         []found
	severity         checks.Severity
}

// found is a finding before its texts are known to the fleet. States are by target,
// in the order of the report's.
type found struct {
	check  *preflight.CheckResult
	text   Text
	states []State
}

// readAll reads the files, a few at a time, and hands each to done, in order.
func readAll(ctx context.Context, files []file, done func(i int, r *slim, why error)) error {
	type answer struct {
		r   *slim
		err error
	}
	waiting := make(chan chan answer, runtime.GOMAXPROCS(0))
	go func() {
		defer close(waiting)
		for _, f := range files {
			one := make(chan answer, 1)
			select {
			case waiting <- one:
			case <-ctx.Done():
				return
			}
			go func() {
				r, err := read(f)
				one <- answer{r, err}
			}()
		}
	}()
	i := 0
	for one := range waiting {
		a := <-one
		done(i, a.r, a.err)
		i++
	}
	return ctx.Err()
}

// ReadFile is the report in a file. The error does not name it.
func ReadFile(path string) (*preflight.Report, error) {
	doc, err := regular.Read(path, preflight.MaxReportSize)
	if err != nil {
		return nil, err
	}
	r, err := preflight.Read(doc)
	if err != nil && preflight.SchemaOf(doc) == SchemaID {
		return nil, errMerged
	}
	return r, err
}

func read(f file) (*slim, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	r, err := ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	if len(r.Targets) > maxTargets {
		return nil, fmt.Errorf("a report for %d targets, and this program takes %d at most", len(r.Targets), maxTargets)
	}
	return slimmed(r), nil
}

func slimmed(r *preflight.Report) *slim {
	s := &slim{device: r.Source.Devices(", "), made: r.GeneratedAt.UTC(), size: r.Source.SizeBytes, carried: r.Source.CarriedBytes}
	if len(r.Source.Disks) > 0 { // the figures above are the first one's
		s.size, s.carried = 0, 0
	}
	for _, d := range r.Source.Disks {
		s.size, s.carried = s.size+d.SizeBytes, s.carried+d.CarriedBytes
	}
	if o := r.OS; o != nil {
		s.system, s.firmware = o.Pretty, o.Firmware
		if s.system == "" {
			s.system = o.ID
		}
		if r.Redaction != "full" {
			s.called = o.Hostname
		}
	}
	if r.Redaction != "full" { // a pseudonym is another one's in the next report
		if r.Source.Root != nil && r.Source.Root.UUID != "" {
			s.ids = append(s.ids, r.Source.Root.UUID)
		}
		for _, v := range r.Source.Volumes {
			if v.UUID != "" {
				s.ids = append(s.ids, v.UUID)
			}
		}
		s.ids = slices.Compact(s.ids)
	}
	for _, t := range r.Targets {
		s.targets = append(s.targets, Target{t.ID, t.Title})
		s.verdicts = append(s.verdicts, t.Verdict)
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		if c.ID == "meta.coverage" {
			s.data = r.OS == nil && c.Status == checks.Pass
		}
		s.findings = append(s.findings, findings(c, r.Targets)...)
	}
	return s
}

// findings are what a check says, one for each text.
func findings(c *preflight.CheckResult, targets []preflight.TargetInfo) (out []found) {
	at := map[string]int{}
	for i, t := range targets {
		state := stateOf(c, t.ID)
		if state == None {
			continue
		}
		text := Text{c.Summary, c.Message}
		if by, ok := c.SummaryBy[t.ID]; ok {
			text = Text{by, c.MessageBy[t.ID]}
		}
		k, ok := at[text.English]
		if !ok {
			k = len(out)
			at[text.English] = k
			out = append(out, found{c, text, slices.Repeat([]State{None}, len(targets))})
		}
		out[k].states[i] = state
	}
	if len(out) > 0 {
		c.Evidence = nil // is not told, and is most of the report
	}
	return out
}

func stateOf(c *preflight.CheckResult, target string) State {
	if s := checks.Status(c.StatusBy[target]); s == checks.Pass || s == checks.Skip {
		return None
	}
	if _, waived := c.Waived[target]; waived {
		return Waived
	}
	v, err := c.For(target)
	switch {
	case err != nil, v == preflight.Unknown:
		return Undecided
	case v == preflight.Blocked:
		return Blocks
	case v == preflight.Warnings:
		return Warns
	}
	return Notes
}

// severityOf is how severe the findings that are not waived are for a target.
func (x *found) severity(target string) checks.Severity {
	return checks.Severity(strings.ToLower(x.check.SeverityBy[target]))
}
