package distros

import (
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	tab, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	day := func(what, s string) {
		if _, err := time.Parse(time.DateOnly, s); s != "" && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	day("as_of", tab.AsOf)
	if tab.AsOf == "" || tab.Source.Ref == "" || tab.Source.Date == "" {
		t.Error("no source")
	}
	n := 0
	for _, d := range tab.Distros {
		seen := map[string]bool{}
		for _, r := range d.Releases {
			day(d.ID, r.End)
			day(d.ID, r.Extended)
			if seen[r.Version] || r.Extended != "" && r.Extended < r.End {
				t.Errorf("%s %s: twice, or ends before its end", d.ID, r.Version)
			}
			seen[r.Version] = true
			n++
		}
		if d.Parts < 1 || d.Ref == "" || d.Name == "" || len(d.Releases) == 0 {
			t.Errorf("%s is incomplete", d.ID)
		}
	}
	t.Logf("%d distributions, %d releases", len(tab.Distros), n)
}

func TestFind(t *testing.T) {
	tab, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ id, version, pretty, distro, release string }{
		{"debian", "12", "", "debian", "12"}, {"debian", "6.0.10", "", "debian", "6"}, {"debian", "", "", "debian", ""},
		{"ubuntu", "22.04", "", "ubuntu", "22.04"}, {"ubuntu", "29.04", "", "ubuntu", ""},
		{"rhel", "8.9", "", "rhel", "8"}, {"centos", "7", "CentOS Linux 7 (Core)", "centos", "7"}, {"centos", "9", "CentOS Stream 9", "centos-stream", "9"},
		{"sles", "15.6", "", "sles", "15.6"}, {"sles", "15.99", "", "sles", ""}, {"sles", "15", "", "sles", "15.0"}, {"sled", "12.5", "", "sles", "12.5"},
		{"opensuse", "42.1", "", "opensuse-leap", "42.1"}, {"alpine", "3.18.4", "", "alpine", "3.18"}, {"amzn", "2", "", "amzn", "2"},
		{"slackware", "15.0", "", "", ""},
	} {
		d, r := tab.Find(c.id, c.version, c.pretty)
		distro, release := "", ""
		if d != nil {
			distro = d.ID
		}
		if r != nil {
			release = r.Version
		}
		if distro != c.distro || release != c.release {
			t.Errorf("%s %s: %s %s, want %s %s", c.id, c.version, distro, release, c.distro, c.release)
		}
	}
}
