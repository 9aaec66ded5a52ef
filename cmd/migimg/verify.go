package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/ptable"
	"migimg/verify"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "read images back and compare them with the device",
		ArgsUsage: "MOUNTPOINT | IMAGE",
		Description: `Structure, content and partition table are checked by decoders of their own and,
where it is installed, by qemu-img. Without --source the content of an IMAGE is
decoded, but there is nothing to compare it with. Exit code 2: something is
wrong; 4: something could not be found out.

    migimg verify /mnt/migimg
    migimg verify /mnt/sdb/disk.qcow2 --source /mnt/migimg
    migimg verify disk.vhd --source /dev/sda --format json`,
		Flags: append(sourceFlags(),
			formatFlag("table", "json"),
			&cli.StringFlag{Name: "source", Usage: "the DEVICE, or the MOUNTPOINT, that the image was copied from"},
			&cli.StringFlag{Name: "image-format", Usage: "raw, qcow2, vhd or vmdk", DefaultText: "by content"},
		),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "MOUNTPOINT or IMAGE")
			if err != nil {
				return err
			}
			reports, err := verifyAll(c, args[0])
			if err != nil {
				return err
			}
			if c.String("format") == "json" {
				err = writeJSON(c.App.Writer, map[string]any{"schema_version": "1.0", "images": reports})
			} else {
				err = verify.WriteTable(c.App.Writer, reports...)
			}
			if err != nil {
				return err
			}
			return exitWith(verdictCode(reports))
		},
	}
}

func verdictCode(reports []*verify.Report) int {
	code := exitOK
	for _, r := range reports {
		switch {
		case r.Undecided() && code == exitOK:
			code = exitUndecided
		case !r.OK() && !r.Undecided():
			code = exitFindings
		}
	}
	return code
}

// verifyAll verifies all images of a mount, or one image.
func verifyAll(c *cli.Context, path string) ([]*verify.Report, error) {
	o := verify.Options{Tools: true}
	p := newProgress()
	defer p.done()
	source := c.String("source")
	abs, mounted := isMountpoint(path)
	if mounted {
		switch {
		case source != "":
			return nil, errors.New("--source goes with an IMAGE; a mount knows its own")
		case c.IsSet("image-format"):
			return nil, errors.New("--image-format goes with an IMAGE; a mount knows its own")
		}
		source = abs
	}
	if source != "" {
		src, release, err := openSource(c, source, p)
		if err != nil {
			return nil, err
		}
		defer release()
		o.Source = src
	}
	if !mounted {
		r, err := verifyFile(c, path, c.String("image-format"), o, p)
		return []*verify.Report{r}, err
	}
	s, err := readStatus(abs)
	if err != nil {
		return nil, err
	}
	var reports []*verify.Report
	for _, f := range s.Files {
		r, err := verifyFile(c, filepath.Join(abs, f.Path), f.Format, o, p)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func verifyFile(c *cli.Context, path, format string, o verify.Options, p *progress) (*verify.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is neither an image file nor a migimg mount", path)
	}
	if (marker{path}).incomplete() {
		return nil, fmt.Errorf("%s: a sync of it has not been completed, so it is of no moment at all: sync it again", path)
	}
	o.Progress = func(done, total int64) { p.say("migimg: verifying %s: %s of %s", path, human(done), human(total)) }
	return verify.Check(c.Context, verify.Image{Name: path, Format: format, R: f, Size: st.Size(), Path: path}, o)
}

// openSource opens what an image is compared with: the device of a mount, by
// that mount's map, or a device that is mapped now.
func openSource(c *cli.Context, path string, p *progress) (*verify.Source, func(), error) {
	abs, mounted := isMountpoint(path)
	if !mounted {
		o, err := sourceOptionsFrom(c)
		if err != nil {
			return nil, nil, err
		}
		o.progress = p
		s, err := open(c.Context, path, o)
		if err != nil {
			return nil, nil, err
		}
		src := &verify.Source{R: s.edit.View(endless{s.dev, s.dev.Size()}), Size: s.blocks.Size(), Where: where(s.volumes), Carried: func(yield func(verify.Range) bool) {
			for r := range s.blocks.Ranges(0, s.blocks.Size()) {
				if !yield(verify.Range(r)) {
					return
				}
			}
		}}
		return src, s.Close, nil
	}
	b, err := os.ReadFile(filepath.Join(abs, ".migimg/map.json"))
	if err != nil {
		return nil, nil, err
	}
	var doc mapDocument
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, nil, fmt.Errorf("%s/.migimg/map.json: %w", abs, err)
	}
	dev, err := device.Open(doc.Source.Device)
	if err != nil {
		return nil, nil, err
	}
	if dev.Size() != doc.Source.Size {
		dev.Close()
		return nil, nil, fmt.Errorf("%s had %d bytes when it was mounted and has %d now: mount it again", doc.Source.Device, doc.Source.Size, dev.Size())
	}
	edit := ptable.Edit{Patches: doc.Patches}
	src := &verify.Source{R: edit.View(endless{dev, dev.Size()}), Size: doc.Map.DiskSize, Carried: pairs(doc.Ranges), Where: where(doc.Volumes)}
	return src, dev.Close, nil
}

// endless has zeros beyond the device's end: the images' disk may be larger.
type endless struct {
	io.ReaderAt
	size int64
}

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	n := max(0, min(int64(len(p)), e.size-off))
	clear(p[n:])
	if m, err := e.ReaderAt.ReadAt(p[:n], off); int64(m) < n {
		return m, err
	}
	return len(p), nil
}

func pairs(list [][2]int64) iter.Seq[verify.Range] {
	return func(yield func(verify.Range) bool) {
		for _, r := range list {
			if !yield(verify.Range{Off: r[0], Len: r[1]}) {
				return
			}
		}
	}
}

// where names what lies at an offset of the device.
func where(root *blockmap.VolumeInfo) func(off int64) string {
	return func(off int64) string {
		v := volumeAt(root, off)
		switch {
		case v.Name != "" && v.Type != "":
			return fmt.Sprintf("%s (%s)", volumeWord(v.Name), v.Type)
		case v.Name != "":
			return volumeWord(v.Name)
		case len(root.Children) > 0:
			return "outside any partition"
		}
		return or(root.Type, "the device")
	}
}
