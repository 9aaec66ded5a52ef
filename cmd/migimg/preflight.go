package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"migimg/blockmap"
	"migimg/preflight"
	"migimg/preflight/render"
	"migimg/preflight/targets"
)

func preflightCommand() *cli.Command {
	return &cli.Command{
		Name:      "preflight",
		Usage:     "say whether a cloud will take the disk, and whether it will boot there",
		ArgsUsage: "DEVICE|MOUNTPOINT",
		Description: `Exit code 0: ready; 2: something blocks the move; 4: something that matters could
not be found out; 3: warnings, with --fail-on warn (or from a severity on: high,
medium). --fail-on never is 0 whatever was found.

    migimg preflight /dev/sda --target tencent
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
			args, err := arguments(c, "DEVICE|MOUNTPOINT")
			if err != nil {
				return err
			}
			o, err := reportOptionsFrom(c)
			if err := errors.Join(err, preflight.ValidFailOn(c.String("fail-on"))); err != nil {
				return err
			}
			r, err := preflightReport(c, args[0], o)
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
// one of the device.
func preflightReport(c *cli.Context, path string, o reportOptions) (*preflight.Report, error) {
	if abs, ok := isMountpoint(path); ok {
		b, err := os.ReadFile(filepath.Join(abs, "preflight.json"))
		if err != nil {
			return nil, err
		}
		var r preflight.Report
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("%s/preflight.json: %w", abs, err)
		}
		if fits(&r, o) {
			return &r, nil
		}
		s, err := readStatus(abs)
		if err != nil {
			return nil, err
		}
		path = s.Source.Device
	}
	s, err := openFrom(c, path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	p := newProgress()
	defer p.done()
	p.say("migimg: reading the system on %s", path)
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

// facts is what preflight is told of the disk, as the image has it.
func (s *source) facts() preflight.Source {
	src := preflight.Source{
		Device: s.path, Image: !s.dev.Block(), Size: s.blocks.Size(), SectorSize: s.dev.SectorSize(),
		Table: s.table, Volumes: s.volumes, View: s.view, RawPath: s.path,
		Carried: s.blocks.Bytes(), CarriedIn: s.blocks.BytesIn, Consistency: s.consistency.Level, Drift: s.driftFacts(context.Background()),
	}
	if s.imageTable != nil { // else what to carry is just being decided
		carried := *s.volumes
		for _, v := range s.volumes.Children {
			if v.LeftOut {
				src.LeftOut = append(src.LeftOut, v)
			}
		}
		carried.Children = slices.DeleteFunc(slices.Clone(s.volumes.Children), func(v *blockmap.VolumeInfo) bool { return v.LeftOut })
		src.Table, src.Volumes, src.SectorSize = s.imageTable, &carried, s.sectorSize()
	}
	for _, u := range s.uses {
		if u.Kind != "mount" {
			continue
		}
		src.Mounts = append(src.Mounts, preflight.Mount{Device: "/dev/" + u.Device, Partition: s.volumeOf(u), Point: u.Point, FSType: u.FSType, ReadWrite: u.Write})
	}
	for _, im := range s.images {
		src.Outputs = append(src.Outputs, preflight.OutputInfo{Format: im.encoder, Path: im.Path, Size: im.Layout.Size(), VirtualSize: im.VirtualSize})
	}
	for _, a := range s.absent {
		src.Outputs = append(src.Outputs, preflight.OutputInfo{Format: a.Format, Err: a.Reason})
	}
	return src
}
