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
		ArgsUsage: "DEVICE...|MOUNTPOINT FILE",
		Description: `    migimg inspect /mnt/migimg disk.qcow2
    migimg inspect /dev/sda disk.vmdk --format json`,
		Flags: append(sourceFlags(), formatFlag("table", "json")),
		Action: func(c *cli.Context) error {
			devices, file, err := devicesAnd(c, "FILE")
			if err != nil {
				return err
			}
			files, absent, err := plannedFiles(c, devices)
			if err != nil {
				return err
			}
			var names []string
			for _, f := range files {
				names = append(names, f.Path)
				if f.Path == filepath.Clean(file) {
					if c.String("format") == "json" {
						return writeJSON(c.App.Writer, f)
					}
					return printSegments(c, f)
				}
			}
			for _, a := range absent {
				if "disk."+a.Format == filepath.Base(file) {
					return fmt.Errorf("there is no %s: %s", file, a.Reason)
				}
			}
			return fmt.Errorf("there is no %s; there is %s", file, strings.Join(names, ", "))
		},
	}
}

// plannedFiles are the files of a mount, or those that a device would have.
func plannedFiles(c *cli.Context, devices []string) ([]fileStatus, []absence, error) {
	if abs, ok := isMountpoint(devices[0]); ok && len(devices) == 1 {
		s, err := readStatus(abs)
		if err != nil {
			return nil, nil, err
		}
		return s.Files, s.Absent, nil
	}
	s, err := openFrom(c, devices)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	var absent []absence
	for _, d := range s.disks {
		absent = append(absent, d.absent...)
	}
	return s.fileStatus(s.images(), ""), absent, nil
}

// openFrom opens devices with the options of the command line.
func openFrom(c *cli.Context, devices []string) (*source, error) {
	o, err := sourceOptionsFrom(c)
	if err != nil {
		return nil, err
	}
	o.progress = newProgress()
	defer o.progress.done()
	return open(c.Context, devices, o)
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
