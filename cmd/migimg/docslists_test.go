package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	formats "migimg/encoders/all"
	"migimg/preflight/checks"
)

// The pages list all checks, and say how many there are.
func TestDocsChecks(t *testing.T) {
	var rows []string
	for _, line := range pageLines(t, "docs/preflight.md") {
		if strings.HasPrefix(line, "| `") && strings.Contains(line, "| MIG") {
			rows = append(rows, line)
		}
	}
	for i, c := range checks.All() {
		row := fmt.Sprintf("| `%s` | %s | %s |", c.ID, c.Code, c.Title)
		at := slices.IndexFunc(rows, func(l string) bool { return strings.HasPrefix(l, row) })
		switch {
		case at < 0:
			t.Errorf("docs/preflight.md lacks the row %s %s |", row, c.Severity)
		case at != i && len(rows) == len(checks.All()):
			t.Errorf("docs/preflight.md: %s is row %d, in the catalogue it is %d", c.ID, at+1, i+1)
		case !strings.Contains(rows[at][len(row):], string(c.Severity)):
			t.Errorf("docs/preflight.md: %s is %s by itself: %s", c.ID, c.Severity, rows[at])
		}
	}
	if n := len(checks.All()); len(rows) != n {
		t.Errorf("docs/preflight.md has %d rows of checks, there are %d", len(rows), n)
	}
	if want := fmt.Sprintf("| checks | %d:", len(checks.All())); !slices.ContainsFunc(pageLines(t, "README.md"), func(l string) bool { return strings.HasPrefix(l, want) }) {
		t.Errorf("README.md says another number of checks than %d", len(checks.All()))
	}
}

// docs/formats.md names all formats.
func TestDocsFormats(t *testing.T) {
	text := strings.Join(pageLines(t, "docs/formats.md"), "\n")
	for i, e := range formats.Formats() {
		name := "`" + e.Name() + "`"
		if i < len(formats.Encoders()) {
			name = "`disk." + e.Name() + "`"
		}
		if !strings.Contains(text, name) {
			t.Errorf("docs/formats.md has no row for %s", name)
		}
	}
}

var inSource = regexp.MustCompile("`([a-z0-9_/]+\\.go)`, `([A-Za-z0-9]+)`")

// What CONTRIBUTING.md names in files of the source is declared there.
func TestDocsSource(t *testing.T) {
	text := strings.Join(pageLines(t, "CONTRIBUTING.md"), "\n")
	found := inSource.FindAllStringSubmatch(text, -1)
	if len(found) < 20 {
		t.Errorf("only %d names were found", len(found))
	}
	for _, m := range found {
		b, err := os.ReadFile(filepath.Join(docsTop, m[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		if !regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|var |type )` + m[2] + `\b`).Match(b) {
			t.Errorf("CONTRIBUTING.md: there is no %s in %s", m[2], m[1])
		}
	}
}

func pageLines(t *testing.T, name string) []string {
	t.Helper()
	for _, p := range readPages(t) {
		if p.name == name {
			return p.lines
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}
