package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"time"

	"github.com/urfave/cli/v2"

	"migimg/preflight/render"
	"migimg/preflight/texts"
	"migimg/verify"
)

// writeVerified prints reports of images in the format that the command line asks for.
// source is the mount that they are of; its report of the system goes onto the page.
func writeVerified(c *cli.Context, reports []*verify.Report, source string) error {
	w := c.App.Writer
	switch c.String("format") {
	case "json":
		return writeJSON(w, map[string]any{"schema_version": "1.1", "images": reports})
	case "table":
		return folded(w, columns(), func(w io.Writer) error { return verify.WriteTable(w, reports...) })
	}
	t, err := texts.For(texts.FromEnvironment())
	if err != nil {
		return err
	}
	o := render.Options{Texts: t}
	for _, r := range reports {
		o.Images = append(o.Images, imageOf(r))
	}
	if c.String("format") == "markdown" {
		return render.ImagesMarkdown(w, versionString(), o)
	}
	if abs, ok := isMountpoint(source); ok {
		r, err := preflightReport(c, []string{abs}, reportOptions{all: true})
		if err == nil {
			return render.HTML(w, r, o)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return render.ImagesHTML(w, versionString(), o)
}

// imageOf is a report for people who were not there: with who looked when.
func imageOf(r *verify.Report) render.Image {
	x := render.Image{Name: r.Image, Status: string(r.Verdict), Facts: []string{fmt.Sprintf("%s, a file of %d bytes", r.Kind, r.FileSize)}}
	if r.VirtualSize >= 0 {
		x.Facts[0] += fmt.Sprintf(", a disk of %d bytes", r.VirtualSize)
	}
	if plan := attribute(r.Image, "user.migimg.plan-digest"); plan != "" {
		x.Facts = append(x.Facts, "plan "+plan)
	}
	if p := r.Proven; p != nil {
		x.Facts = append(x.Facts, fmt.Sprintf("%s proven to be the disk as of %s (%s)", p.Percent(), p.T0.UTC().Format(time.RFC3339), p.Consistency))
	}
	x.Facts = append(x.Facts, "looked at "+looked())
	for _, a := range r.Aspects {
		y := render.ImageAspect{Name: a.Name, Status: string(a.Status), Summary: a.Summary}
		for _, p := range a.Problems {
			y.Problems = append(y.Problems, string(p.Severity)+": "+p.Line())
		}
		x.Aspects = append(x.Aspects, y)
	}
	return x
}

// looked is by whom, where and when.
func looked() string {
	s := time.Now().UTC().Format(time.RFC3339)
	if u, err := user.Current(); err == nil {
		s += " by " + u.Username
	}
	if h, err := os.Hostname(); err == nil {
		s += " on " + h
	}
	return s
}
