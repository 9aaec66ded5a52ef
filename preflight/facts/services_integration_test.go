//go:build integration

package facts

import (
	"os/exec"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/preflight/guestfs"
)

// Every unit of this machine, against what systemctl says of the same files.
func TestServicesSystemctl(t *testing.T) {
	need.Tool(t, "systemctl")
	out, err := exec.Command("systemctl", "--root=/", "list-unit-files", "--no-legend", "--no-pager").Output()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := guestfs.Live("/")
	if err != nil {
		t.Fatal(err)
	}
	g := &gatherer{f: &Facts{}, fs: guestfs.Compose(tree), src: &Source{}}
	defer func() { _ = g.fs.Close() }()
	g.services()
	s := &g.f.Services
	n, agree := map[string]int{}, 0
	for line := range strings.Lines(string(out)) {
		w := strings.Fields(line)
		if len(w) < 2 {
			continue
		}
		got := s.systemd(w[0])
		var ok bool
		switch w[1] {
		case "enabled":
			ok = got.State == UnitEnabled
		case "disabled":
			ok = got.State == UnitDisabled
		case "masked":
			ok = got.State == UnitMasked
		case "static": // the distribution's own links make some of them start
			ok = got.State != UnitAbsent && got.State != UnitMasked && !(got.On == AnswerNo && got.State == UnitDisabled)
		case "alias":
			ok = got.State != UnitAbsent && s.units[w[0]] != nil && s.units[w[0]].alias != ""
		case "indirect":
			ok = got.State != UnitAbsent && got.State != UnitMasked
		default:
			continue
		}
		n[w[1]]++
		if !ok {
			t.Errorf("%s is %s; got %+v", w[0], w[1], got)
			continue
		}
		agree++
	}
	t.Logf("%d units agree; %v", agree, n)
	if agree < 20 {
		t.Errorf("%d units are too few", agree)
	}
}
