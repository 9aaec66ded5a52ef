//go:build integration

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/fleet"
	"migimg/internal/need"
)

// What docs/fleet.md says to do with fleet.json works, and says what the CSV says.
func TestFleetDocs(t *testing.T) {
	need.Tool(t, "jq", "sh")
	doc, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := tempDir(t)
	if err := fleet.Write(dir, "../../preflight/testdata", fleet.Options{Hosts: 40}); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "merged")
	if code, said := exitStatus(t, "report", "--merge", dir, "--output", out); code != 2 {
		t.Fatalf("code %d\n%s", code, said)
	}
	table, err := os.ReadFile(filepath.Join(out, "fleet.csv"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(doc)) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    jq ")
		if !ok {
			continue
		}
		ran++
		said := run(t, "sh", "-c", "cd "+out+" && jq "+line)
		n := strings.Count(said, "\n")
		if n == 0 {
			t.Errorf("jq %s: nothing", line)
		}
		if strings.Contains(line, `.verdict == "blocked"`) && n != strings.Count(string(table), ".com,blocked,") {
			t.Errorf("jq %s: %d hosts, and the CSV has %d", line, n, strings.Count(string(table), ".com,blocked,"))
		}
	}
	if ran < 3 {
		t.Errorf("%d commands found", ran)
	}
}
