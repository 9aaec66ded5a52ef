//go:build integration

package scantest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/all"
	"migimg/internal/need"
	"migimg/internal/shell"
)

// filesystem is what the matrix needs to know to make filesystems of a kind and
// to fill them with files.
//
// Its scripts run with sh -e. DEV is the block device or image file that the
// filesystem is in, SECTOR its sector size, SIZE its length, all in bytes; TMP a
// folder for what they need.
type filesystem struct {
	name    string // what testdata/matrix.sh calls it
	scanner string // the Name of its scanner
	tools   []string
	size    int64 // of the volume
	fills   []Fill
	plain   bool // it has files and folders only
	// mount mounts DEV at DIR, with the options RO, "ro" or "rw". It is what fills
	// the filesystem and reads it back. Where there is no way to mount it, it is
	// empty, and the next ones are used; DEV is an image file then.
	mount string
	// overhead is how many bytes more than the files are counted the filesystem may
	// take, where files do not come by mounting.
	overhead int64
	// load copies the folder SRC into the filesystem. If mkfs does that, load is
	// empty and mkfs runs with SRC set.
	load string
	// remove deletes the files that the lines of LIST name. Without it, and without
	// mount, there is no Fragmented.
	remove string
	// extract copies all files to the empty folder DST.
	extract string
	// check succeeds where the filesystem has no fault. It does not change it.
	check string
	// used prints how many bytes are used, by another tool's word.
	used     string
	variants []variant
}

// variant is one way to make a filesystem.
type variant struct {
	name string
	mkfs string
	// sectors are the sector sizes that it can be made for; 512 if there are none.
	sectors []int64
	// size takes the place of the filesystem's.
	size int64
}

// row is a line of the table.
type row struct {
	name, variant  string
	sector         int64
	fill           Fill
	used, carried  int64
	whole          string
	punch, restore string
}

var fillNames = map[Fill]string{Empty: "empty", Light: "1 %", Half: "50 %", Full: "97 %", Fragmented: "fragmented"}

// TestMatrix makes filesystems in all variants and at all levels, and disks with
// several of them, and shows what a map carries against what is used. MIGIMG_MATRIX
// names the filesystems and disks, or "all"; the table is written to
// MIGIMG_MATRIX_OUT. By itself the test makes a few small ones. testdata/matrix.sh
// runs it.
func TestMatrix(t *testing.T) {
	need.Root(t)
	names := strings.Fields(os.Getenv("MIGIMG_MATRIX"))
	short := len(names) == 0
	if short {
		names = []string{"ext2", "swap", "squashfs"}
	}
	asked := slices.Clone(names)
	scanners := all.Scanners()
	var rows []*row
	for _, f := range filesystems() {
		known := slices.ContainsFunc(scanners, func(s blockmap.Scanner) bool { return s.Name() == f.scanner })
		switch {
		case slices.Contains(names, f.name):
		case !slices.Contains(names, "all"):
			continue
		case !known:
			t.Logf("%s: no scanner; name it to make it all the same", f.name)
			continue
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == f.name })
		need.Tool(t, append([]string{"losetup", "mount", "sh", "cp"}, f.tools...)...)
		rows = append(rows, f.run(t, scanners, short)...)
	}
	for i, d := range composites() {
		if short && i == 0 || slices.ContainsFunc(asked, func(n string) bool { return n == "all" || n == "disks" || n == d.name }) {
			names = slices.DeleteFunc(names, func(n string) bool { return n == "disks" || n == d.name })
			rows = append(rows, d.run(t, scanners, short)...)
		}
	}
	if len(names) > 0 && names[0] != "all" {
		t.Errorf("no such filesystem: %q", names)
	}
	if out := os.Getenv("MIGIMG_MATRIX_OUT"); out != "" {
		if err := os.WriteFile(out, []byte(table(rows)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// run makes all cases of a filesystem; with short, its first variant half full.
func (f *filesystem) run(t *testing.T, scanners []blockmap.Scanner, short bool) (rows []*row) {
	for _, v := range f.variants {
		if len(v.sectors) == 0 {
			v.sectors = []int64{512}
		}
		for _, sector := range v.sectors {
			for _, fill := range f.fills {
				if short && len(rows) > 0 {
					return rows
				}
				if short && slices.Contains(f.fills, Half) {
					fill = Half
				}
				r := &row{name: f.name, variant: v.name, sector: sector, fill: fill, punch: "not run", restore: "not run"}
				rows = append(rows, r)
				t.Run(fmt.Sprintf("%s/%s/%d/%s", f.name, v.name, sector, fillNames[fill]), func(t *testing.T) {
					m := &matrixCase{filesystem: f, variant: v, out: r, scanners: scanners, t: t, dir: t.TempDir()}
					m.run()
				})
			}
		}
	}
	return rows
}

// matrixCase is one filesystem being made and checked.
type matrixCase struct {
	*filesystem
	variant
	out      *row
	scanners []blockmap.Scanner
	t        *testing.T
	dir      string
}

func (c *matrixCase) run() {
	size := c.bytes()
	img := filepath.Join(c.dir, "disk.img")
	with(c.t, img, func(f *os.File) {
		if err := f.Truncate(size); err != nil {
			c.t.Fatal(err)
		}
	})
	c.make(img, size)
	c.attached(img, func(dev string) {
		c.script(c.check, dev)
		var err error
		if c.out.used, err = strconv.ParseInt(strings.TrimSpace(c.script(c.used, dev)), 10, 64); err != nil {
			c.t.Fatalf("used: %v", err)
		}
	})
	files := c.files(img)
	if len(files) < 10 && c.out.fill != Empty {
		c.t.Fatalf("only %d files: %v", len(files), files)
	}
	file, err := os.Open(img)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(file, size, c.out.sector), c.scanners, blockmap.ScanOptions{Still: func(string) bool { return true }})
	if err != nil {
		c.t.Fatal(err)
	}
	c.out.carried, c.out.whole = m.Bytes(), info.Whole
	c.out.mustBeLean(c.t)

	again := func(name string, write func(t *testing.T, f *os.File)) string {
		copied := filepath.Join(c.dir, name+".img")
		if !c.t.Run(name, func(t *testing.T) {
			in := *c
			in.t = t
			with(t, copied, func(f *os.File) { write(t, f) })
			in.attached(copied, func(dev string) { in.script(in.check, dev) })
			files.mustEqual(t, in.files(copied))
		}) {
			return "FAILED"
		}
		_ = os.Remove(copied)
		return "ok"
	}
	view := blockmap.NewView(file, m)
	copyRange := func(t *testing.T, f *os.File, r blockmap.Range) {
		if _, err := io.Copy(io.NewOffsetWriter(f, r.Off), io.NewSectionReader(view, r.Off, r.Len)); err != nil {
			t.Fatal(err)
		}
	}
	c.out.punch = again("punch", func(t *testing.T, f *os.File) {
		shell.Run(t, `cp --sparse=always "$A" "$B"`, "A="+img, "B="+f.Name())
		for _, r := range freeRanges(m, size) {
			garbage(t, f, r)
		}
	})
	c.out.restore = again("restore", func(t *testing.T, f *os.File) {
		garbage(t, f, blockmap.Range{Len: size})
		for r := range m.Ranges(0, size) {
			copyRange(t, f, r)
		}
	})
}

// mustBeLean bounds what may be carried more than is used: 3 % and 16 MiB.
func (r *row) mustBeLean(t *testing.T) {
	t.Helper()
	if limit := r.used + r.used*3/100 + 16*mib; r.carried > limit {
		t.Errorf("carried %d bytes, the limit for %d used is %d", r.carried, r.used, limit)
	}
}

// table is the rows in Markdown.
func table(rows []*row) string {
	var b strings.Builder
	b.WriteString("| filesystem | variant | sector | fill | used, KiB | carried, KiB | carried/used | punch | restore |\n")
	b.WriteString("|---|---|---:|---|---:|---:|---:|---|---|\n")
	for _, r := range rows {
		ratio := "-"
		if r.whole != "" {
			ratio = "whole: " + r.whole
		} else if r.used > 0 {
			ratio = fmt.Sprintf("%.3f", float64(r.carried)/float64(r.used))
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %d | %d | %s | %s | %s |\n",
			r.name, r.variant, r.sector, fillNames[r.fill], r.used>>10, r.carried>>10, ratio, r.punch, r.restore)
	}
	return b.String()
}
