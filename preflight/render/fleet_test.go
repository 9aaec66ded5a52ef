package render

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"migimg/internal/fleet"
	"migimg/preflight/merge"
	"migimg/preflight/texts"
)

// fleetDir is a folder with the reports of someFleet, made once.
var fleetDir = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return "", err
	}
	madeDir = dir
	return dir, fleet.Write(dir, "../testdata", fleet.Options{Hosts: 40, Targets: []string{"aws-import-image", "azure-gen2", "vsphere"}})
})

var madeDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if madeDir != "" {
		_ = os.RemoveAll(madeDir)
	}
	os.Exit(code)
}

// someFleet has one of everything: a few hosts of each verdict, disks that were not
// judged, names that several have, older and unreadable reports.
func someFleet(t *testing.T) *merge.Fleet {
	t.Helper()
	all, err := fleetDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	names, _ := filepath.Glob(filepath.Join(all, "*.json"))
	put := func(from int, to string) {
		t.Helper()
		to = filepath.Join(dir, or(to, filepath.Base(names[from])))
		err := os.MkdirAll(filepath.Dir(to), 0o700)
		if err == nil {
			err = os.Link(names[from], to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range names {
		if i < 10 || i > 12 {
			put(i, "")
			continue
		}
		b, err := os.ReadFile(names[i])
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(names[i])), b[:3000], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(0, "old/"+filepath.Base(names[0]))   // the same report twice
	put(1, "other/"+filepath.Base(names[2])) // another machine of the name
	put(3, "clone.json")                     // another name, and the system's is the same
	put(4, "two/sda.json")
	put(5, "two/sdb.json")
	if err := os.WriteFile(filepath.Join(dir, "two", "sdc.json"), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	f, err := merge.Read(context.Background(), []string{"."}, merge.Options{})
	t.Chdir(home)
	if err != nil {
		t.Fatal(err)
	}
	if c := f.Count(-1); c.Lost != 3 || c.Blocked < 5 || c.Warnings < 5 || len(f.Older) != 1 || len(f.Alike) < 2 || len(f.Unreadable) != 4 {
		t.Fatalf("not one of everything: %+v, %d, %d, %d", c, len(f.Older), len(f.Alike), len(f.Unreadable))
	}
	return f
}

func fleetPage(t *testing.T, f *merge.Fleet, lang string) string {
	t.Helper()
	var b bytes.Buffer
	if err := FleetHTML(&b, f, "test", Options{Texts: language(t, lang)}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pageData is what the page's script reads.
func pageData(t *testing.T, s string) (d dataFleet) {
	t.Helper()
	walk(t, s, func(n *html.Node) {
		if n.Data == "script" && n.FirstChild != nil && strings.HasPrefix(n.FirstChild.Data, "{") {
			if err := json.Unmarshal([]byte(n.FirstChild.Data), &d); err != nil {
				t.Fatal(err)
			}
		}
	})
	return d
}

// testdata/look.sh takes pictures of what this writes into MIGIMG_LOOK.
func TestFleetHTML(t *testing.T) {
	f := someFleet(t)
	for _, lang := range texts.Languages() {
		s := fleetPage(t, f, lang)
		selfContained(t, s)
		if dir := os.Getenv("MIGIMG_LOOK"); dir != "" {
			if err := os.WriteFile(filepath.Join(dir, "fleet-"+lang+".html"), []byte(s), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		// Without the script: verdicts, causes, and every list.
		for _, x := range f.Unreadable {
			if !strings.Contains(s, "<div>"+html.EscapeString(x.Path)+"</div>") {
				t.Errorf("%s: nothing of %s", lang, x.Path)
			}
		}
		for i := range f.Causes {
			c := &f.Causes[i]
			if !c.All.Matters() {
				continue
			}
			row := regexp.MustCompile(fmt.Sprintf(`(?s)<tr data-c="%d">.*?</tr>`, i)).FindString(s)
			for _, n := range []int{c.All.Blocked, c.All.Alone, c.All.Undecided, c.All.Warned} {
				if !strings.Contains(row, ">"+strconv.Itoa(n)+"<") {
					t.Errorf("%s: %s has no %d in %s", lang, c.Check, n, row)
				}
			}
		}
		// With it: all hosts, with their verdicts and findings.
		d := pageData(t, s)
		var got merge.Counts
		for _, h := range d.Hosts {
			switch h.Verdict[0] {
			case 'r':
				got.Ready++
			case 'w':
				got.Warnings++
			case 'b':
				got.Blocked++
			case 'u':
				got.Unknown++
			case 'l':
				got.Lost++
			}
			if len(h.Verdict) != 1+len(f.Targets) {
				t.Errorf("%s: verdicts %s", h.Name, h.Verdict)
			}
			for k := 0; k < len(h.Findings); k += 5 {
				x := h.Findings[k : k+5]
				if x[0] >= len(d.Causes) || x[1] >= len(d.Texts) || x[2] >= len(d.Fixes) || x[3] >= len(d.States) || x[4] >= len(h.Disks) || len(d.States[x[3]]) != len(f.Targets) {
					t.Fatalf("%s: %v", h.Name, x)
				}
			}
		}
		if got != f.Count(-1) || len(d.Hosts) != len(f.Hosts) {
			t.Errorf("%s: %+v, want %+v", lang, got, f.Count(-1))
		}
		for w, said := range d.Words {
			if said == "" || lang != "en" && said == w {
				t.Errorf("%s: the script says %q in English", lang, w)
			}
		}
	}
}

// All that the script says is in its data, and all that page, script and table say
// is in every language.
func TestFleetWords(t *testing.T) {
	var own []string
	for _, m := range regexp.MustCompile(`(?:say\(|\? |: |\[)'([A-Za-z%][^']*)'[\],) ]`).FindAllStringSubmatch(fleetJS, -1) {
		if strings.Contains(m[1], " ") {
			own = append(own, m[1])
		}
	}
	if len(own) < 15 {
		t.Errorf("only %d sentences found in the script", len(own))
	}
	for _, w := range own {
		if !strings.Contains(strings.Join(fleetWords, "\n"), w) && !strings.Contains(w, "only-js") && !strings.HasPrefix(w, "noreferrer") && !strings.HasPrefix(w, "card ") {
			t.Errorf("the script says %q, which is not in its data", w)
		}
	}
	all := append([]string{}, fleetWords...)
	for _, m := range regexp.MustCompile(`[{(](?:t|f) "([^"]+)"`).FindAllStringSubmatch(fleetHTML, -1) {
		all = append(all, m[1])
	}
	for _, name := range []string{"fleet.go", "fleettable.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bt\.(?:Text|Format)\("([^"]+)"|"(File|Host|Host name|Hosts|Reason|Made|Newer)"`).FindAllStringSubmatch(string(b), -1) {
			all = append(all, m[1]+m[2])
		}
	}
	for _, v := range fleetVerdicts {
		all = append(all, v.word)
	}
	for _, lang := range []string{"ja", "zh"} {
		x := language(t, lang)
		for _, w := range all {
			if !x.Has(w) {
				t.Errorf("%s: %q is said in English: write it into texts/%[1]s/fleet.yaml", lang, w)
			}
		}
	}
}

// spoil puts a text wherever hosts and files could.
func spoil(f *merge.Fleet, evil string) {
	for i := range f.Targets {
		f.Targets[i].ID, f.Targets[i].Title = evil+fmt.Sprint(i), evil
	}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		h.Name, h.Called, h.System, h.Firmware = evil+fmt.Sprint(i), evil, evil, evil
		for k := range h.Disks {
			h.Disks[k].Device, h.Disks[k].File = evil, evil
		}
		for k := range h.Unreadable {
			h.Unreadable[k] = evil
		}
		for k := range h.Gaps {
			h.Gaps[k] = merge.Gap{Device: evil, Target: evil}
		}
	}
	for i := range f.Causes {
		c := &f.Causes[i]
		c.Check, c.Code, c.Title, c.Impact = evil, evil, evil, evil
	}
	for i := range f.Texts {
		f.Texts[i].English = evil
		for k := range f.Texts[i].Messages {
			f.Texts[i].Messages[k].ID = evil
		}
	}
	for i := range f.Fixes {
		for k := range f.Fixes[i] {
			m := &f.Fixes[i][k]
			m.Text, m.Message.ID = evil, evil
			if m.URL != "" {
				m.URL = evil
			}
			for n := range m.Argv {
				m.Argv[n] = []string{evil, evil}
			}
		}
	}
	for i := range f.Unreadable {
		f.Unreadable[i] = merge.File{Path: evil, Host: evil, Why: evil}
	}
	for i := range f.Older {
		f.Older[i].Path, f.Older[i].Host, f.Older[i].Newer = evil, evil, evil
	}
	for i := range f.Alike {
		f.Alike[i] = merge.Alike{Name: evil, Hosts: []string{evil, evil}}
	}
}

// What hosts and files are called, and what they say, is text everywhere.
func TestFleetHostile(t *testing.T) {
	shape := elements(t, fleetPage(t, someFleet(t), "en"))
	for _, evil := range append(evils[:2:2], "=cmd|' /C calc'!A0", "\t@SUM(1)", "＝1+1", "a;-1", `"",=1`) {
		f := someFleet(t)
		spoil(f, evil)
		for _, lang := range []string{"en", "ja"} {
			s := fleetPage(t, f, lang)
			selfContained(t, s)
			for tag, n := range elements(t, s) {
				if shape[tag] == 0 || tag == "script" && n != 2 {
					t.Errorf("%q: %d elements <%s>", evil, n, tag)
				}
			}
			if strings.ContainsAny(s, "\x00\x1b\u202e") || strings.Count(s, "</script") != 2 {
				t.Errorf("%q: control characters or the end of a script come through", evil)
			}
			d := pageData(t, s)
			if len(d.Hosts) != len(f.Hosts) || d.Hosts[7].Name != clean(f.Hosts[7].Name) {
				t.Errorf("%q: the data is not that of the fleet", evil)
			}
			for _, fix := range d.Fixes {
				for _, m := range fix {
					if m.URL != "" && !strings.HasPrefix(m.URL, "https://") {
						t.Errorf("a link to %s", m.URL)
					}
				}
			}
		}
		var b bytes.Buffer
		if err := FleetTable(&b, f, Options{Verbose: true}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(b.String(), "\x1b\r\x00\u202e") {
			t.Errorf("%q: control characters in the table", evil)
		}
		csvSafe(t, f)
	}
}
