package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/golden"
	"migimg/preflight/targets"
)

const targetsDoc = "../../docs/targets.md"

// The generated part of the page lies between these two lines.
const (
	generatedBegin = "<!-- generated: migimg generate targets -->\n"
	generatedEnd   = "<!-- end of what is generated -->\n"
)

// docs/targets.md and docs/targets hold what the data says, and no page of a target
// that is no more.
func TestTargetsPages(t *testing.T) {
	page, err := os.ReadFile(targetsDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), generatedBegin)
	_, after, ok2 := strings.Cut(rest, generatedEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has not the lines %q and %q", targetsDoc, generatedBegin, generatedEnd)
	}
	golden.Check(t, targetsDoc, before+generatedBegin+generated(t, "targets")+generatedEnd+after)
	ts, err := targets.All()
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSuffix(targetsDoc, ".md")
	pages := map[string]bool{}
	for _, x := range ts {
		name := filepath.Join(dir, x.ID+".md")
		pages[name] = true
		golden.Check(t, name, generated(t, x.ID))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !pages[f] {
			t.Errorf("%s is no target's page: remove it", f)
		}
	}
}

func generated(t *testing.T, what string) string {
	t.Helper()
	var out bytes.Buffer
	app := newApp()
	app.Writer = &out
	if err := app.RunContext(context.Background(), []string{"migimg", "generate", what}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A wrong file or name ends the command before a device is opened.
func TestTargetDir(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) error {
		app := newApp()
		app.Writer = &bytes.Buffer{}
		return app.RunContext(context.Background(), append([]string{"migimg"}, args...))
	}
	image := filepath.Join(dir, "none.img")
	for _, c := range []struct{ name, file, target, want string }{
		{"no file", "", "kvm", "has no file NAME.json"},
		{"unknown field", `{"id":"kvm","max":1}`, "kvm", "kvm.json: max: there is no such field"},
		{"unknown check", `{"id":"kvm","severity":{"disk.nothing":{"severity":"low","why":"y"}}}`, "kvm", "severity.disk.nothing: there is no such check"},
		{"unknown target", `{"id":"kvm","title":"mine"}`, "mars", "--target: unknown target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := t.TempDir()
			if c.file != "" {
				if err := os.WriteFile(filepath.Join(files, "kvm.json"), []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range [][]string{{"preflight", "--target-dir", files, "--target", c.target, image}, {"mount", "-f", "--target-dir", files, "--target", c.target, image, dir}} {
				if err := run(args...); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v: %v, want %q", args, err, c.want)
				}
			}
		})
	}
}
