package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"migimg/preflight"
	"migimg/preflight/render"
	"migimg/preflight/targets"
	"migimg/preflight/texts"
)

// reportOptions are how a preflight report is made and shown.
type reportOptions struct {
	targets   []*targets.Target
	all       bool   // any targets will do
	dir       string // of the user's own target files
	waivers   []preflight.Waiver
	anonymous bool
	template  bool // judged as the image of many machines
	texts     *texts.Texts
}

// reportFlags are the flags of the commands that make a report.
func reportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "target", Usage: "clouds to judge for, separated by commas", DefaultText: "all"},
		targetDirFlag(),
		&cli.BoolFlag{Name: "template", Usage: "many machines are made of the image: nothing in it may be of this one"},
		&cli.StringFlag{Name: "waivers", Usage: "YAML or JSON `FILE` of findings that are accepted: they are shown and do not count"},
		&cli.BoolFlag{Name: "redact", Usage: "replace names of hosts and people, addresses, UUIDs and serial numbers by pseudonyms"},
		langFlag(),
	}
}

// langFlag chooses what textsFrom gives.
func langFlag() cli.Flag {
	return &cli.StringFlag{Name: "lang", Usage: "language of what people read: " + strings.Join(texts.Languages(), ", "), DefaultText: "the locale's"}
}

// textsFrom are the words of what people read, in the language that is asked for.
func textsFrom(c *cli.Context) (*texts.Texts, error) {
	lang := c.String("lang")
	if lang == "" {
		lang = texts.FromEnvironment()
	}
	return texts.For(lang)
}

func reportOptionsFrom(c *cli.Context) (o reportOptions, err error) {
	if o.targets, err = targetsFrom(c); err != nil {
		return o, err
	}
	o.all, o.dir = c.String("target") == "", c.String("target-dir")
	o.anonymous, o.template = c.Bool("redact"), c.Bool("template")
	if o.texts, err = textsFrom(c); err != nil {
		return o, err
	}
	if file := c.String("waivers"); file != "" {
		var ids []string // the user's own, too
		for _, t := range o.targets {
			ids = append(ids, t.ID)
		}
		if o.waivers, err = preflight.LoadWaivers(file, ids...); err != nil {
			return o, fmt.Errorf("--waivers: %w", err)
		}
	}
	return o, nil
}

// reportFormats are what a report can be printed as.
func reportFormats() []string {
	return []string{"table", "json", "markdown", "html", "sarif", "junit"}
}

// writeReport prints a report in one of reportFormats.
func writeReport(w io.Writer, r *preflight.Report, format string, o render.Options) error {
	switch format {
	case "json":
		return r.WriteJSON(w)
	case "markdown":
		return render.Markdown(w, r, o)
	case "html":
		return render.HTML(w, r, o)
	case "sarif":
		return render.SARIF(w, r)
	case "junit":
		return render.JUnit(w, r)
	}
	return render.Table(w, r, o)
}

// warnOfWaivers says which waivers have expired, where the format does not.
func warnOfWaivers(r *preflight.Report, format string) {
	if format == "table" {
		return
	}
	for _, w := range r.Waivers {
		if w.State == "expired" {
			fmt.Fprintf(os.Stderr, "migimg: warning: the waiver of %s for %s has expired on %s\n", w.Check, w.Target, w.Until)
		}
	}
}
