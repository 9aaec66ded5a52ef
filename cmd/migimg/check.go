package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"migimg/blockmap"
	"migimg/verify/tool"
)

// opinion is what a filesystem's own program says of a volume, and what the map
// says, in bytes.
type opinion struct {
	Volume  string `json:"volume"`
	Type    string `json:"type"`
	Program string `json:"program,omitempty"`
	Free    int64  `json:"free_by_program"`
	MapFree int64  `json:"free_by_map"`
	// Unknown is why there is nothing to compare with.
	Unknown string `json:"unknown,omitempty"`
}

// worse says that the map takes more for free than the program: no byte may be
// missing, so that is never right.
func (o opinion) worse() bool { return o.Unknown == "" && o.MapFree > o.Free }

// check asks the filesystems' own programs. The error is the context's alone.
func (s *source) check(ctx context.Context) (out []opinion, err error) {
	for v := range s.volumes.All() {
		if v.Container() || v.Type == "" || v.LeftOut {
			continue
		}
		o := opinion{Volume: v.Name, Type: v.Type, MapFree: v.Size - v.Carried}
		switch {
		case v.Whole != "":
			o.Unknown = "carried whole"
		case v.Start < 0:
			o.Unknown = "not in one piece on the device"
		default:
			err := s.ask(ctx, v, &o)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				o.Unknown = err.Error()
			}
		}
		out = append(out, o)
	}
	return out, nil
}

func (s *source) ask(ctx context.Context, v *blockmap.VolumeInfo, o *opinion) error {
	d := s.diskAt(v.Start)
	dev, release, err := tool.Section(ctx, d.path, v.Start-d.at.Off, v.Size)
	if err != nil {
		return err
	}
	o.Free, o.Program, err = tool.Free(ctx, v.Type, dev)
	return errors.Join(err, release())
}

// mapCheck is `migimg map --check`.
func mapCheck(c *cli.Context, s *source) error {
	list, err := s.check(c.Context)
	if err != nil {
		return err
	}
	switch c.String("format") {
	case "json":
		err = writeJSON(c.App.Writer, map[string]any{"volumes": list})
	case "table":
		drawCheck(c.App.Writer, list)
	default:
		return errors.New("--check prints a table or json")
	}
	if err == nil && slices.ContainsFunc(list, opinion.worse) {
		return exitWith(exitFindings)
	}
	return err
}

// drawCheck prints the opinions.
func drawCheck(w io.Writer, list []opinion) {
	rows := [][]string{{"PART", "TYPE", "PROGRAM", "FREE, IT SAYS", "FREE, BY THE MAP", "THE MAP FREES"}}
	for _, o := range list {
		said, differs := human(o.Free), fmt.Sprintf("%d bytes less", o.Free-o.MapFree)
		switch {
		case o.Unknown != "":
			said, differs = "?", o.Unknown
		case o.worse():
			differs = fmt.Sprintf("%d BYTES MORE: please report this", o.MapFree-o.Free)
		case o.MapFree == o.Free:
			differs = "the same"
		}
		rows = append(rows, []string{or(o.Volume, "-"), o.Type, or(o.Program, "-"), said, human(o.MapFree), differs})
	}
	lines(w, rows)
}
