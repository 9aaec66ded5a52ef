package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
    migimg status /mnt/migimg --format json | jq .readers
    migimg status /mnt/migimg --watch           # until the mount ends
    migimg status /mnt/migimg --watch=10s >log  # a line every ten seconds
    migimg status /mnt/migimg --format prometheus`,
		Flags: []cli.Flag{
			formatFlag("table", "json", "prometheus"),
			&cli.GenericFlag{Name: "watch", Value: new(interval), Usage: "go on until the mount ends, and look again every `[=INTERVAL]`, such as --watch=5s: on a terminal in one place, elsewhere a line or a JSON document each time", DefaultText: "2s"},
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "MOUNTPOINT")
			if err != nil {
				return strayInterval(c, err)
			}
			if every := time.Duration(*c.Generic("watch").(*interval)); every > 0 {
				return watchStatus(c, args[0], every)
			}
			s, err := readStatus(args[0])
			if err != nil {
				return err
			}
			switch c.String("format") {
			case "json":
				return writeJSON(c.App.Writer, s)
			case "prometheus":
				return writeMetrics(c.App.Writer, s, args[0])
			}
			return folded(c.App.Writer, columns(), s.print)
		},
	}
}

// strayInterval finds the interval of --watch among the arguments: a flag that may have
// no value has it behind a =.
func strayInterval(c *cli.Context, err error) error {
	for _, a := range c.Args().Slice() {
		if _, no := time.ParseDuration(a); no == nil && c.IsSet("watch") {
			return fmt.Errorf("the interval of --watch follows a =: --watch=%s", a)
		}
	}
	return err
}

func watchStatus(c *cli.Context, point string, interval time.Duration) error {
	w := watcher{
		read:  func() (*status, error) { return readStatus(point) },
		pause: every(interval), out: c.App.Writer, json: c.String("format") == "json",
	}
	if c.String("format") == "prometheus" {
		return errors.New("--watch is not for --format prometheus: whoever collects metrics asks in intervals of its own")
	}
	f, ok := c.App.Writer.(*os.File)
	w.screen = ok && !w.json && isTerminal(f)
	return w.watch(c.Context)
}

// readStatus reads a mount's status document.
func readStatus(point string) (*status, error) {
	abs, ok := isMountpoint(point)
	if !ok {
		return nil, noMount(abs)
	}
	b, err := os.ReadFile(filepath.Join(abs, statusPath))
	if errors.Is(err, fs.ErrNotExist) { // in the meantime
		return nil, fmt.Errorf("%s %w any more", abs, errMountEnded)
	}
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
	s.printHead(w)
	fmt.Fprintln(w)
	s.printReaders(w)
	s.printFinished(w, len(s.Finished))
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
	s.printTrouble(w)
	return nil
}

func (s *status) printHead(w io.Writer) {
	fmt.Fprintf(w, "source       %s, %s\n", s.Source.Device, human(s.Source.Size))
	fmt.Fprintf(w, "consistency  %s: %s\n", s.Consistency.Level, s.Consistency.Detail)
	fmt.Fprintf(w, "T0           %s\n", s.T0.Format(time.RFC3339))
	fmt.Fprintf(w, "drift        %s\n", s.Drift)
	fmt.Fprintf(w, "carried      %s (%s of the device)\n", human(s.Map.CarriedBytes), share(s.Map.CarriedBytes, s.Source.Size))
	fmt.Fprintf(w, "reads        %s served, %d files open, %s read from the device in %d requests\n",
		human(s.Reads.ServedBytes), s.Reads.Open, human(s.Reads.Device.Bytes), s.Reads.Device.Requests)
	if l := s.Load.String(); l != "" {
		fmt.Fprintf(w, "load         %s\n", l)
	}
}

// printTrouble says what could not be read, and what else the owner should know.
func (s *status) printTrouble(w io.Writer) {
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
}
