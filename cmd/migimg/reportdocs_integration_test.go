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

// What docs/fleet.md says to do with fleet.json finds something in a fleet, and says
// what the CSV says.
func TestFleetDocs(t *testing.T) {
	need.Tool(t, "jq", "sh")
	var commands []string
	for _, p := range readPages(t) {
		for _, b := range p.blocks {
			for _, line := range b.lines {
				if p.name == "docs/fleet.md" && b.runs() && strings.HasPrefix(line, "jq ") {
					commands = append(commands, line)
				}
			}
		}
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
	for _, line := range commands {
		said := run(t, "sh", "-c", "cd "+out+" && "+line)
		n := strings.Count(said, "\n")
		if n == 0 {
			t.Errorf("%s: nothing", line)
		}
		if strings.Contains(line, `.verdict == "blocked"`) && n != strings.Count(string(table), ".com,blocked,") {
			t.Errorf("%s: %d hosts, and the CSV has %d", line, n, strings.Count(string(table), ".com,blocked,"))
		}
	}
	if len(commands) < 3 {
		t.Errorf("%d commands found", len(commands))
	}
}
