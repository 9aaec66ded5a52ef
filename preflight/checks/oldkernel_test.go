package checks

import (
	"testing"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

func TestOldKernel(t *testing.T) {
	for _, c := range []struct {
		have, want string
		status     Status
	}{
		{"2.6.32-754.el6.x86_64", "2.6.37", Warn}, {"2.6.37", "2.6.37", Pass}, {"2.6.37.1-1.2-desktop", "2.6.37", Pass}, {"3.2.0-4-amd64", "2.6.37", Pass},
		{"3.3.8", "3.4", Warn}, {"3.4", "3.4", Pass}, {"3.10.0-1160.el7", "3.4", Pass}, {"6.1.0-21-amd64", "3.4", Pass},
		{"custom", "3.4", Pass}, {"", "3.4", Pass}, {"99999999999999999999.1", "3.4", Pass}, {"3", "3.4", Pass},
	} {
		f := &facts.Facts{Drivers: facts.Drivers{Kernel: c.have}}
		if r := oldKernel(f, &targets.Target{MinKernel: &targets.Word{Value: c.want}}); r.Status != c.status {
			t.Errorf("%s, at least %s: %s", c.have, c.want, r.Status)
		}
	}
}
