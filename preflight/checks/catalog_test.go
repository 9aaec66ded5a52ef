package checks

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

func TestCatalog(t *testing.T) {
	id, code := regexp.MustCompile(`^[a-z]+\.[a-z0-9-]+$`), regexp.MustCompile(`^MIG\d{4}$`)
	ids, codes := map[string]bool{}, map[string]bool{}
	for _, c := range All() {
		if !id.MatchString(c.ID) || !code.MatchString(c.Code) || ids[c.ID] || codes[c.Code] {
			t.Errorf("%s %s: malformed, or used twice", c.ID, c.Code)
		}
		ids[c.ID], codes[c.Code] = true, true
		if c.Title == "" || c.Category == "" || c.Impact == "" || c.Severity.Rank() < 0 || c.Run == nil {
			t.Errorf("%s is incomplete", c.ID)
		}
		if !strings.HasSuffix(c.Impact, ".") || strings.HasSuffix(c.Title, ".") {
			t.Errorf("%s: the impact is a sentence, the title is none", c.ID)
		}
	}
}

// A check whose facts are missing never passes: it is unknown, or skipped where
// they do not apply.
// diskOnly are checks of other families that judge a data disk, too.
var diskOnly = []string{"fs.clean", "fs.live-consistency", "fs.space", "fs.ambiguous-ids", "os.case"}

func TestMissingFacts(t *testing.T) {
	ts, err := targets.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range All() {
		for _, k := range c.Needs {
			for _, na := range []bool{false, true} {
				f := &facts.Facts{}
				f.SetAbsent(k, facts.Absence{NotApplicable: na, Reason: "because"})
				want := map[bool]Status{false: Unknown, true: Skip}[na]
				if r := c.Judge(f, ts[0]); r.Status != want || r.Summary != "because" {
					t.Errorf("%s without %s (not applicable: %v): %s %q", c.ID, k, na, r.Status, r.Summary)
				}
			}
		}
		if guest := !strings.HasPrefix(c.ID, "disk.") && !strings.HasPrefix(c.ID, "meta.") && !slices.Contains(diskOnly, c.ID); guest && !slices.Contains(c.Needs, facts.KeyGuest) {
			t.Errorf("%s does not say that it needs a guest", c.ID)
		}
	}
}

func TestWorst(t *testing.T) {
	a, b := warn(Low, "a").with(value("a", "", "")), warn(Medium, "b").with(value("b", "", ""))
	for _, r := range []Result{worst(a, b), worst(b, a)} {
		if r.Summary != "b" || len(r.Evidence) != 2 {
			t.Errorf("%+v", r)
		}
	}
	if r := worst(unknown("u"), warn(High, "w")); r.Status != Unknown {
		t.Errorf("%+v", r)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 500 << 30: "500 GiB", 2 << 40: "2 TiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
