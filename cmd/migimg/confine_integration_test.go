//go:build integration

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"migimg/internal/need"
)

// TestConfined: each thread of a mount's daemon has the kept capabilities and no others,
// and none can be had again.
func TestConfined(t *testing.T) {
	need.Root(t)
	path, _ := disks[0].make(t)
	point := mountMigimg(t, path)
	st, err := readStatus(point)
	if err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", st.PID))
	if err != nil || len(threads) < 2 {
		t.Fatalf("%d threads: %v", len(threads), err)
	}
	caps := fmt.Sprintf("%016x", uint64(kept))
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		for field, want := range map[string]string{"CapEff": caps, "CapPrm": caps, "CapInh": fmt.Sprintf("%016x", 0), "NoNewPrivs": "1", "Seccomp": "2"} {
			if !regexp.MustCompile(`(?m)^` + field + `:\s*` + want + `$`).Match(b) {
				t.Errorf("%s: %s is not %s:\n%s", name, field, want, b)
			}
		}
	}
}
