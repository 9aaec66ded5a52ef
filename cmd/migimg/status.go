package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
)

// statusPath is the status document below a mount point.
const statusPath = ".migimg/status.json"

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "say what a mount shows, what has been read and what could not be",
		ArgsUsage: "MOUNTPOINT",
		Description: `    migimg status /mnt/migimg
    migimg status /mnt/migimg --format json | jq .reads`,
		Flags: []cli.Flag{formatFlag("table", "json")},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "MOUNTPOINT")
			if err != nil {
				return err
			}
			s, err := readStatus(args[0])
			if err != nil {
				return err
			}
			if c.String("format") == "json" {
				return writeJSON(c.App.Writer, s)
			}
			return folded(c.App.Writer, columns(), s.print)
		},
	}
}

// readStatus reads a mount's status document.
func readStatus(point string) (*status, error) {
	abs, ok := isMountpoint(point)
	if !ok {
		return nil, noMount(abs)
	}
	b, err := os.ReadFile(filepath.Join(abs, statusPath))
	if err != nil {
		return nil, err
	}
	var s status
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(abs, statusPath), err)
	}
	return &s, nil
}

func (s *status) print(w io.Writer) error {
	fmt.Fprintf(w, "source       %s, %s\n", s.Source.Device, human(s.Source.Size))
	fmt.Fprintf(w, "consistency  %s: %s\n", s.Consistency.Level, s.Consistency.Detail)
	fmt.Fprintf(w, "T0           %s\n", s.T0.Format(time.RFC3339))
	fmt.Fprintf(w, "drift        %s\n", s.Drift)
	fmt.Fprintf(w, "carried      %s (%s of the device)\n", human(s.Map.CarriedBytes), share(s.Map.CarriedBytes, s.Source.Size))
	fmt.Fprintf(w, "reads        %s served, %d files open, %s read from the device in %d requests\n\n",
		human(s.Reads.ServedBytes), s.Reads.Open, human(s.Reads.Device.Bytes), s.Reads.Device.Requests)
	if l := s.Load.String(); l != "" {
		fmt.Fprintf(w, "load         %s\n\n", l)
	}
	rows := [][]string{{"FILE", "SIZE", "BYTES", "VIRTUAL", "PLAN"}}
	for _, f := range s.Files {
		rows = append(rows, []string{f.Path, human(f.Size), fmt.Sprint(f.Size), human(f.VirtualSize), f.PlanDigest[:min(12, len(f.PlanDigest))]})
	}
	lines(w, rows)
	for _, f := range s.Files {
		if f.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", f.Path, f.Note)
		}
	}
	for _, a := range s.Absent {
		fmt.Fprintf(w, "no %s image: %s\n", a.Format, a.Reason)
	}
	for _, e := range s.Reads.Errors {
		in := "outside any volume"
		if e.Volume != "" {
			in = "in partition " + e.Volume
			if e.Type != "" {
				in += " (" + e.Type + ")"
			}
		}
		fmt.Fprintf(w, "unreadable: %d bytes at %d, %s; readers got: %s\n", e.Len, e.Off, in, s.Reads.OnError)
	}
	for _, x := range s.Warnings {
		fmt.Fprintln(w, "warning:", x)
	}
	return nil
}
