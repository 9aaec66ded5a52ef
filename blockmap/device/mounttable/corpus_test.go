package mounttable

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// libmount's reading of util-linux's own mount tables.
func TestCorpus(t *testing.T) {
	dir := filepath.Join(need.Corpora(t, "util-linux"), "libmount")
	for file, expected := range map[string]string{"mountinfo": "tabfiles-parse-mountinfo", "mountinfo_nosrc": "tabfiles-parse-mountinfo-nosrc"} {
		rows, err := Read(filepath.Join(dir, "files", file))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, fmt.Sprintf("%d %d:%d %q on %q, %s, %s", r.ID, unix.Major(r.Dev), unix.Minor(r.Dev), r.Source, r.Point, r.FSType, r.Super))
		}
		b, err := os.ReadFile(filepath.Join(dir, "expected", expected))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, mount := range strings.Split(string(b), "------ fs:\n")[1:] {
			f := map[string]string{}
			for line := range strings.Lines(mount) {
				k, v, _ := strings.Cut(line, ":")
				f[k] = strings.TrimSpace(v)
			}
			want = append(want, fmt.Sprintf("%s %s %q on %q, %s, %s", f["id"], f["devno"], f["source"], f["target"], f["fstype"], f["FS-opstr"]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		t.Logf("%s: %d rows", file, len(got))
	}
}

// Which mount a path lies on, against cloud-init.
func TestCorpusPaths(t *testing.T) {
	var c struct {
		Cases []struct{ File, Path, Device, FSType, Mountpoint string }
	}
	dir := need.Corpora(t, "cloud-init-mounts")
	b, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, x := range c.Cases {
		if !strings.HasPrefix(x.File, "mountinfo") {
			continue
		}
		rows, err := Read(filepath.Join(dir, x.File))
		if err != nil {
			t.Fatal(err)
		}
		var best Row
		for _, m := range rows {
			if (m.Point == "/" || x.Path == m.Point || strings.HasPrefix(x.Path, m.Point+"/")) && len(m.Point) >= len(best.Point) {
				best = m
			}
		}
		if best.Source != x.Device || best.FSType != x.FSType || best.Point != x.Mountpoint {
			t.Errorf("%s %s: %+v, want %+v", x.File, x.Path, best, x)
		}
		n++
	}
	t.Logf("%d paths", n)
}
