package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"migimg/preflight"
	"migimg/preflight/render"
	"migimg/preflight/targets"
)

func preflightCommand() *cli.Command {
	return &cli.Command{
		Name:      "preflight",
		Usage:     "say whether a cloud will take the disk, and whether it will boot there",
		ArgsUsage: "DEVICE...|MOUNTPOINT",
		Description: `Exit code 0: ready; 2: something blocks the move; 4: something that matters could
not be found out; 3: warnings, with --fail-on warn (or from a severity on: high,
medium). --fail-on never is 0 whatever was found.

Several disks of a machine are judged as a whole.

    migimg preflight /dev/sda --target tencent
    migimg preflight /dev/sda /dev/sdb
    migimg preflight /mnt/migimg --explain driver.boot-disk
    migimg preflight /dev/sda --format json | jq .summary
    migimg preflight /dev/sda --format html --lang ja >report.html`,
		Flags: append(append(reportFlags(), sourceFlags()...),
			formatFlag(reportFormats()...),
			&cli.BoolFlag{Name: "schema", Usage: "print the JSON Schema of preflight.json, and do nothing else"},
			&cli.StringFlag{Name: "explain", Usage: "one check in full, by its ID: evidence, consequence, what to do"},
			&cli.StringFlag{Name: "fail-on", Value: "blocker", Usage: strings.Join(preflight.FailOn, ", ")},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "list what passed, too"},
		),
		Action: func(c *cli.Context) error {
			if c.Bool("schema") {
				_, err := c.App.Writer.Write(preflight.Schema())
				return err
			}
			devices, err := devicesOr(c, "DEVICE|MOUNTPOINT")
			if err != nil {
				return err
			}
			o, err := reportOptionsFrom(c)
			if err := errors.Join(err, preflight.ValidFailOn(c.String("fail-on"))); err != nil {
				return err
			}
			r, err := preflightReport(c, devices, o)
			if err != nil {
				return err
			}
			ro := render.Options{Color: colorful(os.Stdout), Verbose: c.Bool("verbose"), Width: columns(), Texts: o.texts}
			if id := c.String("explain"); id != "" {
				return render.Explain(c.App.Writer, r, id, ro)
			}
			if err := writeReport(c.App.Writer, r, c.String("format"), ro); err != nil {
				return err
			}
			warnOfWaivers(r, c.String("format"))
			return exitWith(preflight.ExitCode(r, c.String("fail-on")))
		},
	}
}

// preflightReport is the report of a mount, where it is what is wanted, or a new
// one of the devices.
func preflightReport(c *cli.Context, devices []string, o reportOptions) (*preflight.Report, error) {
	if abs, ok := isMountpoint(devices[0]); ok && len(devices) == 1 {
		if m, _, ok := machineOf(abs); ok { // the report is the machine's
			abs = m
		}
		b, err := os.ReadFile(filepath.Join(abs, "preflight.json"))
		if err != nil {
			return nil, err
		}
		r, err := preflight.Read(b)
		if err != nil {
			return nil, fmt.Errorf("%s/preflight.json: %w", abs, err)
		}
		if fits(r, o) {
			return r, nil
		}
		s, err := readStatus(abs)
		if err != nil {
			return nil, err
		}
		devices = s.devices()
	}
	s, err := openFrom(c, devices)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p := newProgress()
	defer p.done()
	p.say("migimg: reading the system on %s", s.named())
	return runPreflight(c.Context, s, o, 0, nil)
}

// fits says whether a report is for exactly the wanted targets (none means that
// any will do) and says no more and no less than is wanted.
func fits(r *preflight.Report, o reportOptions) bool {
	// Files given now are not those that the mount has read.
	if o.dir != "" || len(o.waivers) > 0 || o.template || o.anonymous && r.Redaction != "full" {
		return false
	}
	return o.all || slices.EqualFunc(r.Targets, o.targets, func(a preflight.TargetInfo, b *targets.Target) bool { return a.ID == b.ID })
}

// runPreflight makes a report; a watch, if any, learns what it was read from.
func runPreflight(ctx context.Context, s *source, o reportOptions, generation int, w *preflight.Watch) (*preflight.Report, error) {
	return preflight.Run(ctx, s.facts(), preflight.Options{Profiles: o.targets, Version: versionString(), Generation: generation,
		Template: o.template, Waivers: o.waivers, Anonymous: o.anonymous, Watch: w})
}
