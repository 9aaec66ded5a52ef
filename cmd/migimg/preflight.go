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
	"golang.org/x/sys/unix"

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
    migimg preflight /dev/sda --format json | jq .summary`,
		Flags: append(sourceFlags(),
			formatFlag("table", "json"),
			&cli.StringFlag{Name: "target", Usage: "clouds to judge for, separated by commas", DefaultText: "all"},
			targetDirFlag(),
			&cli.StringFlag{Name: "explain", Usage: "one check in full, by its ID: evidence, consequence, what to do"},
			&cli.StringFlag{Name: "fail-on", Value: "blocker", Usage: strings.Join(preflight.FailOn, ", ")},
			&cli.BoolFlag{Name: "template", Usage: "many machines are made of the image: nothing in it may be of this one"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "list what passed, too"},
		),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "DEVICE|MOUNTPOINT")
			if err != nil {
				return err
			}
			ts, err := targetsFrom(c)
			if err := errors.Join(err, preflight.ValidFailOn(c.String("fail-on"))); err != nil {
				return err
			}
			r, err := preflightReport(c, args[0], ts)
			if err != nil {
				return err
			}
			switch {
			case c.String("explain") != "":
				return render.Explain(c.App.Writer, r, c.String("explain"))
			case c.String("format") == "json":
				err = writeJSON(c.App.Writer, r)
			default:
				err = render.Table(c.App.Writer, r, render.Options{Color: colorful(os.Stdout), Verbose: c.Bool("verbose"), Width: columns()})
			}
			if err != nil {
				return err
			}
			return exitWith(preflight.ExitCode(r, c.String("fail-on")))
		},
	}
}

// preflightReport is the report of a mount, where it judges for the targets that
// are wanted, or a new one of the device.
func preflightReport(c *cli.Context, path string, ts []*targets.Target) (*preflight.Report, error) {
	if abs, ok := isMountpoint(path); ok {
		b, err := os.ReadFile(filepath.Join(abs, "preflight.json"))
		if err != nil {
			return nil, err
		}
		var r preflight.Report
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("%s/preflight.json: %w", abs, err)
		}
		// Files given now are not those that the mount has read.
		if c.String("target-dir") == "" && !c.Bool("template") && (c.String("target") == "" || judgesFor(&r, ts)) {
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
	return runPreflight(c.Context, s, preflight.Options{Profiles: ts, Template: c.Bool("template")})
}

// judgesFor says whether the report is for exactly the wanted targets.
func judgesFor(r *preflight.Report, want []*targets.Target) bool {
	return slices.EqualFunc(r.Targets, want, func(a preflight.TargetInfo, b *targets.Target) bool { return a.ID == b.ID })
}

func runPreflight(ctx context.Context, s *source, o preflight.Options) (*preflight.Report, error) {
	o.Version = versionString()
	return preflight.Run(ctx, s.facts(), o)
}

// facts is what preflight is told of the disk, as the image has it.
func (s *source) facts() preflight.Source {
	src := preflight.Source{
		Device: s.path, Image: !s.dev.Block(), Size: s.blocks.Size(), SectorSize: s.dev.SectorSize(),
		Table: s.table, Volumes: s.volumes, View: s.view, RawPath: s.path,
		Carried: s.blocks.Bytes(), Consistency: s.consistency.Level,
	}
	if s.imageTable != nil { // else what to carry is just being decided
		carried := *s.volumes
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

// columns is the terminal's width, 0 where stdout is none.
func columns() int {
	ws, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(ws.Col)
}
