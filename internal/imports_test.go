// Package internal_test holds the rules of all packages.
package internal_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// directions are which packages must not be reached from which, also through others;
// depguard in .golangci.yml sees direct imports only, and says what they may be. Packages
// with a dot in their first element are other people's.
var directions = []struct{ from, deny, why string }{
	{"./encoders/layout", `^(migimg/(blockmap|fusefs|preflight|verify|internal)|[^/]+\.[^/]+/)`, "a layout is arithmetic: the standard library only"},
	{"./encoders/all", `^(migimg/(fusefs|preflight|verify|internal|blockmap/)|golang.org/x/sys)`, "an encoder plans from a map, it never reads a device"},
	{"./blockmap", `^(migimg/(encoders|fusefs|preflight|verify|internal|blockmap/)|[^/]+\.[^/]+/)`, "the map is the standard library's only"},
	{"./blockmap/all", `^migimg/(encoders|fusefs|preflight|verify|internal)`, "a scanner knows volumes, nothing that is done with the map"},
	{"./blockmap/device/...", `^migimg/(encoders|fusefs|preflight|verify|internal)`, "a device is read, whatever for"},
	{"./fusefs/...", `^migimg/(blockmap|encoders|preflight|verify|internal)`, "the tree serves files, it knows no format"},
	{"./preflight/...", `^migimg/(encoders|fusefs|verify|internal)`, "preflight judges the guest on the disk"},
	{"./verify/...", `^migimg/(encoders|blockmap|fusefs|preflight)`, "a verifier that shares code with the generator confirms its own mistake"},
	{"./cmd/...", `^migimg/(internal|.*test$)`, "what helps tests is not in the program"},
}

func TestDirections(t *testing.T) {
	for _, d := range directions {
		t.Run(strings.Trim(d.from, "./"), func(t *testing.T) {
			list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", d.from)
			list.Dir = ".."
			out, err := list.Output()
			if err != nil {
				t.Fatalf("go list %s: %v", d.from, err)
			}
			deny, reached := regexp.MustCompile(d.deny), 0
			for p := range strings.Lines(string(out)) {
				reached++
				if p = strings.TrimSpace(p); deny.MatchString(p) {
					t.Errorf("%s reaches %s: %s", d.from, p, d.why)
				}
			}
			if reached == 0 {
				t.Errorf("%s is no package: the rule guards nothing", d.from)
			}
		})
	}
}
