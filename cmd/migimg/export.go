package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"migimg/encoders"
	formats "migimg/encoders/all"
	"migimg/encoders/layout"
	"migimg/verify/manifest"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write one image in one go, without a mount",
		ArgsUsage: "DEVICE... FILE|-",
		Description: `For pipes, and for rescue systems without FUSE. FILE's name says the format; - is
standard output. What is carried is read once (twice with --compress). Several disks go
into one ova, the one that the machine starts from first.

FILE is marked as incomplete until it is whole. Where export was interrupted, --resume
goes on, as long as the disk is what it was: its plan is the same.

    migimg export /dev/sda /mnt/sdb/server.qcow2
    migimg export --image-format raw.zst /dev/sda - | ssh backup 'cat >s.zst'
    migimg export --compress zstd --resume /dev/sda /mnt/sdb/server.qcow2
    migimg export /dev/sda /dev/sdb /mnt/backup/server.ova
    migimg export --manifest /mnt/sdb/s.json /dev/sda /mnt/sdb/server.vhd`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "image-format", Usage: strings.Join(exportFormats(), ", "), DefaultText: "by FILE's name"},
			&cli.StringFlag{Name: "manifest", Usage: "also write the manifest, with which migimg verify proves copies of FILE, to this `FILE` (what an earlier run wrote has no sums after --resume)"},
			&cli.BoolFlag{Name: "resume", Usage: "go on with a FILE that an interrupted export left"},
		}, slices.Concat(compressFlags(), momentFlags(), loadFlags(), sourceFlags())...),
		Action: func(c *cli.Context) error {
			devices, file, err := devicesAnd(c, "FILE or -")
			if err != nil {
				return err
			}
			if len(devices) > 1 && c.IsSet("manifest") {
				return errors.New("--manifest is of one disk: mount several, and take each one's with migimg manifest MOUNTPOINT/DISK")
			}
			x := &export{path: file, resume: c.Bool("resume"), manifest: c.String("manifest"), out: c.App.Writer}
			format, err := exportFormat(c.String("image-format"), file)
			if err != nil {
				return err
			}
			o, err := readingOptionsFrom(c)
			if err != nil {
				return err
			}
			o.formats = []encoders.Encoder{format}
			if c, ok := format.(encoders.Container); ok && len(devices) > 1 {
				o.formats, o.machine = []encoders.Encoder{}, c
			}
			if !x.pipe() {
				if x.path, err = filepath.Abs(x.path); err != nil {
					return err
				}
				o.moment.keep = []string{filepath.Dir(x.path)} // the file is not there yet
			}
			o.progress = newProgress()
			defer o.progress.done()
			return x.run(c.Context, devices, o)
		},
	}
}

// exportFormats are the formats that are one file.
func exportFormats() (names []string) {
	for _, e := range formats.Formats() {
		if !strings.HasPrefix(e.Name(), "vmdk-flat") {
			names = append(names, e.Name())
		}
	}
	return names
}

// exportFormat is the format of the name, or that of the longest ending of path that is
// one.
func exportFormat(name, path string) (encoders.Encoder, error) {
	if name == "" && path == "-" {
		return nil, errors.New("--image-format is needed for standard output")
	}
	if name == "" {
		for _, word := range exportFormats() {
			if strings.HasSuffix(path, "."+word) && len(word) > len(name) {
				name = word
			}
		}
		if strings.HasSuffix(path, ".img") {
			name = "raw"
		}
		if name == "" {
			return nil, fmt.Errorf("%s: its name says no format: end it in .qcow2, .vhd, .vmdk, .raw or the like, or give --image-format", path)
		}
	}
	e, ok := format(name)
	if !ok || !slices.Contains(exportFormats(), name) {
		return nil, fmt.Errorf("--image-format %s is not one of %s", name, strings.Join(exportFormats(), ", "))
	}
	return e, nil
}

// export is one run of the command.
type export struct {
	path     string // absolute, or - for out
	out      io.Writer
	resume   bool
	manifest string // where it is written to; empty: nowhere
}

func (x *export) pipe() bool { return x.path == "-" }

func (x *export) run(ctx context.Context, devices []string, o sourceOptions) error {
	if st, err := os.Stat(x.path); !x.pipe() && err == nil {
		if !st.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file: use - and a redirection if that is meant", x.path)
		}
		if !x.resume {
			return fmt.Errorf("%s is there already: remove it, or use --resume to go on", x.path)
		}
	}
	s, err := open(ctx, devices, o)
	if err != nil {
		return err
	}
	defer s.Close()
	s.warn()
	im, err := s.exported()
	if err != nil {
		return err
	}
	if err := s.elsewhere(x.path); err != nil {
		return err
	}
	if err := o.load.apply(); err != nil {
		return err
	}
	w := &writer{layout: im.Layout, reader: layout.NewReader(im.Layout, im.view), threads: max(2, o.compress.threads), done: func(n int64) {
		o.progress.say("migimg: writing %s: %s of %s", x.path, human(n), human(im.Layout.Size()))
	}}
	if x.pipe() {
		err = w.stream(ctx, x.out)
	} else if err = x.file(ctx, w, im.digest); err != nil {
		err = fmt.Errorf("%w; the file is incomplete: go on with --resume, or throw it away", err)
	}
	if err != nil || x.manifest == "" {
		return err
	}
	return x.writeManifest(im.disks[0].of.manifest())
}

// exported is the one image that was planned.
func (s *source) exported() (image, error) {
	for _, d := range s.disks {
		if len(d.absent) > 0 {
			return image{}, errors.New(d.absent[0].Reason)
		}
	}
	images := s.images()
	if len(images) > 1 {
		return image{}, fmt.Errorf("%s has one disk in it, and here are %d: export them one by one, or all of them as ova", images[0].encoder, len(images))
	}
	return images[0], nil
}

func (x *export) writeManifest(m *manifest.Manifest) error {
	if !x.pipe() {
		m.Files[0].Path = filepath.Base(x.path)
	}
	b, err := marshal(m)
	if err != nil {
		return err
	}
	warnUnknown(m)
	return os.WriteFile(x.manifest, b, 0o600)
}

// file writes FILE, from where an earlier export stopped.
func (x *export) file(ctx context.Context, w *writer, digest string) (err error) {
	f, err := os.OpenFile(x.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	mark, from := marker{x.path}, int64(0)
	if x.resume && mark.incomplete() {
		had, off, err := mark.resumed()
		switch {
		case err != nil:
			return err
		case had != digest:
			return fmt.Errorf("%s was begun with another plan: the disk, or the options, have changed since", x.path)
		}
		from = off
	} else if st, err := f.Stat(); err != nil || st.Size() > 0 {
		return errors.Join(err, fmt.Errorf("%s is no file that an export left: remove it first", x.path))
	}
	if err := mark.begin("export"); err != nil {
		return fmt.Errorf("%s: marking it as incomplete: %w", x.path, err)
	}
	// Without attributes there is no going on, which is no reason not to begin.
	_ = mark.reached(digest, from)
	if err := f.Truncate(w.layout.Size()); err != nil {
		return err
	}
	w.keep, w.kept = keepEvery, func(off int64) { _ = mark.reached(digest, off) }
	if err := w.file(ctx, f, from); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return mark.clear()
}

// elsewhere says why path must not be written: it lies on the device.
func (s *source) elsewhere(path string) error {
	var st unix.Stat_t
	if path == "-" || unix.Stat(filepath.Dir(path), &st) != nil {
		return nil
	}
	for _, u := range s.uses {
		if u.Kind == "mount" && u.Dev == st.Dev {
			return fmt.Errorf("%s lies on a device that is exported (%s): write to another disk, or into a pipe", path, u.Point)
		}
	}
	return nil
}
