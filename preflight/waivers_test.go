package preflight

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func TestParseWaivers(t *testing.T) {
	const rest = ", reason: r, who: w, until: 2026-12-31"
	one := func(s string) string { return "waivers:\n- {" + s + "}\n" }
	for _, c := range []struct{ name, text, err string }{
		{"YAML", "waivers:\n- check: boot.root-spec\n  target: \"*\"\n  reason: r\n  who: w\n  until: 2026-12-31\n", ""},
		{"JSON", `{"waivers": [{"check": "boot.root-spec", "target": "kvm", "reason": "r", "who": "w", "until": "2026-12-31", "severity": "high", "undecided": true}]}`, ""},
		{"empty", "", ""},
		{"no such check", one("check: boot.rootspec, target: kvm" + rest), "there is no such check"},
		{"no check", one("target: kvm" + rest), "check is missing"},
		{"no target", one("check: boot.root-spec" + rest), "target is missing"},
		{"no such target", one("check: boot.root-spec, target: moon" + rest), "moon"},
		{"no reason", one("check: boot.root-spec, target: kvm, who: w, until: 2026-12-31"), "reason is missing"},
		{"nobody", one("check: boot.root-spec, target: kvm, reason: r, until: 2026-12-31"), "who is missing"},
		{"for ever", one("check: boot.root-spec, target: kvm, reason: r, who: w, until: never"), "is not a day"},
		{"no end", one("check: boot.root-spec, target: kvm, reason: r, who: w"), "is not a day"},
		{"a day that is none", one("check: boot.root-spec, target: kvm, reason: r, who: w, until: 2026-02-30"), "is not a day"},
		{"a severity that is none", one("check: boot.root-spec, target: kvm, severity: bad" + rest), "severity"},
		{"a word too many", one("check: boot.root-spec, target: kvm, reasons: x" + rest), "reasons"},
		{"a list alone", "- check: boot.root-spec\n", "sequence"},
		{"not YAML", "waivers: [", ""},
		{"an alias", "a: &x [1]\nwaivers: *x\n", "alias"},
		{"two mistakes", "waivers:\n- {check: x.y, target: kvm" + rest + "}\n- {check: z.z, target: kvm" + rest + "}\n", "waiver 2 (z.z)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws, err := parseWaivers([]byte(c.text))
			switch {
			case c.name == "not YAML":
				if err == nil {
					t.Errorf("taken: %+v", ws)
				}
			case c.err == "" && err != nil:
				t.Error(err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("%v, want %q in it", err, c.err)
			}
		})
	}
	if _, err := parseWaivers([]byte("waivers:\n" + strings.Repeat("- {check: boot.root-spec, target: kvm"+rest+"}\n", 1001))); err == nil {
		t.Error("1001 waivers are taken")
	}
}

func FuzzParseWaivers(f *testing.F) {
	f.Add([]byte("waivers:\n- check: boot.root-spec\n  target: \"*\"\n  reason: r\n  who: w\n  until: 2026-12-31\n"))
	f.Add([]byte(`{"waivers": [{"check": "boot.root-spec"}]}`))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ws, err := parseWaivers(b)
		if err != nil {
			return
		}
		for _, w := range ws {
			if w.Check == "" || w.Who == "" || w.Reason == "" || w.Until == "" {
				t.Errorf("%+v", w)
			}
		}
	})
}

// A FIFO would hold the program up for ever.
func TestLoadWaivers(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "w.yaml")
	if err := os.WriteFile(good, []byte("waivers:\n- {check: fs.clean, target: kvm, reason: r, who: w, until: 2026-12-31}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ws, err := LoadWaivers(good); err != nil || len(ws) != 1 {
		t.Error(ws, err)
	}
	if _, err := LoadWaivers(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there is taken")
	}
	own := filepath.Join(dir, "own.yaml")
	if err := os.WriteFile(own, []byte("waivers:\n- {check: fs.clean, target: ours, reason: r, who: w, until: 2026-12-31}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadWaivers(own); err == nil {
		t.Error("an unknown target is taken")
	}
	if _, err := LoadWaivers(own, "ours"); err != nil {
		t.Error(err)
	}
	if _, err := LoadWaivers(dir); err == nil {
		t.Error("a folder is taken")
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadWaivers(fifo); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Error(err)
	}
}

// What is waived keeps its status and does not count; what is not covered does.
func TestWaive(t *testing.T) {
	grub := strings.ReplaceAll(string(anyCard()["boot/grub/grub.cfg"].Data), "root=UUID="+rootUUID, "root=/dev/sda1")
	bad := with(anyCard(), map[string]*fstest.MapFile{"boot/grub/grub.cfg": text(grub)}) // root-spec: a blocker for tencent, medium for kvm
	w := func(check, target, until string) Waiver {
		return Waiver{Check: check, Target: target, Reason: "r", Who: "w", Until: until}
	}
	limited := w("boot.root-spec", "*", "2026-12-31")
	limited.Severity = "medium"
	for _, c := range []struct {
		name         string
		ws           []Waiver
		tencent, kvm Verdict
		states       string
		exit         int
	}{
		{"none", nil, Blocked, Warnings, "", 2},
		{"for all", []Waiver{w("boot.root-spec", "*", "2026-12-31")}, Ready, Ready, "active", 0},
		{"on its last day", []Waiver{w("boot.root-spec", "*", "2026-12-01")}, Ready, Ready, "active", 0},
		{"expired", []Waiver{w("boot.root-spec", "*", "2026-11-30")}, Blocked, Warnings, "expired", 2},
		{"expired, and a new one", []Waiver{w("boot.root-spec", "*", "2026-11-30"), w("boot.root-spec", "*", "2027-11-30")}, Ready, Ready, "expired active", 0},
		{"for one", []Waiver{w("boot.root-spec", "tencent", "2026-12-31")}, Ready, Warnings, "active", 0},
		{"for the other", []Waiver{w("boot.root-spec", "kvm", "2026-12-31")}, Blocked, Ready, "active", 2},
		{"up to medium", []Waiver{limited}, Blocked, Ready, "active", 2},
		{"for nothing", []Waiver{w("fs.clean", "*", "2026-12-31")}, Blocked, Warnings, "unused", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := judge(t, disk(), bad, "tencent", "kvm")
			r.Waive(c.ws, noon)
			if r.Targets[0].Verdict != c.tencent || r.Targets[1].Verdict != c.kvm {
				t.Errorf("%s, %s", r.Targets[0].Verdict, r.Targets[1].Verdict)
			}
			var states []string
			for _, x := range r.Waivers {
				states = append(states, x.State)
			}
			if got := strings.Join(states, " "); got != c.states {
				t.Errorf("states %q, want %q", got, c.states)
			}
			if got := ExitCode(r, ""); got != c.exit {
				t.Errorf("exit code %d, want %d", got, c.exit)
			}
			if s := find(t, r, "boot.root-spec", "tencent"); s != "fail/blocker" {
				t.Errorf("the status became %s", s)
			}
			if c.name == "for all" {
				if r.Summary.Counts[WaivedCount] != 1 || r.Summary.Counts["fail"] != 0 || !slices.Contains(r.Targets[0].Waived, "boot.root-spec") || ExitCode(r, "medium") != 0 || ExitCode(r, "warn") != 0 {
					t.Errorf("%+v", r.Summary)
				}
				if !strings.Contains(r.Summary.Headline, "waived") {
					t.Error(r.Summary.Headline)
				}
			}
		})
	}
}

// What could not be found out is waived only where its owner says so.
func TestWaiveUnknown(t *testing.T) {
	s := disk()
	s.Table.Broken = "overlap"
	for _, undecided := range []bool{false, true} {
		r := judge(t, s, anyCard(), "kvm")
		for _, id := range slices.Clone(r.Targets[0].Unknown) {
			if id != "disk.partition-table" {
				t.Logf("also unknown: %s", id)
			}
		}
		r.Waive([]Waiver{{Check: "disk.partition-table", Target: "kvm", Reason: "r", Who: "w", Until: "2026-12-31", Undecided: undecided}}, noon)
		if waived := slices.Contains(r.Targets[0].Waived, "disk.partition-table"); waived != undecided {
			t.Errorf("undecided %v: waived %v", undecided, waived)
		}
	}
}
