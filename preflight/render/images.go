package render

import (
	"bufio"
	_ "embed" // the part of the page about images
	"html/template"
	"io"
	"time"
)

//go:embed images.html
var imagesHTML string

// Image is what was found out about an image file, by package verify, which this one
// does not know. Its words are in English.
type Image struct {
	Name string
	// Status is "pass", "fail", "unknown" or "skip".
	Status string
	// Facts are a line each: sizes, the moment, how much is proven.
	Facts   []string
	Aspects []ImageAspect
}

// ImageAspect is one thing that was looked at.
type ImageAspect struct {
	Name, Status, Summary string
	Problems              []string
}

// statusWords are the words for what an image's aspects come to, as those of checks.
var statusWords = map[string]string{"pass": "pass", "fail": "FAIL", "unknown": "????", "skip": "skip"}

type htmlImage struct {
	Name, Class, Word string
	Facts             []string
	Aspects           []htmlAspect
}

type htmlAspect struct {
	Name, Class, Word, Summary string
	Problems                   []string
}

// images are for the page: text from images and programs is only text.
func (p *page) images() (out []htmlImage) {
	for _, im := range p.o.Images {
		x := htmlImage{Name: clean(im.Name), Class: im.Status, Word: p.t.Text(statusWords[im.Status])}
		for _, f := range im.Facts {
			x.Facts = append(x.Facts, clean(f))
		}
		for _, a := range im.Aspects {
			y := htmlAspect{Name: clean(a.Name), Class: a.Status, Word: p.t.Text(statusWords[a.Status]), Summary: clean(a.Summary)}
			for _, s := range a.Problems {
				y.Problems = append(y.Problems, clean(s))
			}
			x.Aspects = append(x.Aspects, y)
		}
		out = append(out, x)
	}
	return out
}

// ImagesHTML writes a page about the images of o alone, for when there is no report
// about the system in them. See [HTML].
func ImagesHTML(w io.Writer, version string, o Options) error {
	p := &page{o: o, t: o.texts()}
	return p.write(w, "alone", map[string]any{
		"Lang": or(p.t.Lang(), "en"), "CSP": policy(pageCSS, pageJS), "CSS": template.CSS(pageCSS), // #nosec G203: the program's own
		"Made": time.Now().UTC().Format("2006-01-02 15:04 UTC"), "Version": version, "Images": p.images(),
	})
}

// ImagesMarkdown writes what was found out about the images of o, for a ticket.
func ImagesMarkdown(w io.Writer, version string, o Options) error {
	b := bufio.NewWriter(w)
	p := &page{b, nil, o, o.texts()}
	t := p.t
	p.line("# %s", t.Text("Verified images"))
	for _, im := range p.o.Images {
		p.line("")
		p.line("## %s: %s", md(im.Name), t.Text(statusWords[im.Status]))
		p.line("")
		for _, f := range im.Facts {
			p.line("- %s", md(f))
		}
		p.line("")
		p.line("| %s | %s | %s |", t.Text("Check"), t.Text("Status"), t.Text("Summary"))
		p.line("|---|---|---|")
		for _, a := range im.Aspects {
			p.line("| %s | %s | %s |", md(a.Name), t.Text(statusWords[a.Status]), md(a.Summary))
			for _, s := range a.Problems {
				p.line("| | | %s |", md(s))
			}
		}
	}
	p.line("")
	p.line("| %s | %s | %s |", t.Text("Name"), t.Text("Date"), t.Text("Signature"))
	p.line("|---|---|---|")
	p.line("| | | |")
	p.line("")
	p.line("migimg %s, %s", md(version), time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	return b.Flush()
}
