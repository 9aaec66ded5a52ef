package preflight

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// changed is a report as a file, with a change.
func changed(t *testing.T, change func(map[string]any)) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/blocked.json")
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	change(d)
	if b, err = json.Marshal(d); err != nil {
		t.Fatal(err)
	}
	return b
}

func set(path string, v any) func(map[string]any) {
	return func(d map[string]any) {
		keys := strings.Split(path, "/")
		var at any = d
		for _, k := range keys[:len(keys)-1] {
			if k == "0" {
				at = at.([]any)[0]
			} else {
				at = at.(map[string]any)[k]
			}
		}
		at.(map[string]any)[keys[len(keys)-1]] = v
	}
}

// What comes back is what was written; waivers do not make it contradict itself.
func TestRead(t *testing.T) {
	for _, name := range []string{"blocked", "ready"} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		r, err := Read(b)
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := r.WriteJSON(&again); err != nil {
			t.Fatal(err)
		}
		if r2, err := Read(again.Bytes()); err != nil || r2.Summary.Headline != r.Summary.Headline || len(r2.Checks) != len(r.Checks) || r.OS.Hostname != "server" {
			t.Errorf("%s is another report afterwards: %v", name, err)
		}
		r.Waive([]Waiver{{Check: "driver.boot-disk", Target: "*", Until: "2100-01-01"}, {Check: "boot.root-spec", Target: "tencent", Until: "2100-01-01"}}, r.GeneratedAt)
		again.Reset()
		_ = r.WriteJSON(&again)
		if _, err := Read(again.Bytes()); err != nil {
			t.Errorf("%s, waived: %v", name, err)
		}
	}
	if _, err := Read(changed(t, set("schema_version", "1.99"))); err != nil {
		t.Errorf("a newer minor version: %v", err)
	}
	if _, err := Read(changed(t, set("new_field", []int{1}))); err != nil {
		t.Errorf("a new field: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	whole := changed(t, func(map[string]any) {})
	for _, c := range []struct {
		name string
		doc  []byte
		want string
	}{
		{"nothing", nil, "empty"},
		{"blanks", []byte(" \n"), "empty"},
		{"no JSON", []byte("<html>"), "no JSON: byte 0"},
		{"the first half", whole[:len(whole)/2], "cut short: it ends after"},
		{"all but the last byte", whole[:len(whole)-1], "cut short"},
		{"two of them", append(bytes.Clone(whole), whole...), "no JSON"},
		{"another document", []byte(`{"schema_version":"1.1","images":[]}`), "no preflight report: its $schema is \"\""},
		{"a list", []byte(`[1]`), "the document is of another kind"},
		{"too large", make([]byte, MaxReportSize+1), "larger than"},
		{"too many values", []byte(`{"checks":[` + strings.Repeat("null,", maxValues+1) + `null]}`), "values"},
		{"too deep", []byte(strings.Repeat(`{"a":`, 100_000)), "no JSON: "},
		{"another schema", changed(t, set("$schema", "urn:migimg:schema:preflight:2")), "another version: its schema"},
		{"another major version", changed(t, set("schema_version", "2.0")), "another version: \"2.0\""},
		{"a size in words", changed(t, set("source/size_bytes", "large")), "/source/size_bytes is of another kind"},
		{"no time", changed(t, set("generated_at", "0001-01-01T00:00:00Z")), "when"},
		{"no disk", changed(t, set("source/device", "")), "which disk"},
		{"no targets", changed(t, set("targets", []any{})), "no target"},
		{"no checks", changed(t, set("checks", []any{})), "no checks"},
		{"checks that are null", changed(t, set("checks", []any{nil, nil})), "check"},
		{"a target without an id", changed(t, set("targets/0/id", "")), "no name"},
		{"a target twice", changed(t, set("targets/0/id", "kvm")), "twice"},
		{"a verdict nobody knows", changed(t, set("targets/0/verdict", "perfect")), "perfect"},
		{"no verdict", changed(t, set("summary/verdict", "")), "verdict"},
		{"ready although blocked", changed(t, set("targets/0/verdict", "ready")), `it says ready for "tencent", and its checks say blocked`},
		{"a check that is silent", changed(t, set("checks/0/status_by_target", map[string]any{})), "status"},
		{"a status nobody knows", changed(t, set("checks/0/status_by_target", map[string]any{"tencent": "fine", "kvm": "pass"})), "fine"},
		{"a severity nobody knows", changed(t, func(d map[string]any) {
			set("checks/0/status_by_target", map[string]any{"tencent": "fail", "kvm": "fail"})(d)
			set("checks/0/severity_by_target", map[string]any{"tencent": "mild", "kvm": "mild"})(d)
		}), "mild"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Read(c.doc)
			if err == nil || !strings.Contains(err.Error(), c.want) || r != nil {
				t.Errorf("%v, want an error with %q", err, c.want)
			}
		})
	}
}

// No document makes Read panic, and none becomes a report without verdicts.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"blocked", "ready"} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(b)
		if err != nil {
			return
		}
		for _, x := range r.Targets {
			if !x.Verdict.known() {
				t.Errorf("%q", x.Verdict)
			}
		}
	})
}
