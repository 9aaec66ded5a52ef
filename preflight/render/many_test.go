package render

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"migimg/preflight"
	"migimg/preflight/targets"
)

// With more targets than columns, each line still fits, and every target is
// named under its verdict and beside what matters to it.
func TestMany(t *testing.T) {
	r := sample(t, "blocked")
	for _, id := range []string{"alpha", "beta", "gamma", "delta", "epsilon"} {
		r.Targets = append(r.Targets, preflight.TargetInfo{ID: id, Verdict: preflight.Ready})
		for _, c := range r.Checks {
			c.StatusBy[id], c.SeverityBy[id] = "pass", "low"
		}
	}
	r.Targets[2].From, r.Targets[2].AsOf = []string{"own/alpha.json"}, "2026-12"
	for _, width := range []int{80, 100, 200} {
		var b bytes.Buffer
		if err := Table(&b, r, Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		for line := range strings.Lines(got) {
			if n := columns(strings.TrimRight(line, "\n")); n > width && !strings.Contains(line, "--explain") {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
		want := []string{"7 targets", "BLOCK: tencent, kvm", "READY\n", "beta, gamma, delta, epsilon", "as of 2026-12"}
		if width == 200 { // room for a column each
			want = []string{"-> tencent, kvm, alpha", "Verdict: epsilon READY", "alpha READY [as of 2026-12, from own/alpha.json]"}
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(strings.Fields(got), " "), strings.TrimSpace(w)) {
				t.Errorf("width %d: no %q in\n%s", width, w, got)
			}
		}
	}
}

// What could be taken for Markdown is not, and what is not certain is marked.
func TestTargetsText(t *testing.T) {
	old, doubt := targets.Fact{Sure: targets.Old}, targets.Fact{Sure: targets.Doubtful, Note: "hearsay"}
	p := &targets.Target{ID: "x", Title: "A|B <c>", Family: "y", AsOf: "2026", Sources: []targets.Source{{Ref: "r_e_f", Title: "T", Date: "2026"}},
		Formats: targets.Names{Values: []string{"qcow2"}, Fact: old}, MaxVirtual: &targets.Figure{Value: 400 << 30, CertainTo: 400e9},
		Multiple: &targets.Figure{Value: 1 << 20}, Commands: []targets.Command{{Step: "import", Text: "do <it> a_b", Fact: doubt}},
		Errors:       map[string]string{"disk.stack": "NoStack"},
		Restrictions: []targets.Text{{Text: "not <so>", Fact: doubt}}}
	var index, page strings.Builder
	if err := errors.Join(Targets(&index, []*targets.Target{p}), Target(&page, p)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{index.String(), []string{"[`x`](targets/x.md)", `A\|B &lt;c>`, "qcow2 (old)", "disk at most 400 GB; whole multiples of 1 MiB", "not known"}},
		{page.String(), []string{"# x\n", "A|B &lt;c>.", "qcow2 (old)", "`--target y`", "```sh\ndo <it> a_b\n```\n", "Import (hearsay; not confirmed):", "not &lt;so> (?)", `r\_e\_f`, "not known", "- `disk.stack`: NoStack"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.text, want) {
				t.Errorf("no %q in\n%s", want, c.text)
			}
		}
	}
}
