package preflight

import (
	"fmt"
	"os"
	"strings"

	"migimg/preflight/checks"
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// report judges the facts for every target.
func report(f *facts.Facts, ts []*targets.Target) *Report {
	r := &Report{Schema: SchemaID, SchemaVersion: SchemaVersion, Redaction: "standard", names: f.Names, Source: source(f), OS: osInfo(f)}
	r.Coverage = Coverage{Unreadable: []string{}, Skipped: map[string]string{}, Privileges: privileges()}
	for _, p := range f.Guest.Problems[:min(len(f.Guest.Problems), maxEvidence)] {
		r.Coverage.Unreadable = append(r.Coverage.Unreadable, redact(p))
	}
	r.Summary.Counts = map[checks.Status]int{checks.Pass: 0, checks.Warn: 0, checks.Fail: 0, checks.Skip: 0, checks.Unknown: 0}
	for _, t := range ts {
		r.Targets = append(r.Targets, TargetInfo{ID: t.ID, Title: t.Title, Verdict: Ready, AsOf: t.AsOf, From: t.From, Formats: t.Formats.Values,
			Blockers: []string{}, Warnings: []string{}, Unknown: []string{}, Predicted: []Predicted{}})
	}
	for _, c := range checks.All() {
		r.add(c, f, ts)
	}
	r.summarise()
	return r
}

// add judges one check.
func (r *Report) add(c *checks.Check, f *facts.Facts, ts []*targets.Target) {
	e := CheckResult{ID: c.ID, Code: c.Code, Title: c.Title, Category: c.Category,
		SeverityBy: map[string]string{}, StatusBy: map[string]string{}, SummaryBy: map[string]string{}, MessageBy: map[string][]checks.Message{}, MapsTo: map[string]string{}}
	var shown checks.Result
	for i, t := range ts {
		x := c.Judge(f, t)
		e.SeverityBy[t.ID], e.StatusBy[t.ID], e.SummaryBy[t.ID] = string(x.Severity), string(x.Status), redact(x.Summary)
		e.MessageBy[t.ID] = messages(x)
		code := errorCode(c.ID, x, t)
		if code != "" {
			e.MapsTo[t.ID] = code
		}
		r.Targets[i].count(c.ID, x, code)
		if i == 0 || worse(x, shown) {
			shown = x
		}
	}
	e.Status, e.Severity, e.Summary = shown.Status, shown.Severity, redact(shown.Summary)
	e.Message = messages(shown)
	e.Evidence, e.Remedies = evidence(shown.Evidence), remedies(shown.Remediation)
	if e.Status != checks.Pass && e.Status != checks.Skip {
		e.Impact = c.Impact
	}
	same := true
	for _, s := range e.SummaryBy {
		same = same && s == e.Summary
	}
	if same {
		e.SummaryBy, e.MessageBy = nil, nil
	}
	if e.Status == checks.Skip {
		r.Coverage.Skipped[c.ID] = e.Summary
	}
	r.Summary.Counts[e.Status]++
	r.Checks = append(r.Checks, e)
}

// worse orders results for the line that is shown: by what they do to the
// verdict, then by status, then by severity.
func worse(a, b checks.Result) bool {
	if x, y := verdictOf(a).rank(), verdictOf(b).rank(); x != y {
		return x > y
	}
	if x, y := a.Status.Rank(), b.Status.Rank(); x != y {
		return x > y
	}
	return a.Severity.Rank() > b.Severity.Rank()
}

// verdictOf is what one result alone would make of a disk. What is unknown is
// never ready: where it may be a blocker the verdict is unknown, and below that
// a warning, unless it would not matter at all.
func verdictOf(x checks.Result) Verdict {
	rank := x.Severity.Rank()
	switch {
	case x.Status == checks.Fail && x.Severity == checks.Blocker:
		return Blocked
	case x.Status == checks.Unknown && x.Severity == checks.Blocker:
		return Unknown
	case x.Status == checks.Unknown && rank >= checks.Low.Rank():
		return Warnings
	case (x.Status == checks.Fail || x.Status == checks.Warn) && rank >= checks.Medium.Rank():
		return Warnings
	}
	return Ready
}

func (v Verdict) rank() int {
	switch v {
	case Blocked:
		return 3
	case Unknown:
		return 2
	case Warnings:
		return 1
	}
	return 0
}

// errorCode is what the target's importer answers to a failed check.
func errorCode(id string, x checks.Result, t *targets.Target) string {
	if x.ErrorCode != "" {
		return x.ErrorCode
	}
	return t.Errors[id]
}

// count adds a result to a target's verdict.
func (t *TargetInfo) count(id string, x checks.Result, code string) {
	v := verdictOf(x)
	if v.rank() > t.Verdict.rank() {
		t.Verdict = v
	}
	switch {
	case v == Blocked:
		t.Blockers = append(t.Blockers, id)
		if code != "" {
			t.Predicted = append(t.Predicted, Predicted{Code: code, Check: id})
		}
	case x.Status == checks.Unknown:
		t.Unknown = append(t.Unknown, id)
	case x.Status == checks.Fail || x.Status == checks.Warn:
		t.Warnings = append(t.Warnings, id)
	}
}

// summarise makes the verdict over all targets and the line for people.
func (r *Report) summarise() {
	r.Summary.Verdict = Ready
	for _, t := range r.Targets {
		if t.Verdict.rank() > r.Summary.Verdict.rank() {
			r.Summary.Verdict = t.Verdict
		}
	}
	if len(r.Targets) > manyTargets {
		r.Summary.Headline = r.byVerdict()
		return
	}
	var parts []string
	for _, t := range r.Targets {
		switch t.Verdict {
		case Blocked:
			parts = append(parts, fmt.Sprintf("%s for %s: %s", plural(len(t.Blockers), "blocker"), t.ID, r.summaries(t.Blockers, t.ID)))
		case Unknown:
			parts = append(parts, fmt.Sprintf("%s undecided for %s", plural(len(t.Unknown), "check"), t.ID))
		case Warnings:
			parts = append(parts, fmt.Sprintf("ready for %s with %s", t.ID, plural(len(t.Warnings)+len(t.Unknown), "warning")))
		default:
			parts = append(parts, "ready for "+t.ID)
		}
		if n := len(t.Waived); n > 0 {
			parts[len(parts)-1] += fmt.Sprintf(" (%d waived)", n)
		}
	}
	r.Summary.Headline = strings.Join(parts, " | ")
}

func (r *Report) summaries(ids []string, target string) string {
	var out []string
	for _, id := range ids {
		for _, c := range r.Checks {
			if c.ID != id {
				continue
			}
			s := c.Summary
			if by, ok := c.SummaryBy[target]; ok {
				s = by
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func source(f *facts.Facts) SourceInfo {
	d := f.Disk
	s := SourceInfo{Device: d.Device, Image: d.Image, SizeBytes: d.Size, CarriedBytes: d.Carried, LogicalSector: d.SectorSize,
		Live: f.Guest.Live, Backend: f.Guest.Backend, Consistency: d.Consistency, Scope: Scope{Mode: "whole-disk", Partitions: []int{}}}
	for _, p := range d.Table.Partitions {
		if !p.Extended {
			s.Scope.Partitions = append(s.Scope.Partitions, p.Number)
		}
	}
	if f.Guest.Found {
		s.Root = &RootInfo{Volume: f.Guest.Root, FSType: f.Guest.RootType, UUID: f.Guest.RootUUID}
	}
	s.Volumes, s.CarriedMap = volumes(&d), d.Picture
	s.Outputs = outputs(d.Outputs)
	if len(d.Others) > 0 {
		for _, x := range append([]facts.Disk{d}, d.Others...) {
			s.Disks = append(s.Disks, DiskInfo{Name: x.Name, Device: x.Device, Image: x.Image, SizeBytes: x.Size, CarriedBytes: x.Carried, LogicalSector: x.SectorSize, Outputs: outputs(x.Outputs)})
		}
	}
	return s
}

func outputs(list []facts.Output) (out []OutputResult) {
	for _, o := range list {
		out = append(out, OutputResult{Format: o.Format, Path: o.Path, Size: o.Size, VirtualSize: o.VirtualSize, Absent: o.Err})
	}
	return out
}

func osInfo(f *facts.Facts) *OSInfo {
	if !f.Guest.Found {
		return nil
	}
	o := &OSInfo{ID: f.OS.ID, Hostname: f.State.Identity.Hostname, VersionID: f.OS.VersionID, Pretty: f.OS.Pretty, Firmware: f.Firmware.Mode, Loader: f.Boot.Loader}
	seen := map[string]bool{}
	for i, e := range f.Boot.Entries {
		isDefault := i == f.Boot.Default
		if seen[e.Kernel.Path] && !isDefault {
			continue
		}
		seen[e.Kernel.Path] = true
		k := KernelInfo{Path: e.Kernel.Path, Default: isDefault}
		if isDefault {
			k.Version = f.Drivers.Kernel
		}
		for _, x := range e.Initrds {
			k.Initrds = append(k.Initrds, x.Path)
		}
		o.Kernels = append(o.Kernels, k)
	}
	return o
}

func privileges() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return "user"
}
