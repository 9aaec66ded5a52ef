package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"golang.org/x/net/html"

	"migimg/internal/golden"
	"migimg/preflight"
	"migimg/preflight/checks"
)

func TestMarkdown(t *testing.T) {
	for name, o := range map[string]Options{"gallery.md": {}, "gallery-ja.md": {Texts: language(t, "ja")}} {
		var b bytes.Buffer
		if err := Markdown(&b, gallery(t), o); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/"+name, b.String())
	}
}

// A log that says the same before and after the library has read it, and that
// the schema of SARIF 2.1.0 takes.
func TestSARIF(t *testing.T) {
	hostileReport := gallery(t)
	hostile(hostileReport, evils[0])
	for name, r := range map[string]*preflight.Report{"gallery": gallery(t), "ready": sample(t, "ready"), "hostile": hostileReport} {
		var b bytes.Buffer
		if err := SARIF(&b, r); err != nil {
			t.Fatal(err)
		}
		log, err := sarif.FromBytes(b.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := log.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, x := range log.Runs[0].Results {
			if x.Kind != "fail" && x.Level != "none" {
				t.Errorf("%s: %s: kind %s with level %s", name, *x.RuleID, x.Kind, x.Level)
			}
		}
		// The library would drop what SARIF does not know; additionalProperties
		// is then never seen by its validation.
		var ours, theirs map[string]any
		again, err := json.Marshal(log)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(b.Bytes(), &ours)
		_ = json.Unmarshal(again, &theirs)
		lost(t, name, ours, theirs)
		if name == "gallery" {
			golden.Check(t, "testdata/"+"gallery.sarif", b.String())
		}
	}
}

// lost finds what is in a and not in b.
func lost(t *testing.T, at string, a, b any) {
	t.Helper()
	switch a := a.(type) {
	case map[string]any:
		m, _ := b.(map[string]any)
		for k, v := range a {
			if _, ok := m[k]; !ok && !reflect.ValueOf(v).IsZero() && v != 0.0 {
				t.Errorf("%s.%s is not SARIF", at, k)
				continue
			}
			lost(t, at+"."+k, v, m[k])
		}
	case []any:
		l, _ := b.([]any)
		if len(l) != len(a) {
			t.Errorf("%s: %d elements became %d", at, len(a), len(l))
			return
		}
		for i := range a {
			lost(t, at+"[]", a[i], l[i])
		}
	}
}

func TestJUnit(t *testing.T) {
	r := gallery(t)
	var b bytes.Buffer
	if err := JUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/"+"gallery.junit.xml", b.String())
	var back junitSuites
	if err := xml.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	for i, s := range back.Suites {
		var got []string
		for _, c := range s.Cases {
			if c.Failure != nil {
				got = append(got, c.Name)
			}
		}
		var want []string
		for _, c := range r.Checks {
			if _, waived := c.Waived[s.Name]; !waived && c.StatusBy[s.Name] == string(checks.Fail) {
				want = append(want, c.ID)
			}
		}
		if d := cmp.Diff(want, got); d != "" || s.Failures != len(got) || s.Tests != len(r.Checks) || s.Name != r.Targets[i].ID {
			t.Errorf("%s: %+v\n%s", s.Name, s, d)
		}
	}
}

// evils are what a guest, or whoever names a file, may put into a report.
var evils = []string{
	`</script></style></title><script>alert(1)</script><img src=x onerror=alert(1)>"'` + "`" + `&lt;svg onload=alert(1)>{{.R}}` + "\x00\x1b[2J\r\n\u202e\xff",
	`" onmouseover="alert(1)" x="`,
	`javascript:alert(1)`,
	"| a | b |\n|---|\n# x\n```\n[x](http://evil.example) ![y](http://evil.example/p.png) <b>@admin</b> https://evil.example",
	`]]><failure/><![CDATA[`,
}

// hostile puts a text into every field that is not the program's own.
func hostile(r *preflight.Report, evil string) {
	own := map[string]bool{"Schema": true, "SchemaVersion": true, "Verdict": true, "Status": true, "Severity": true, "Consistency": true, "CarriedMap": true, "State": true, "Redaction": true,
		"Code": true, "Category": true, "Kind": true, "Type": false, "StatusBy": true, "SeverityBy": true, "Blockers": true, "Warnings": true, "Unknown": true, "Waived": false, "Check": true, "Target": true}
	var walk func(reflect.Value, string)
	walk = func(v reflect.Value, name string) {
		if own[name] {
			return
		}
		switch v.Kind() {
		case reflect.String:
			v.SetString(evil)
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem(), name)
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				return
			}
			id := v.FieldByName("ID")
			keep := ""
			if id.IsValid() {
				keep = id.String() // a check's or a target's
			}
			kind := ""
			if v.Type() == reflect.TypeFor[checks.Remediation]() {
				kind = v.FieldByName("Type").String()
			}
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i), v.Type().Field(i).Name)
				}
			}
			if id.IsValid() && v.Type() != reflect.TypeFor[preflight.OSInfo]() {
				id.SetString(keep)
			}
			if kind != "" {
				v.FieldByName("Type").SetString(kind)
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), name)
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				e := reflect.New(v.Type().Elem()).Elem()
				e.Set(v.MapIndex(k))
				walk(e, name)
				v.SetMapIndex(k, e)
			}
		}
	}
	walk(reflect.ValueOf(r).Elem(), "")
}

// Text of the guest is text on the page: no element, no attribute, no link of
// its making.
func TestHostileHTML(t *testing.T) {
	for _, evil := range evils {
		r := gallery(t)
		shape := elements(t, rendered(t, r, "en"))
		hostile(r, evil)
		for _, lang := range []string{"en", "ja"} {
			s := rendered(t, r, lang)
			selfContained(t, s)
			for tag, n := range elements(t, s) {
				if shape[tag] == 0 && n > 0 || tag == "script" && n != 1 {
					t.Errorf("%q: %d elements <%s>", evil, n, tag)
				}
			}
			if strings.ContainsAny(s, "\x00\x1b\u202e") {
				t.Errorf("%q: control characters come through", evil)
			}
			walk(t, s, func(n *html.Node) {
				for _, a := range n.Attr {
					if a.Key == "href" && strings.Contains(strings.ToLower(a.Val), "javascript:") {
						t.Errorf("a link to %s", a.Val)
					}
				}
			})
		}
	}
}

func elements(t *testing.T, s string) map[string]int {
	n := map[string]int{}
	walk(t, s, func(e *html.Node) { n[e.Data]++ })
	return n
}

// The other formats stay what they are, too.
func TestHostileFormats(t *testing.T) {
	for _, evil := range evils {
		r := gallery(t)
		hostile(r, evil)
		var b bytes.Buffer
		if err := JUnit(&b, r); err != nil {
			t.Fatal(err)
		}
		var back junitSuites
		if err := xml.Unmarshal(b.Bytes(), &back); err != nil {
			t.Errorf("%q: %v", evil, err)
		} else if len(back.Suites) != 2 || back.Tests != 2*len(r.Checks) {
			t.Errorf("%q: %+v", evil, back)
		}
		b.Reset()
		if err := Markdown(&b, r, Options{}); err != nil {
			t.Fatal(err)
		}
		fence := ""
		for line := range strings.Lines(b.String()) {
			s := strings.TrimSpace(line)
			if strings.HasPrefix(s, "```") && (fence == "" || s == fence) { // only the program's own
				if fence == "" {
					fence = strings.TrimSuffix(s, "sh")
				} else {
					fence = ""
				}
				continue
			}
			if fence != "" || strings.HasPrefix(s, "- `") {
				continue // code
			}
			if strings.Contains(strings.ReplaceAll(line, `\](`, ""), "](") {
				t.Errorf("a link: %s", line)
			}
			for _, bad := range []string{"<script", "<img", "https://evil", " @admin", "\x1b"} {
				if strings.Contains(line, bad) {
					t.Errorf("%q: %s", bad, line)
				}
			}
		}
		if fence != "" {
			t.Errorf("%q: a block of commands does not end", evil)
		}
		b.Reset()
		if err := SARIF(&b, r); err != nil || !json.Valid(b.Bytes()) {
			t.Errorf("%q: %v", evil, err)
		}
	}
}

func TestFormatWriteErrors(t *testing.T) {
	r := gallery(t)
	if Markdown(full{}, r, Options{}) == nil || HTML(full{}, r, Options{}) == nil || SARIF(full{}, r) == nil || JUnit(full{}, r) == nil {
		t.Error("a failed write is not reported")
	}
}

// What is waived is shown as waived.
func TestWaivedTable(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, gallery(t), Options{}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/"+"waived.txt", b.String())
}
