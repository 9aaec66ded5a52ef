package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"migimg/blockmap"
)

func mapCommand() *cli.Command {
	return &cli.Command{
		Name:      "map",
		Usage:     "draw what of devices images would carry",
		ArgsUsage: "DEVICE...",
		Description: `--format ranges prints one carried run a line, offset TAB length in bytes, to the
filesystem's block; everything else is read as zeros. Of several disks the disk's name
and a TAB come first. What lies on more than one of them is drawn below them.

    migimg map /dev/sda
    migimg map /dev/sda /dev/sdb
    migimg map /dev/sda --check
    migimg map /dev/sda --format ranges | awk '{n += $2} END {print n}'`,
		Flags: append(sourceFlags(), formatFlag("table", "json", "ranges"),
			&cli.BoolFlag{Name: "check", Usage: "compare with what the filesystems' own programs say is free (needs root); exit code 2 if the map frees more"}),
		Action: func(c *cli.Context) error {
			devices, err := devicesOr(c, "DEVICE")
			if err != nil {
				return err
			}
			if abs, ok := isMountpoint(devices[0]); ok {
				return fmt.Errorf("%s is a mount; its map is %s/"+mapPath, abs, abs)
			}
			s, err := openFrom(c, devices)
			if err != nil {
				return err
			}
			defer s.Close()
			if c.Bool("check") {
				return mapCheck(c, s)
			}
			switch c.String("format") {
			case "json":
				return writeJSON(c.App.Writer, s.maps())
			case "ranges":
				return s.printRanges(c.App.Writer)
			}
			return folded(c.App.Writer, columns(), func(w io.Writer) error {
				s.draw(w, columns())
				return nil
			})
		},
	}
}

// maps is what the command prints of a disk alone, or of several.
func (s *source) maps() any {
	if len(s.disks) == 1 {
		return s.disks[0].mapDocument(s.disks[0].planned[0], false)
	}
	var all machineMap
	for _, d := range s.disks {
		all.Disks = append(all.Disks, namedMap{d.name, d.mapDocument(d.planned[0], false)})
	}
	all.Across = s.across()
	return all
}

// machineMap is the maps of several disks.
type machineMap struct {
	Disks []namedMap `json:"disks"`
	// Across are the volumes that lie in several volumes of them.
	Across []*blockmap.VolumeInfo `json:"across,omitempty"`
}

type namedMap struct {
	Name string `json:"name"`
	mapDocument
}

// printRanges prints what is carried.
func (s *source) printRanges(to io.Writer) error {
	w := bufio.NewWriter(to)
	for _, d := range s.disks {
		for r := range d.blocks.Ranges(0, d.blocks.Size()) {
			if d.name != "" {
				fmt.Fprintf(w, "%s\t", d.name)
			}
			fmt.Fprintf(w, "%d\t%d\n", r.Off, r.Len)
		}
	}
	return w.Flush()
}

// barCells is the width of the bar, in characters.
const barCells = 32

// draw prints one line per volume with a bar of used and free, and a second one for
// what it is where width columns are not enough.
func (s *source) draw(w io.Writer, width int) {
	for _, d := range s.disks {
		d.draw(w, width)
	}
	if len(s.disks) > 1 && len(s.across()) > 0 {
		fmt.Fprintf(w, "on several disks\n\n")
		rows := [][]string{{"VOLUME", "TYPE", "", "SIZE", "CARRIED", "", "", "WHAT"}}
		for _, v := range s.across() {
			for x := range v.All() {
				rows = append(rows, s.row(x, x.Name, x.Start))
			}
		}
		drawRows(w, rows, width)
	}
	for _, warning := range s.warnings() {
		fmt.Fprintln(w, "warning:", warning)
	}
}

// draw draws the disk.
func (d *disk) draw(w io.Writer, width int) {
	fmt.Fprintf(w, "%s  %s  %s  carried %s (%s)\n\n", d.dev.Path(), human(d.dev.Size()), d.tableName(),
		human(d.blocks.Bytes()), share(d.blocks.Bytes(), d.dev.Size()))
	if n := d.blocks.Size(); n != d.dev.Size() {
		fmt.Fprintf(w, "the images' disk has %s (%d bytes)\n\n", human(n), n)
	}
	rows := [][]string{{"PART", "TYPE", "START", "SIZE", "CARRIED", "", "USED AND FREE", "WHAT"}}
	for v := range d.node().All() {
		if v == d.node() && len(v.Children) > 0 {
			continue // the line above is about it
		}
		name, _ := d.own(v.Name)
		start := v.Start
		if start >= 0 {
			start -= d.at.Off
		}
		rows = append(rows, d.src.row(v, name, start))
	}
	drawRows(w, rows, width)
	if d.name != "" {
		fmt.Fprintln(w)
	}
}

// row is the line of a volume that is called name and begins at start.
func (s *source) row(v *blockmap.VolumeInfo, name string, at int64) []string {
	start := "-"
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = strings.Repeat("  ", strings.Count(name, "/")) + name[i+1:]
	}
	if at >= 0 {
		start = human(at)
	}
	return []string{or(name, "-"), or(v.Type, "unknown"), start, human(v.Size), human(v.Carried), share(v.Carried, v.Size), s.bar(v), s.describe(v)}
}

// drawRows prints a table whose last column goes below the others where they do not
// fit together.
func drawRows(w io.Writer, rows [][]string, width int) {
	var whole, narrow bytes.Buffer
	lines(&whole, rows)
	widest := 0
	for line := range strings.Lines(whole.String()) {
		widest = max(widest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	if width == 0 || widest <= width {
		_, _ = whole.WriteTo(w)
		return
	}
	var last []string
	for i, r := range rows {
		last = append(last, r[len(r)-1])
		rows[i] = r[:len(r)-1]
	}
	lines(&narrow, rows)
	i := 0
	for line := range strings.Lines(narrow.String()) {
		fmt.Fprint(w, line)
		if i > 0 && last[i] != "" {
			fmt.Fprintln(w, "     ", last[i])
		}
		i++
	}
}

// bar shows how full each part of the volume is.
func (s *source) bar(v *blockmap.VolumeInfo) string {
	steps := []rune(" .:+#")
	if unicode() {
		steps = []rune(" ░▒▓█")
	}
	if v.Start < 0 || v.Size < barCells {
		return ""
	}
	var b strings.Builder
	for i := range int64(barCells) {
		from, to := v.Size/barCells*i, v.Size/barCells*(i+1)
		if i == barCells-1 {
			to = v.Size
		}
		carried, whole := s.carriedIn(v.Start+from, to-from), to-from
		step := int64(0)
		if carried > 0 {
			step = 1 + carried*int64(len(steps)-2)/whole
		}
		b.WriteRune(steps[step])
	}
	return "[" + b.String() + "]"
}

// describe is what a person knows the volume by.
func (s *source) describe(v *blockmap.VolumeInfo) string {
	var words []string
	for _, u := range s.uses {
		if u.Kind == "mount" && s.volumeOf(u) == v.Name {
			words = append(words, u.Point)
		}
	}
	if v.Label != "" {
		words = append(words, fmt.Sprintf("%q", v.Label))
	}
	if v.UUID != "" {
		words = append(words, v.UUID)
	}
	switch {
	case v.LeftOut:
		words = append(words, "left out")
	case v.Whole != "":
		words = append(words, "carried whole: "+v.Whole)
	}
	return strings.Join(words, "  ")
}

func (d *disk) tableName() string {
	if d.table.Kind == "none" || d.table.Kind == "" {
		return "no partition table"
	}
	return string(d.table.Kind)
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
