package preflight

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json" // encoding/json/v2
	"github.com/go-json-experiment/json/jsontext"

	"migimg/preflight/checks"
)

// MaxReportSize is the largest document that Read takes, in bytes. A report on
// every target is about 300 KiB.
const MaxReportSize = 8 << 20

// maxValues bounds the values of a document, and so the memory that is made of
// it: a value of two bytes in it can become some hundred in memory.
const maxValues = 200_000

// Read is the report in a document that WriteJSON has written, on this machine or
// another one. What is no report, is one of another schema, was cut short, or
// contradicts itself is an error that says so: a report that Read returns has a
// verdict for each of its targets, which is no better than what its checks say.
func Read(doc []byte) (*Report, error) {
	if len(doc) > MaxReportSize {
		return nil, fmt.Errorf("larger than %d bytes, which no preflight report is", MaxReportSize)
	}
	if len(bytes.TrimSpace(doc)) == 0 {
		return nil, errors.New("empty")
	}
	if bytes.Count(doc, []byte{','}) > maxValues {
		return nil, fmt.Errorf("has more than %d values, which no preflight report has", maxValues)
	}
	r := &Report{}
	err := decode(doc, r)
	if r.Schema == "" && err != nil { // it may come later
		r.Schema = SchemaOf(doc)
	}
	major, _, _ := strings.Cut(r.SchemaVersion, ".")
	switch {
	case r.Schema == "" && err != nil:
		return nil, err
	case r.Schema != SchemaID && strings.HasPrefix(r.Schema, strings.TrimSuffix(SchemaID, "1")):
		return nil, fmt.Errorf("a preflight report of another version: its schema is %.80q, and this program reads %s", r.Schema, SchemaID)
	case r.Schema != SchemaID:
		return nil, fmt.Errorf("no preflight report: its $schema is %.80q, not %s", r.Schema, SchemaID)
	case major != "1" && err == nil:
		return nil, fmt.Errorf("a preflight report of another version: %.20q, and this program reads 1.x", r.SchemaVersion)
	case err != nil:
		return nil, err
	}
	if err := r.sound(); err != nil {
		return nil, fmt.Errorf("no sound preflight report: %w", err)
	}
	return r, nil
}

// SchemaOf is the $schema that a JSON document names; empty where it names none, or
// is not whole.
func SchemaOf(doc []byte) string {
	var head struct {
		Schema string `json:"$schema"`
	}
	if json.Unmarshal(doc, &head) != nil {
		return ""
	}
	return head.Schema
}

// decode is json.Unmarshal, with errors for people that got a file.
func decode(doc []byte, v any) error {
	err := json.Unmarshal(doc, v)
	var syntax *jsontext.SyntacticError
	var kind *json.SemanticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("cut short: it ends after %d bytes, in the middle of the JSON", len(doc))
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON: byte %d: %w", syntax.ByteOffset, syntax.Err)
	case errors.As(err, &kind):
		return fmt.Errorf("no preflight report: byte %d: %.200s is of another kind there", kind.ByteOffset, or(string(kind.JSONPointer), "the document"))
	}
	return err
}

// sound is what else has to hold: the schema says it of a document, but not that
// verdicts follow from the checks.
func (r *Report) sound() error {
	switch {
	case r.Tool.Name == "" || r.Source.Device == "":
		return errors.New("it does not say which program made it, or of which disk")
	case r.GeneratedAt.IsZero():
		return errors.New("it does not say when it was made")
	case len(r.Targets) == 0:
		return errors.New("it is for no target")
	case len(r.Checks) == 0:
		return errors.New("it has no checks")
	}
	worst := map[string]Verdict{}
	for _, t := range r.Targets {
		if _, twice := worst[t.ID]; twice || t.ID == "" {
			return fmt.Errorf("it names the target %.40q twice, or one has no name", t.ID)
		}
		worst[t.ID] = Ready
	}
	seen := map[string]bool{}
	for i := range r.Checks {
		c := &r.Checks[i]
		if seen[c.ID] || c.ID == "" {
			return fmt.Errorf("it has the check %.40q twice, or one has no id", c.ID)
		}
		seen[c.ID] = true
		for id := range worst {
			v, err := c.For(id)
			if err != nil {
				return err
			}
			if v.rank() > worst[id].rank() {
				worst[id] = v
			}
		}
	}
	for _, t := range r.Targets {
		if !t.Verdict.known() {
			return fmt.Errorf("its verdict for %.40q is %.40q, which this program does not know", t.ID, t.Verdict)
		}
		if worst[t.ID].rank() > t.Verdict.rank() {
			return fmt.Errorf("it says %s for %.40q, and its checks say %s", t.Verdict, t.ID, worst[t.ID])
		}
	}
	if !r.Summary.Verdict.known() {
		return fmt.Errorf("its verdict is %.40q, which this program does not know", r.Summary.Verdict)
	}
	return nil
}

func (v Verdict) known() bool {
	return v == Ready || v == Warnings || v == Blocked || v == Unknown
}

// Worse says that v lets less through than o does.
func (v Verdict) Worse(o Verdict) bool { return v.rank() > o.rank() }

// For is what the check alone makes of the disk for a target: Ready where it
// passed, does not apply, matters little or is waived. A check that says nothing
// of the target, or in words that are not known, is an error.
func (c *CheckResult) For(target string) (Verdict, error) {
	status, severity := checks.Status(c.StatusBy[target]), checks.Severity(c.SeverityBy[target])
	switch status {
	case checks.Pass, checks.Skip:
		return Ready, nil
	case checks.Fail, checks.Warn, checks.Unknown:
	default:
		return Unknown, fmt.Errorf("the check %.40q has the status %.40q for %.40q", c.ID, status, target)
	}
	if severity.Rank() < 0 {
		return Unknown, fmt.Errorf("the check %.40q has the severity %.40q for %.40q", c.ID, severity, target)
	}
	if _, waived := c.Waived[target]; waived {
		return Ready, nil
	}
	return verdictOf(checks.Result{Status: status, Severity: severity}), nil
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
