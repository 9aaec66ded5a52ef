package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
)

func inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "list what an image file consists of",
		ArgsUsage: "DEVICE|MOUNTPOINT FILE",
		Description: `    migimg inspect /mnt/migimg disk.qcow2
    migimg inspect /dev/sda disk.vmdk --format json`,
		Flags: append(sourceFlags(), formatFlag("table", "json")),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "DEVICE|MOUNTPOINT", "FILE")
			if err != nil {
				return err
			}
			files, absent, err := plannedFiles(c, args[0])
			if err != nil {
				return err
			}
			var names []string
			for _, f := range files {
				names = append(names, f.Path)
				if f.Path == filepath.Clean(args[1]) {
					if c.String("format") == "json" {
						return writeJSON(c.App.Writer, f)
					}
					return printSegments(c, f)
				}
			}
			for _, a := range absent {
				if "disk."+a.Format == args[1] {
					return fmt.Errorf("there is no %s: %s", args[1], a.Reason)
				}
			}
			return fmt.Errorf("there is no %s; there is %s", args[1], strings.Join(names, ", "))
		},
	}
}

// plannedFiles are the files of a mount, or those that a device would have.
func plannedFiles(c *cli.Context, path string) ([]fileStatus, []absence, error) {
	if abs, ok := isMountpoint(path); ok {
		s, err := readStatus(abs)
		if err != nil {
			return nil, nil, err
		}
		return s.Files, s.Absent, nil
	}
	s, err := openFrom(c, path)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	return s.fileStatus(), s.absent, nil
}

// openFrom opens a device with the options of the command line.
func openFrom(c *cli.Context, path string) (*source, error) {
	o, err := sourceOptionsFrom(c)
	if err != nil {
		return nil, err
	}
	o.progress = newProgress()
	defer o.progress.done()
	return open(c.Context, path, o)
}

func printSegments(c *cli.Context, f fileStatus) error {
	rows := [][]string{{"SEGMENT", "KIND", "OFFSET", "LENGTH", "RECORDS"}}
	for _, s := range f.Segments {
		records := ""
		if s.Records > 0 {
			records = fmt.Sprintf("%d of %d", s.Records, s.RecordLength)
		}
		rows = append(rows, []string{s.Name, s.Kind, fmt.Sprint(s.Offset), fmt.Sprint(s.Length), records})
	}
	fmt.Fprintf(c.App.Writer, "%s: %s, %d bytes, virtual size %d\n\n", f.Path, f.Format, f.Size, f.VirtualSize)
	lines(c.App.Writer, rows)
	return nil
}
