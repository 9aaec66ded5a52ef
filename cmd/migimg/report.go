package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"migimg/preflight"
	"migimg/preflight/merge"
	"migimg/preflight/render"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "show a preflight report that was made elsewhere, or merge those of many hosts",
		ArgsUsage: "FILE | --merge FILE|DIR...",
		Description: `Of one FILE, a preflight.json, it prints what migimg preflight would have printed.
--merge reads the reports of many hosts, from files HOST.json or HOST/preflight.json,
and says which hosts can move, and what keeps the others, grouped by cause. With
--output it writes fleet.html, fleet.csv and fleet.json into a folder.

Exit code 0: all are ready; 2: a host is blocked; 4: one is undecided, or a file
could not be read; 3: warnings, with --fail-on warn (or high, medium).

    migimg report web01.json
    migimg report web01.json --format html --lang ja >web01.html
    migimg report --merge reports/ --output merged/
    migimg report --merge reports/ --target tencent --format csv`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "merge", Usage: "make one report of those of many hosts"},
			&cli.StringFlag{Name: "output", Usage: "`DIR` for fleet.html, fleet.csv and fleet.json, made if it is not there; with --merge"},
			&cli.StringFlag{Name: "target", Usage: "clouds that hosts are to be ready for, separated by commas; with --merge", DefaultText: "those that each report is for"},
			formatFlag(append(reportFormats(), "csv")...),
			langFlag(),
			&cli.StringFlag{Name: "fail-on", Value: "blocker", Usage: strings.Join(preflight.FailOn, ", ")},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "list what passed, too; of merged reports all causes and files"},
		},
		Action: func(c *cli.Context) error {
			t, err := textsFrom(c)
			if err := errors.Join(err, preflight.ValidFailOn(c.String("fail-on"))); err != nil {
				return err
			}
			o := render.Options{Color: colorful(os.Stdout), Verbose: c.Bool("verbose"), Width: columns(), Texts: t}
			if c.Bool("merge") {
				return mergeReports(c, o)
			}
			for _, name := range []string{"output", "target"} {
				if c.IsSet(name) {
					return fmt.Errorf("--%s goes with --merge", name)
				}
			}
			args, err := arguments(c, "FILE")
			if err != nil {
				return err
			}
			return showReport(c, args[0], o)
		},
	}
}

// showReport prints one report that was made elsewhere.
func showReport(c *cli.Context, path string, o render.Options) error {
	if c.String("format") == "csv" {
		return errors.New("--format csv goes with --merge")
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return fmt.Errorf("%s is a folder: name a file, or use --merge", path)
	}
	r, err := merge.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := writeReport(c.App.Writer, r, c.String("format"), o); err != nil {
		return err
	}
	return exitWith(preflight.ExitCode(r, c.String("fail-on")))
}

func mergeReports(c *cli.Context, o render.Options) error {
	paths := c.Args().Slice()
	if len(paths) == 0 {
		return errors.New("FILE|DIR is missing; usage: migimg report --merge FILE|DIR... --output DIR")
	}
	format := c.String("format")
	write, ok := fleetFormats[format]
	if !ok {
		return fmt.Errorf("--format %s is for one report; merged ones are table, json, html, csv", format)
	}
	p := newProgress()
	f, err := merge.Read(c.Context, paths, merge.Options{Targets: targetWords(c), Progress: func(done, all int) {
		p.say("migimg: %d of %d reports read", done, all)
	}})
	p.done()
	if err != nil {
		return err
	}
	if dir := c.String("output"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("--output: %w", err)
		}
		for _, format := range []string{"html", "csv", "json"} {
			if err := writeWhole(filepath.Join(dir, "fleet."+format), func(w io.Writer) error { return fleetFormats[format](w, f, o) }); err != nil {
				return err
			}
		}
	}
	if err := write(c.App.Writer, f, o); err != nil {
		return err
	}
	return exitWith(f.ExitCode(c.String("fail-on")))
}

// fleetFormats are what merged reports can be printed as.
var fleetFormats = map[string]func(io.Writer, *merge.Fleet, render.Options) error{
	"table": render.FleetTable,
	"json":  func(w io.Writer, f *merge.Fleet, _ render.Options) error { return f.WriteJSON(w, versionString()) },
	"csv":   func(w io.Writer, f *merge.Fleet, _ render.Options) error { return render.FleetCSV(w, f) },
	"html": func(w io.Writer, f *merge.Fleet, o render.Options) error {
		return render.FleetHTML(w, f, versionString(), o)
	},
}

// writeWhole writes a file that is there as a whole or not at all: who looks at the
// old one meanwhile sees that.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}
