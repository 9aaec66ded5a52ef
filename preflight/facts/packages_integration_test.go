//go:build integration

package facts

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/preflight/guestfs"
)

// A database of RPM as it is made, with nothing in it.
func TestEmptyRPM(t *testing.T) {
	need.Tool(t, "rpm")
	dir := t.TempDir()
	if out, err := exec.Command("rpm", "--dbpath", filepath.Join(dir, "usr/lib/sysimage/rpm"), "--initdb").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	root, err := guestfs.Live(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := guestfs.Compose(root)
	defer tree.Close()
	g := &gatherer{f: &Facts{}, fs: tree}
	if err := g.packages(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := g.f.Packages.Databases; len(d) != 1 || d[0] != (PackageDB{Manager: "rpm", Format: "sqlite", Path: "/usr/lib/sysimage/rpm/rpmdb.sqlite"}) {
		t.Errorf("%+v", d)
	}
}

// This machine's own database, against dpkg-query.
func TestDpkgQuery(t *testing.T) {
	need.Tool(t, "dpkg-query")
	out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Package} ${Version} ${Architecture}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		status, p, _ := strings.Cut(strings.TrimSpace(line), "|")
		if len(status) > 1 && status[1] != 'c' && status[1] != 'n' {
			want = append(want, p)
		}
	}
	root, err := guestfs.Live("/")
	if err != nil {
		t.Fatal(err)
	}
	tree := guestfs.Compose(root)
	defer tree.Close()
	g := &gatherer{f: &Facts{}, fs: tree}
	if err := g.packages(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range g.f.Packages.List {
		if p.Manager == "dpkg" {
			got = append(got, p.Name+" "+p.Version+" "+p.Arch)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 50 || !slices.Equal(got, want) {
		t.Errorf("%d packages, dpkg-query has %d", len(got), len(want))
	}
	t.Logf("%d packages agree with dpkg-query", len(got))
}
