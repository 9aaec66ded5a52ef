package merge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"migimg/preflight"
	"migimg/preflight/checks"
)

func finding(id string, status checks.Status, fix ...checks.Remediation) change {
	return func(r *preflight.Report) {
		for i := range r.Checks {
			c := &r.Checks[i]
			for t := range c.StatusBy {
				if c.ID != id {
					c.StatusBy[t] = "pass"
				} else {
					c.StatusBy[t], c.SeverityBy[t] = string(status), "blocker"
				}
			}
			if c.ID == id {
				c.Status, c.Remedies, c.Summary, c.SummaryBy = status, fix, "found", nil
			}
		}
		for i := range r.Targets {
			r.Targets[i].Verdict = map[checks.Status]preflight.Verdict{"fail": preflight.Blocked, "unknown": preflight.Unknown}[status]
		}
	}
}

func command(argv ...string) checks.Remediation {
	return checks.Remediation{Type: "command", Argv: [][]string{argv}}
}

// Hosts that need the same are of one cause, and what differs by host alone does
// not part them.
func TestCauses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(dir string)
		want string
	}{
		{"versions and devices", func(d string) {
			put(t, d, "a.json", "ready", finding("driver.boot-disk", "fail", command("update-initramfs", "-u", "-k", "6.1.0-13-amd64")))
			put(t, d, "b.json", "ready", finding("driver.boot-disk", "fail", command("update-initramfs", "-u", "-k", "5.10.0-8-amd64")))
			put(t, d, "c.json", "ready", finding("driver.boot-disk", "fail", command("dracut", "-f")))
		}, "driver.boot-disk 2 alone 2 same false|driver.boot-disk 1 alone 1 same true"},
		{"undecided is another cause", func(d string) {
			put(t, d, "a.json", "ready", finding("boot.firmware", "fail"))
			put(t, d, "b.json", "ready", finding("boot.firmware", "unknown"))
			put(t, d, "c.json", "ready", finding("boot.firmware", "unknown"))
		}, "boot.firmware 1 alone 1 same true|boot.firmware undecided 2 same true"},
		{"too many to be told apart", func(d string) {
			for i := range manyFixes + 1 {
				put(t, d, fmt.Sprintf("h%d.json", i), "ready", finding("access.accounts", "fail", command("passwd", strings.Repeat("x", i+1))))
			}
		}, fmt.Sprintf("access.accounts %d alone %[1]d same false", manyFixes+1)},
		{"a replaced report has none", func(d string) {
			put(t, d, "x/a.json", "ready", finding("boot.firmware", "fail"))
			put(t, d, "y/a.json", "ready", finding("boot.cmdline", "fail"), later(time.Hour))
		}, "boot.cmdline 1 alone 1 same true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(dir)
			f := merged(t, Options{}, dir)
			var got []string
			for _, x := range f.Causes {
				s := x.Check
				if x.All.Blocked > 0 {
					s += fmt.Sprintf(" %d alone %d", x.All.Blocked, x.All.Alone)
				}
				if x.All.Undecided > 0 {
					s += fmt.Sprintf(" undecided %d", x.All.Undecided)
				}
				got = append(got, s+fmt.Sprintf(" same %v", x.Same))
				for i := range f.Targets {
					if x.By[i] != x.All {
						t.Errorf("%s: %+v, %+v", x.Check, x.By[i], x.All)
					}
				}
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("%s\nwant %s", s, c.want)
			}
		})
	}
	// By hand: two causes keep a host, and each its own.
	dir := t.TempDir()
	put(t, dir, "a.json", "blocked")
	f := merged(t, Options{Targets: []string{"tencent", "kvm"}}, dir)
	for _, x := range f.Causes[:2] {
		if x.By[0].Blocked != 1 || x.By[0].Alone != 0 {
			t.Errorf("%s: %+v", x.Check, x.By[0])
		}
		if x.Check == "driver.boot-disk" && x.By[1].Alone != 1 || x.Check == "boot.root-spec" && x.By[1] != (Tally{Warned: 1}) {
			t.Errorf("kvm, %s: %+v", x.Check, x.By[1])
		}
	}
}
