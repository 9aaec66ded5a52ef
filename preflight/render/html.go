package render

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page, its style and its script
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
	"migimg/preflight/texts"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed copy.js
var copyJS string

//go:embed page.js
var onlyPageJS string

var pageJS = copyJS + onlyPageJS

// htmlView is what the page shows, in the words of its language.
type htmlView struct {
	R           *preflight.Report
	Lang, CSP   string
	CSS         template.CSS
	JS          template.JS
	System      string
	Firmware    string
	Made        string
	Carried     string
	Consistency string
	Targets     []htmlTarget
	Parts       []htmlPart
	Cells       []htmlCell
	Volumes     []htmlVolume
	Findings    []htmlFinding
	Passed      []htmlFinding
	Skipped     []htmlFinding
	Images      []htmlImage
}

type htmlFinding struct {
	ID, Code, Title, Class, Word, Summary, Impact string
	Targets                                       []htmlChip
	Others                                        []string
	Remedies                                      []htmlRemedy
	Evidence                                      []string
}

type htmlChip struct{ ID, Class, Word string }

type htmlRemedy struct{ Commands, Text, URL string }

// HTML writes the report as one page for the person who decides on the
// migration: no part of it is fetched from anywhere, and all that comes from
// the guest is text. It works without its script, which adds copy buttons.
func HTML(w io.Writer, r *preflight.Report, o Options) error {
	t := o.texts()
	p := &page{nil, r, o, t}
	v := htmlView{R: r, Lang: or(t.Lang(), "en"), CSP: policy(pageCSS, pageJS), CSS: template.CSS(pageCSS), JS: template.JS(pageJS)} // #nosec G203: the program's own
	v.Made = r.GeneratedAt.UTC().Format("2006-01-02 15:04 UTC")
	v.System = t.Text("data disk")
	if r.OS != nil {
		v.System, v.Firmware = or(clean(r.OS.Pretty), t.Text("an operating system")), strings.ToUpper(clean(r.OS.Firmware))
	} else if statusOf(r, "meta.coverage") != checks.Pass {
		v.System = t.Text("operating system unknown")
	}
	v.Carried = t.Format("%s of %s are carried", size(r.Source.CarriedBytes), size(r.Source.SizeBytes))
	v.Consistency = p.consistency()
	v.draw(p)
	for _, c := range (&page{nil, r, Options{Verbose: true}, t}).sorted() {
		x := p.finding(c)
		switch c.Status {
		case checks.Pass:
			v.Passed = append(v.Passed, x)
		case checks.Skip:
			v.Skipped = append(v.Skipped, x)
		default:
			v.Findings = append(v.Findings, x)
		}
	}
	for _, x := range r.Targets {
		v.Targets = append(v.Targets, p.target(x))
	}
	v.Images = p.images()
	return p.write(w, "page", v)
}

// write fills in a template of the page.
func (p *page) write(w io.Writer, name string, v any) error {
	tmpl, err := template.New("page").Funcs(template.FuncMap{
		"t": p.t.Text, "size": size,
		"f": func(format string, a ...any) string { return p.t.Format(format, a...) },
	}).Parse(pageHTML)
	for _, part := range []string{imagesHTML, fleetHTML} {
		if err == nil {
			tmpl, err = tmpl.Parse(part)
		}
	}
	if err != nil {
		return fmt.Errorf("report.html: %w", err)
	}
	// In a buffer: a page cut short by an error would look like a whole one.
	var b bytes.Buffer
	if err := tmpl.ExecuteTemplate(&b, name, v); err != nil {
		return fmt.Errorf("report.html: %w", err)
	}
	// Whatever field a control character came from.
	_, err = io.WriteString(w, strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return visible(r)
	}, b.String()))
	return err
}

// policy lets the page use its own style and script, and nothing else.
func policy(css, js string) string {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(css) + "; script-src " + hash(js) + "; base-uri 'none'; form-action 'none'"
}

// consistency says what the image of the disk is worth.
func (p *page) consistency() string {
	for _, s := range []string{
		"offline: nothing of the disk is mounted read-write. The image is exact.",
		"frozen: the filesystems stay frozen during the copy. The image is exact.",
		"pinned: the metadata is that of one moment, file data is read as it is now. What is overwritten during the copy is listed as drift.",
		"live: filesystems are mounted read-write and change during the copy. The image may be torn: stop services, or unmount, before the copy that counts.",
	} {
		if level, _, _ := strings.Cut(s, ":"); level == p.r.Source.Consistency {
			return p.t.Text(s)
		}
	}
	return or(clean(p.r.Source.Consistency), p.t.Text("it is not known"))
}

// summary is what a check found for a target.
func (p *page) summary(c preflight.CheckResult, target string) string {
	if by, ok := c.SummaryBy[target]; ok {
		return p.t.Say(c.MessageBy[target], by)
	}
	return p.t.Say(c.Message, c.Summary)
}

func (p *page) finding(c preflight.CheckResult) htmlFinding {
	t := p.t
	x := htmlFinding{ID: c.ID, Code: c.Code, Title: t.Text(c.Title), Class: string(statusWord(c)), Word: t.Text(words[statusWord(c)].text),
		Summary: clean(t.Say(c.Message, c.Summary)), Impact: t.Text(c.Impact)}
	p.chips(c, &x)
	x.Remedies = remedyViews(t, c.Remedies)
	for _, e := range c.Evidence {
		x.Evidence = append(x.Evidence, clean(evidenceLine(t, e)))
	}
	return x
}

// remedyViews are what is to be done, safe to be shown.
func remedyViews(t *texts.Texts, list []checks.Remediation) (out []htmlRemedy) {
	for _, m := range list {
		switch m.Type {
		case "command":
			var list []string
			for _, argv := range m.Argv {
				list = append(list, clean(shell(argv)))
			}
			out = append(out, htmlRemedy{Commands: strings.Join(list, "\n")})
		case "link":
			h := htmlRemedy{Text: or(clean(m.Text), clean(m.URL))}
			if address(m.URL) {
				h.URL = m.URL
			}
			out = append(out, h)
		default:
			out = append(out, htmlRemedy{Text: clean(advice(t, m))})
		}
	}
	return out
}

// size is a size for people.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
