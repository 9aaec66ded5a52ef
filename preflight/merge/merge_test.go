package merge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/fleet"
	"migimg/preflight"
)

// change is what a test makes of a sample.
type change func(*preflight.Report)

// put writes a sample, changed, to a file below dir.
func put(t *testing.T, dir, name, sample string, changes ...change) {
	t.Helper()
	b, err := os.ReadFile("../testdata/" + sample + ".json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := preflight.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	r.OS.Hostname = ""
	for _, c := range changes {
		c(r)
	}
	var doc bytes.Buffer
	if err := r.WriteJSON(&doc); err != nil {
		t.Fatal(err)
	}
	write(t, dir, name, doc.Bytes())
}

func write(t *testing.T, dir, name string, doc []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
}

func called(name string) change { return func(r *preflight.Report) { r.OS.Hostname = name } }
func device(name string) change { return func(r *preflight.Report) { r.Source.Device = name } }
func later(d time.Duration) change {
	return func(r *preflight.Report) { r.GeneratedAt = r.GeneratedAt.Add(d) }
}
func uuid(id string) change {
	return func(r *preflight.Report) {
		r.Source.Root.UUID = id
		for i := range r.Source.Volumes {
			r.Source.Volumes[i].UUID = id
		}
	}
}

// only keeps one target.
func only(id string) change {
	return func(r *preflight.Report) {
		r.Targets = slices.DeleteFunc(r.Targets, func(t preflight.TargetInfo) bool { return t.ID != id })
	}
}

func merged(t *testing.T, o Options, paths ...string) *Fleet {
	t.Helper()
	f, err := Read(context.Background(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	accounted(t, f)
	return f
}

// accounted: each file is a disk's, an older one, or unreadable, and hosts have
// names of their own.
func accounted(t *testing.T, f *Fleet) {
	t.Helper()
	n := len(f.Unreadable) + len(f.Older)
	names := map[string]bool{}
	for _, h := range f.Hosts {
		n += len(h.Disks)
		if names[h.Name] {
			t.Errorf("two hosts are named %s", h.Name)
		}
		names[h.Name] = true
		if (len(h.Unreadable) > 0 || h.Lost()) && (h.Verdict == preflight.Ready || h.Verdict == preflight.Warnings) {
			t.Errorf("%s is %s, with unreadable files", h.Name, h.Verdict)
		}
	}
	if n != f.Files {
		t.Errorf("%d files are accounted for, of %d", n, f.Files)
	}
	c := f.Count(-1)
	if c.Ready+c.Warnings+c.Blocked+c.Unknown+c.Lost != len(f.Hosts) {
		t.Errorf("%+v are not %d hosts", c, len(f.Hosts))
	}
}

// shape is a fleet's hosts with their verdicts and disks.
func shape(f *Fleet) string {
	var out []string
	for _, h := range f.Hosts {
		s := h.Name + " " + string(h.Verdict)
		if h.Lost() {
			s = h.Name + " lost"
		}
		for _, d := range h.Disks {
			s += " " + d.Device
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

// Whatever way files are laid out, hosts come out of them.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		below string // what is given, below the folder
		want  string
	}{
		{"HOST.json", []string{"db1.json", "web.example.com.json"}, "", "db1 web.example.com"},
		{"HOST/preflight.json", []string{"db1/preflight.json", "web1/preflight.json"}, "", "db1 web1"},
		{"as fetched by Ansible", []string{"db1/mnt/migimg/preflight.json", "web1/mnt/migimg/preflight.json"}, "", "db1 web1"},
		{"folders of days", []string{"day1/db1.json", "day1/web1.json"}, "", "db1 web1"},
		{"a file", []string{"db1/preflight.json", "web1/preflight.json"}, "db1/preflight.json", "db1"},
		{"a folder of one host", []string{"db1/preflight.json"}, "db1", "db1"},
		{"a link to a folder", []string{"real/db1.json"}, "link", "db1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range c.files {
				put(t, dir, f, "ready", uuid(f))
			}
			if c.below == "link" {
				if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, h := range merged(t, Options{}, filepath.Join(dir, c.below)).Hosts {
				got = append(got, h.Name)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
		})
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		name  string
		make  func(t *testing.T, dir string)
		want  string
		older int
		alike string
	}{
		{"the newest counts, whatever its name", func(t *testing.T, d string) {
			put(t, d, "a/web.json", "ready", later(time.Hour))
			put(t, d, "b/web.json", "blocked")
			put(t, d, "c/web.json", "blocked", later(-time.Hour))
		}, "web ready-with-warnings disk.img", 2, ""},
		{"one of the same moment", func(t *testing.T, d string) {
			put(t, d, "a/web.json", "ready")
			put(t, d, "b/web.json", "ready")
		}, "web ready-with-warnings disk.img", 1, ""},
		{"two disks", func(t *testing.T, d string) {
			put(t, d, "web/sda.json", "ready", device("/dev/sda"))
			put(t, d, "web/sdb/preflight.json", "blocked", device("/dev/sdb"), uuid("b"))
		}, "web blocked /dev/sda /dev/sdb", 0, ""},
		{"two disks by the system's name", func(t *testing.T, d string) {
			put(t, d, "x/web.json", "ready", device("/dev/sda"), called("web"))
			put(t, d, "y/web.json", "ready", device("/dev/sdb"), called("WEB"), uuid("b"))
		}, "web ready-with-warnings /dev/sda /dev/sdb", 0, ""},
		{"two machines, one name for files", func(t *testing.T, d string) {
			put(t, d, "fra/web.json", "ready")
			put(t, d, "tyo/web.json", "blocked", uuid("b"), later(time.Hour))
		}, "web (fra/web.json) ready-with-warnings disk.img\nweb (tyo/web.json) blocked disk.img", 0, "web: web (fra/web.json), web (tyo/web.json)"},
		{"two machines, one name, other devices", func(t *testing.T, d string) {
			put(t, d, "fra/web.json", "ready")
			put(t, d, "tyo/web.json", "ready", device("/dev/vda"), uuid("b"))
		}, "web (fra/web.json) ready-with-warnings disk.img\nweb (tyo/web.json) ready-with-warnings /dev/vda", 0, "web: web (fra/web.json), web (tyo/web.json)"},
		{"clones that call themselves otherwise", func(t *testing.T, d string) {
			put(t, d, "fra/web.json", "ready", called("web-fra"))
			put(t, d, "tyo/web.json", "ready", called("web-tyo"))
		}, "web (fra/web.json) ready-with-warnings disk.img\nweb (tyo/web.json) ready-with-warnings disk.img", 0, "web: web (fra/web.json), web (tyo/web.json)"},
		{"clones of one template", func(t *testing.T, d string) {
			put(t, d, "app1.json", "ready", called("template"))
			put(t, d, "app2.json", "ready", called("template"))
			put(t, d, "app3.json", "ready", called("localhost"))
			put(t, d, "app4.json", "ready", called("localhost.localdomain"))
		}, "app1 ready-with-warnings disk.img\napp2 ready-with-warnings disk.img\napp3 ready-with-warnings disk.img\napp4 ready-with-warnings disk.img", 0, "template: app1, app2"},
		{"no disk was read of one", func(t *testing.T, d string) {
			put(t, d, "web.json", "ready")
			write(t, d, "db.json", []byte(`{"$schema": "urn:migimg`))
		}, "db lost\nweb ready-with-warnings disk.img", 0, ""},
		{"one of two disks was not read", func(t *testing.T, d string) {
			put(t, d, "web/sda.json", "ready")
			write(t, d, "web/sdb.json", nil)
		}, "web unknown disk.img", 0, ""},
		{"a blocked one stays so", func(t *testing.T, d string) {
			put(t, d, "web/sda.json", "blocked")
			write(t, d, "web/sdb.json", nil)
		}, "web blocked disk.img", 0, ""},
		{"a file of the folder itself", func(t *testing.T, d string) {
			put(t, d, "sda.json", "ready", called("web"))
			write(t, d, "sdb.json", nil)
		}, "web unknown disk.img", 0, ""},
		{"pseudonyms are nobody's name", func(t *testing.T, d string) {
			for _, n := range []string{"a", "b"} {
				put(t, d, n+".json", "ready", called("server"), func(r *preflight.Report) { r.Anonymise() })
			}
		}, "a ready-with-warnings disk.img\nb ready-with-warnings disk.img", 0, ""},
		{"its own work", func(t *testing.T, d string) {
			put(t, d, "web.json", "ready")
			var b bytes.Buffer
			if err := merged(t, Options{}, d).WriteJSON(&b, "test"); err != nil {
				t.Fatal(err)
			}
			write(t, d, "fleet.json", b.Bytes())
			write(t, d, "fleet.csv", nil)
			write(t, d, ".cache/x.json", nil)
		}, "web ready-with-warnings disk.img", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			t.Chdir(dir)
			f := merged(t, Options{}, ".")
			if got := shape(f); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
			if len(f.Older) != c.older {
				t.Errorf("older: %+v", f.Older)
			}
			var alike []string
			for _, a := range f.Alike {
				alike = append(alike, a.Name+": "+strings.Join(a.Hosts, ", "))
			}
			if got := strings.Join(alike, "\n"); got != c.alike {
				t.Errorf("alike: %s, want %s", got, c.alike)
			}
		})
	}
}

// A report of several disks is of all of them.
func TestMachine(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "db.json", "ready", device("/dev/sda"), func(r *preflight.Report) {
		r.Source.Disks = []preflight.DiskInfo{{Device: "/dev/sda", SizeBytes: 3 << 30, CarriedBytes: 2 << 30}, {Device: "/dev/sdb", SizeBytes: 5 << 30, CarriedBytes: 1 << 30}}
	})
	f := merged(t, Options{}, dir)
	if got := shape(f); got != "db ready-with-warnings /dev/sda, /dev/sdb" {
		t.Error(got)
	}
	if d := f.Hosts[0].Disks[0]; d.Size != 8<<30 || d.Carried != 3<<30 {
		t.Errorf("%+v", d)
	}
}

// A host without a report for a target is undecided for it, where the target is
// wanted, or where another of its disks has one.
func TestTargets(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "both.json", "ready")
	put(t, dir, "kvm.json", "ready", only("kvm"))
	put(t, dir, "two/sda.json", "ready", device("/dev/sda"))
	put(t, dir, "two/sdb.json", "ready", device("/dev/sdb"), uuid("b"), only("kvm"))
	f := merged(t, Options{}, dir)
	if got := fmt.Sprint(f.Hosts[0].Verdicts, f.Hosts[1].Verdicts, f.Hosts[2].Verdicts, f.Hosts[2].Gaps); got !=
		"[ready ready-with-warnings] [ ready-with-warnings] [unknown ready-with-warnings] [{/dev/sdb tencent}]" {
		t.Error(got)
	}
	if c := f.Count(0); c.Unjudged != 1 || c.Ready != 1 || c.Unknown != 1 {
		t.Errorf("tencent: %+v", c)
	}
	if f.Hosts[1].Verdict != preflight.Warnings || f.ExitCode("") != 4 {
		t.Error(f.Hosts[1].Verdict, f.ExitCode(""))
	}
	f = merged(t, Options{Targets: []string{"tencent"}}, dir)
	if got := shape(f); got != "both ready disk.img\nkvm unknown disk.img\ntwo unknown /dev/sda /dev/sdb" || len(f.Targets) != 1 {
		t.Error(got)
	}
	for _, h := range f.Hosts {
		for _, x := range h.Findings {
			if len(x.States) != 1 || x.For(-1) == None {
				t.Errorf("%s: %+v", h.Name, x)
			}
		}
	}
	f = merged(t, Options{Targets: []string{"nowhere"}}, dir)
	if c := f.Count(-1); c.Unknown != 3 || f.ExitCode("") != 4 {
		t.Errorf("%+v", c)
	}
}

func TestExitCode(t *testing.T) {
	clean := func(r *preflight.Report) {
		r.Waive([]preflight.Waiver{}, time.Now())
		for i := range r.Checks {
			for id := range r.Checks[i].StatusBy {
				r.Checks[i].StatusBy[id] = "pass"
			}
		}
		for i := range r.Targets {
			r.Targets[i].Verdict = preflight.Ready
		}
	}
	for _, c := range []struct {
		name string
		make func(dir string)
		want map[string]int
	}{
		{"all ready", func(d string) { put(t, d, "a.json", "ready", clean) }, map[string]int{"": 0, "warn": 0, "high": 0, "never": 0}},
		{"warnings", func(d string) { put(t, d, "a.json", "ready"); put(t, d, "b.json", "ready", clean) }, map[string]int{"": 0, "blocker": 0, "warn": 3, "medium": 3, "never": 0}},
		{"undecided", func(d string) { put(t, d, "a.json", "ready"); write(t, d, "b.json", nil) }, map[string]int{"": 4, "warn": 4, "never": 0}},
		{"blocked", func(d string) { put(t, d, "a.json", "blocked"); write(t, d, "b.json", nil) }, map[string]int{"": 2, "warn": 2, "never": 0}},
	} {
		dir := t.TempDir()
		c.make(dir)
		f := merged(t, Options{}, dir)
		for failOn, want := range c.want {
			if got := f.ExitCode(failOn); got != want {
				t.Errorf("%s, --fail-on %s: %d, want %d", c.name, failOn, got, want)
			}
		}
	}
}

// Whatever happens to files, each is accounted for and no host becomes better by it.
func TestBrokenFleet(t *testing.T) {
	dir := t.TempDir()
	if err := fleet.Write(dir, "../testdata", fleet.Options{Hosts: 36, Targets: []string{"aws"}}); err != nil {
		t.Fatal(err)
	}
	whole := merged(t, Options{}, dir)
	if c := whole.Count(-1); c.Blocked < 5 || c.Warnings < 5 || len(whole.Hosts) != 36 || len(whole.Causes) < 10 {
		t.Fatalf("the fleet is not mixed: %+v", c)
	}
	before := map[string]preflight.Verdict{}
	for i, h := range whole.Hosts {
		before[h.Name] = h.Verdict
		b, err := os.ReadFile(h.Disks[0].File)
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			write(t, dir, filepath.Base(h.Disks[0].File), b[:len(b)*(i+1)/40])
		}
	}
	f := merged(t, Options{}, dir)
	if len(f.Hosts) != 36 || len(f.Unreadable) != 12 || f.Count(-1).Lost != 12 {
		t.Errorf("%d hosts, %d unreadable", len(f.Hosts), len(f.Unreadable))
	}
	for _, h := range f.Hosts {
		if !h.Lost() && h.Verdict != before[h.Name] {
			t.Errorf("%s: %s, was %s", h.Name, h.Verdict, before[h.Name])
		}
	}
	// Two runs are the same, but for the time.
	var a, b bytes.Buffer
	again := merged(t, Options{}, dir)
	again.Made = f.Made
	if err := f.WriteJSON(&a, "x"); err != nil {
		t.Fatal(err)
	}
	_ = again.WriteJSON(&b, "x")
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two runs differ")
	}
	var doc struct {
		Counts map[string]int
		Causes []struct{ Hosts map[string]int }
		Hosts  []struct{ Name, Verdict string }
	}
	if err := json.Unmarshal(a.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Hosts) != 36 || doc.Counts["unreadable"] != 12 || len(doc.Causes) != len(f.Causes) {
		t.Errorf("%+v", doc.Counts)
	}
}

// What cannot be a report is told, and is not waited for.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "good.json", "ready")
	write(t, dir, "list.json", []byte(`[]`))
	write(t, dir, "secret/preflight.json", []byte(`x`))
	if err := os.Symlink("nowhere", filepath.Join(dir, "gone.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", filepath.Join(dir, "latest")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(func() string { write(t, dir, "large.json", nil); return filepath.Join(dir, "large.json") }(), 1<<40); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "many.json", "ready", func(r *preflight.Report) {
		for i := range maxTargets {
			r.Targets = append(r.Targets, preflight.TargetInfo{ID: fmt.Sprint(i), Verdict: preflight.Blocked})
			for _, c := range r.Checks {
				c.StatusBy[fmt.Sprint(i)] = "pass"
			}
		}
	})
	f := merged(t, Options{}, dir)
	var got []string
	for _, u := range f.Unreadable {
		got = append(got, u.Host+": "+u.Why)
	}
	want := []string{"gone: no such file", "large: 1099511627776 bytes", "list: no preflight report", "many: a report for 66 targets", "other: a link to a folder", "pipe: not a regular file", "secret: no JSON"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s, want %s", got[i], want[i])
		}
	}
	if f.Passed != 1 || f.Count(-1).Lost != 7 {
		t.Errorf("%d passed over, %+v", f.Passed, f.Count(-1))
	}
	for _, paths := range [][]string{{filepath.Join(dir, "absent")}, {t.TempDir()}} {
		if _, err := Read(context.Background(), paths, Options{}); err == nil {
			t.Errorf("%s: no error", paths)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, []string{dir}, Options{}); err == nil {
		t.Error("goes on when it should stop")
	}
}
