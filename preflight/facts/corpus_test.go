package facts

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/internal/need"
)

// corpus is the path of a file of the test corpora.
func corpus(t *testing.T, name string) string {
	t.Helper()
	dir, file, _ := strings.Cut(name, "/")
	return filepath.Join(need.Corpora(t, dir), file)
}

func load(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(corpus(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// libmount's reading of util-linux's own fstabs, the broken one included.
func TestCorpusFstab(t *testing.T) {
	for file, expected := range map[string]string{"fstab": "tabfiles-parse-fstab", "fstab.broken": "tabfiles-parse-fstab-broken", "fstab.comment": "tabfiles-parse-fstab-full"} {
		in, want := corpus(t, "util-linux/libmount/files/"+file), corpus(t, "util-linux/libmount/expected/"+expected)
		b, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		w, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		tab := ParseFstab(string(b))
		for _, l := range tab.Lines {
			got = append(got, strings.Join([]string{l.Spec, l.Point, l.FSType, strings.Join(l.Options, ","), strconv.Itoa(l.Freq), strconv.Itoa(l.Pass)}, " "))
		}
		var all []string
		for entry := range strings.SplitSeq(string(w), "------ fs:\n") {
			f := map[string]string{"freq": "0", "pass": "0"}
			for line := range strings.Lines(entry) {
				if k, v, ok := strings.Cut(line, ":"); ok {
					f[k] = strings.TrimSpace(v)
				}
			}
			if f["source"] != "" {
				all = append(all, strings.Join([]string{f["source"], f["target"], f["fstype"], f["optstr"], f["freq"], f["pass"]}, " "))
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("%s:\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(all, "\n"))
		}
		if broken := file == "fstab.broken"; broken != (len(tab.Errors) > 0) {
			t.Errorf("%s: errors %+v", file, tab.Errors)
		}
	}
}

// Which lines stop a boot, against systemd-fstab-generator.
func TestCorpusFstabGenerator(t *testing.T) {
	var c struct {
		Cases []struct {
			Name, Kind, Input string
			InInitrd          bool `json:"in_initrd"`
			Expected          struct {
				Links map[string]string
			}
		}
	}
	load(t, "systemd-fstab-generator/cases.json", &c)
	n := 0
	for _, x := range c.Cases {
		if x.Kind != "fstab" || x.InInitrd {
			continue
		}
		for _, l := range ParseFstab(x.Input).Lines {
			unit := strings.ReplaceAll(strings.Trim(l.Point, "/"), "/", "-") + ".mount"
			_, required := x.Expected.Links["local-fs.target.requires/"+unit]
			if required == l.Optional() {
				t.Errorf("%s: %s: optional %v, systemd requires it: %v", x.Name, l.Text, l.Optional(), required)
			}
			n++
		}
	}
	t.Logf("%d lines", n)
}

func TestCorpusOSRelease(t *testing.T) {
	var c struct {
		Cases []struct {
			File   string
			Fields map[string]string
		}
	}
	load(t, "os-release-zoo/expected.json", &c)
	tolerated := 0
	for _, x := range c.Cases {
		b, err := os.ReadFile(corpus(t, "os-release-zoo/"+x.File))
		if err != nil {
			t.Fatal(err)
		}
		// A value with blanks and no quotes is a command to a shell, which then has
		// no such variable; its first word is taken here.
		got := ParseShellVars(string(b))
		for k := range got {
			if _, ok := x.Fields[k]; !ok && strings.Contains(string(b), k+"="+got[k]+" ") {
				delete(got, k)
				tolerated++
			}
		}
		if !maps.Equal(got, x.Fields) {
			t.Errorf("%s:\n%q\nwant\n%q", x.File, got, x.Fields)
		}
	}
	t.Logf("%d files, %d values without quotes", len(c.Cases), tolerated)
}
