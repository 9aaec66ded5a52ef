package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"migimg/internal/golden"
	"migimg/preflight"
	"migimg/preflight/texts"
)

// sample is a report that the program itself wrote.
func sample(t *testing.T, name string) *preflight.Report {
	t.Helper()
	b, err := os.ReadFile("../testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	r := &preflight.Report{}
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func language(t *testing.T, code string) *texts.Texts {
	t.Helper()
	x, err := texts.For(code)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		file, report string
		o            Options
	}{
		{"blocked.txt", "blocked", Options{Width: 100}},
		{"blocked-80.txt", "blocked", Options{}},
		{"ready.txt", "ready", Options{Width: 100}},
		{"ready-verbose.txt", "ready", Options{Verbose: true, Width: 120}},
		{"blocked-ja.txt", "blocked", Options{Texts: language(t, "ja"), Width: 100}},
		{"blocked-zh.txt", "blocked", Options{Texts: language(t, "zh"), Width: 80}},
	} {
		t.Run(c.file, func(t *testing.T) {
			var b bytes.Buffer
			if err := Table(&b, sample(t, c.report), c.o); err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/"+c.file, b.String())
			width := c.o.Width
			if width == 0 {
				width = 80
			}
			for line := range strings.Lines(b.String()) {
				if n := columns(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("%d columns of %d: %s", n, width, line)
				}
			}
		})
	}
}

// Colours change nothing but colours.
func TestColor(t *testing.T) {
	var plain, color bytes.Buffer
	_ = Table(&plain, sample(t, "blocked"), Options{})
	_ = Table(&color, sample(t, "blocked"), Options{Color: true})
	s := color.String()
	if !strings.Contains(s, "\x1b[31m") {
		t.Error("no colours")
	}
	for {
		a := strings.Index(s, "\x1b[")
		if a < 0 {
			break
		}
		b := strings.IndexByte(s[a:], 'm')
		s = s[:a] + s[a+b+1:]
	}
	for i, line := range strings.Split(plain.String(), "\n") {
		if got := strings.Split(s, "\n")[i]; strings.TrimRight(got, " ") != line {
			t.Errorf("%q\nwant %q", got, line)
		}
	}
}

func TestExplain(t *testing.T) {
	r := sample(t, "blocked")
	var b bytes.Buffer
	if err := Explain(&b, r, "driver.boot-disk", Options{}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/"+"explain.txt", b.String())
	for _, lang := range []string{"ja", "zh"} {
		b.Reset()
		if err := Explain(&b, r, "driver.boot-disk", Options{Texts: language(t, lang)}); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/"+"explain-"+lang+".txt", b.String())
	}
	for _, c := range r.Checks {
		if err := Explain(&b, r, c.ID, Options{}); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
		if err := Explain(&b, r, c.Code, Options{}); err != nil {
			t.Errorf("%s: %v", c.Code, err)
		}
	}
	err := Explain(&b, r, "driver.bootdisk", Options{})
	if err == nil || !strings.Contains(err.Error(), "driver.boot-disk") || strings.Contains(err.Error(), "mount.") {
		t.Error(err)
	}
}

// What a guest says cannot take over the terminal.
func TestHostileText(t *testing.T) {
	r := sample(t, "blocked")
	evil := "a\x1b[2Jb\r\nc\u202e\u0007\xff"
	r.OS.Pretty, r.Source.Device = evil, evil
	for i := range r.Checks {
		r.Checks[i].Summary = evil
		for k := range r.Checks[i].SummaryBy {
			r.Checks[i].SummaryBy[k] = evil
		}
		for j := range r.Checks[i].Evidence {
			r.Checks[i].Evidence[j].Text = evil
		}
	}
	var b bytes.Buffer
	_ = Table(&b, r, Options{Verbose: true})
	for _, c := range r.Checks {
		_ = Explain(&b, r, c.ID, Options{})
	}
	if strings.ContainsAny(b.String(), "\x1b\r\x07\u202e") {
		t.Error("control characters come through")
	}
}

func TestText(t *testing.T) {
	for s, n := range map[string]int{"": 0, "abc": 3, "日本": 4, "e\u0301": 1, "한": 2} {
		if got := columns(s); got != n {
			t.Errorf("%q: %d columns, want %d", s, got, n)
		}
		if got := columns(pad(s, 6)); got != 6 {
			t.Errorf("%q padded: %d", s, got)
		}
	}
	if got := pad("日本語です", 6); columns(got) != 6 || !strings.Contains(got, "~") {
		t.Errorf("%q", got)
	}
	for _, s := range []string{"", "one two three four", "/a/very/long/path/without/any/blank/in/it", "日本語の長い文章です 語"} {
		for n := 4; n < 20; n++ {
			lines := fold(s, n)
			if strings.ReplaceAll(strings.Join(lines, ""), " ", "") != strings.ReplaceAll(s, " ", "") {
				t.Errorf("%q at %d: %q", s, n, lines)
			}
			for _, l := range lines {
				if columns(l) > n {
					t.Errorf("%q at %d: %q", s, n, l)
				}
			}
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteError(t *testing.T) {
	r := sample(t, "blocked")
	if Table(full{}, r, Options{}) == nil || Explain(full{}, r, "driver.boot-disk", Options{}) == nil {
		t.Error("a failed write is not reported")
	}
}
