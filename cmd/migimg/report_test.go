package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/fleet"
)

// reported runs the command as the shell would.
func reported(t *testing.T, args ...string) (out string, code int, err error) {
	t.Helper()
	t.Setenv("LC_ALL", "C.UTF-8")
	app := newApp()
	var b bytes.Buffer
	app.Writer = &b
	err = app.RunContext(context.Background(), flagsFirst(app, append([]string{"migimg", "report"}, args...)))
	code, _ = exitCode(err)
	return b.String(), code, err
}

// A report that was made elsewhere is shown as it would have been there.
func TestReport(t *testing.T) {
	ready, blocked := "../../preflight/testdata/ready.json", "../../preflight/testdata/blocked.json"
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"ready", []string{ready}, 0, "Verdict: tencent READY"},
		{"warnings", []string{ready, "--fail-on", "warn"}, 3, "Verdict"},
		{"blocked", []string{blocked}, 2, "VirtioNotInstall"},
		{"in Japanese", []string{blocked, "--lang", "ja"}, 2, "移行不可"},
		{"as a page", []string{blocked, "--format", "html"}, 2, "<!DOCTYPE html>"},
		{"as it was", []string{ready, "--format", "json"}, 0, `"$schema": "urn:migimg:schema:preflight:1"`},
		{"no report", []string{"report_test.go"}, 1, ""},
		{"a folder", []string{"."}, 1, ""},
		{"nothing", nil, 1, ""},
		{"two", []string{ready, blocked}, 1, ""},
		{"for merged ones", []string{ready, "--format", "csv"}, 1, ""},
		{"without --merge", []string{ready, "--output", "x"}, 1, ""},
		{"a wrong word", []string{ready, "--fail-on", "all"}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code, err := reported(t, c.args...)
			if code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("code %d, %v\n%s", code, err, out)
			}
		})
	}
}

// Merged reports are three files and a table, and say by their code what is to be
// done.
func TestReportMerge(t *testing.T) {
	dir := t.TempDir()
	if err := fleet.Write(dir, "../../preflight/testdata", fleet.Options{Hosts: 30}); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "merged", "now")
	for range 2 { // the second time, beside what the first one wrote
		out, code, err := reported(t, "--merge", dir, "--output", to)
		if code != 2 || !strings.Contains(out, "migimg report  30 hosts, 30 files") || strings.Contains(out, "could not be read") {
			t.Fatalf("code %d, %v\n%s", code, err, out)
		}
		left, _ := filepath.Glob(filepath.Join(to, "*"))
		hidden, _ := filepath.Glob(filepath.Join(to, ".*"))
		if len(left) != 3 || len(hidden) != 0 {
			t.Errorf("%v %v", left, hidden)
		}
	}
	var doc struct {
		Hosts []struct{ Name, Verdict string }
	}
	b, err := os.ReadFile(filepath.Join(to, "fleet.json"))
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil || len(doc.Hosts) != 30 {
		t.Fatalf("%v: %d hosts", err, len(doc.Hosts))
	}
	b, err = os.ReadFile(filepath.Join(to, "fleet.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) != 31 {
		t.Fatalf("%v: %d rows", err, len(rows))
	}
	for i, h := range doc.Hosts {
		if rows[i+1][0] != h.Name || rows[i+1][1] != h.Verdict {
			t.Errorf("the CSV has %q for %+v", rows[i+1][:2], h)
		}
	}
	page, err := os.ReadFile(filepath.Join(to, "fleet.html"))
	if err != nil || !strings.Contains(string(page), doc.Hosts[29].Name) || !strings.HasSuffix(string(page), "</html>\n") {
		t.Errorf("the page: %v", err)
	}

	one := filepath.Join(dir, doc.Hosts[0].Name+".json")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"one file", []string{one, "--format", "csv"}, -1, doc.Hosts[0].Name + ","},
		{"a target that nobody was judged for", []string{dir, "--target", "aws", "--format", "json"}, 4, `"unknown":30`},
		{"whatever was found", []string{dir, "--fail-on", "never", "--format", "html"}, 0, "<!DOCTYPE html>"},
		{"a format for one", []string{dir, "--format", "sarif"}, 1, ""},
		{"nothing", nil, 1, ""},
		{"not there", []string{filepath.Join(dir, "absent")}, 1, ""},
		{"an output that is a file", []string{dir, "--output", one}, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code, err := reported(t, append([]string{"--merge"}, c.args...)...)
			if code != c.code && c.code >= 0 || !strings.Contains(out, c.want) {
				t.Errorf("code %d, %v\n%.500s", code, err, out)
			}
		})
	}
}
