package checks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"migimg/internal/need"
	"migimg/preflight/facts"
	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/targets"
)

// expected are the arguments in u-root's command lines that are rightly found
// fault with: this test's disk has no LVM and no swap; entries for recovery start
// into a shell; live media look for their medium; safe modes switch ACPI off.
var expected = map[string]bool{"fail resume": true, "fail rd.lvm.lv": true, "fail boot": true, "fail single": true, "fail rescue": true,
	"warn noapic": true, "warn noacpi": true}

// No other argument of 295 command lines, of installed systems and of media, is
// found fault with.
func TestCorpusCmdlines(t *testing.T) {
	root := need.Corpora(t, "u-root")
	ts, err := targets.Load("kvm")
	if err != nil {
		t.Fatal(err)
	}
	f := &facts.Facts{}
	seen, flagged := 0, map[string]int{}
	for _, kind := range []string{"grub", "bls", "syslinux", "iso"} {
		files, err := filepath.Glob(filepath.Join(root, kind, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var entries []struct{ Name, Cmdline string }
			if err := json.Unmarshal(b, &entries); err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				seen++
				for _, a := range bootcfg.Args(e.Cmdline) {
					r := argument(f, ts[0], a)
					if r.Status == Pass {
						continue
					}
					key := string(r.Status) + " " + a.Key
					flagged[key]++
					if !expected[key] {
						t.Errorf("%s: %q: %s", filepath.Base(name), e.Name, r.Summary)
					}
				}
			}
		}
	}
	t.Logf("%d command lines, of which %v", seen, flagged)
}
