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
	"time"

	"github.com/urfave/cli/v2"

	"migimg/verify/nbd"
	"migimg/verify/tool"
)

func syncCommand() *cli.Command {
	return &cli.Command{
		Name:      "sync",
		Usage:     "bring a finished copy of an image up to now",
		ArgsUsage: "MOUNTPOINT COPY",
		Description: `COPY is a copy of an image of the mount, raw, qcow2, vhd, vhdx or vdi: a file, a
block device, or the address of an NBD server (nbd+unix:///?socket=PATH) that has
one. Only what was written to the device since is written into it, round after
round; for the last one the filesystems are frozen for a moment. The copy is then
exactly the disk of that moment. The mount stays as it is.

While it runs, and where it is interrupted, the copy is marked as incomplete and of
no use; another sync mends it. Formats other than raw need qemu-nbd.

    migimg sync /mnt/migimg /mnt/sdb/disk.qcow2
    migimg sync --max-stall 200ms /mnt/migimg /dev/sdb`,
		Flags: []cli.Flag{
			formatFlag("table", "json"),
			&cli.StringFlag{Name: "copy-format", Usage: "raw, qcow2, vhd, vhdx or vdi", DefaultText: "by the copy's name; raw for a block device"},
			&cli.IntFlag{Name: "rounds", Value: 5, Usage: "at most so many, the last one included"},
			&cli.DurationFlag{Name: "max-stall", Value: 2 * time.Second, Usage: "how long writers may wait in the last round; longer is an error"},
			&cli.StringFlag{Name: "pin-memory", Usage: "memory for what is read in the last round", DefaultText: "a quarter of what is available"},
			&cli.StringFlag{Name: "spool", Usage: "a folder for what of it is more, on another disk"},
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "MOUNTPOINT", "COPY")
			if err != nil {
				return err
			}
			r := &resync{rounds: c.Int("rounds"), stall: c.Duration("max-stall")}
			if r.rounds < 1 {
				return fmt.Errorf("--rounds %d: the last one is one", r.rounds)
			}
			if r.stall < 10*time.Millisecond {
				return fmt.Errorf("--max-stall %v is too short for anything", r.stall)
			}
			if r.moment, err = momentOptionsFrom(c); err != nil {
				return err
			}
			r.progress = newProgress()
			out, err := r.sync(c.Context, args[0], args[1], c.String("copy-format"))
			r.progress.done()
			if err != nil {
				return err
			}
			if c.String("format") == "json" {
				return writeJSON(c.App.Writer, out)
			}
			return out.print(c.App.Writer)
		},
	}
}

// sync opens the copy, marks it, and does all rounds.
func (r *resync) sync(ctx context.Context, point, path, format string) (out *resynced, err error) {
	st, err := readStatus(point)
	if err != nil {
		return nil, err
	}
	if len(st.Disks) > 0 {
		return nil, fmt.Errorf("%s has several disks, and a copy is of one: give the folder of its disk, such as %s", point, filepath.Join(point, st.Disks[0].Folder))
	}
	if m, folder, ok := machineOf(point); ok {
		if err := severed(m, folder); err != nil {
			return nil, err
		}
	}
	if format, err = copyFormat(path, format); err != nil {
		return nil, err
	}
	var before written
	if err := readJSON(point, writtenPath, &before); err != nil {
		return nil, err
	}
	if before.Unknown != "" {
		return nil, fmt.Errorf("%s: what was written since its T0 is not known: %s", point, before.Unknown)
	}
	r.device, r.scope = st.Source.Device, before.Scope
	if r.copy, err = tool.OpenCopy(ctx, path, format); err != nil {
		return nil, err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, r.copy.Close())
		}
	}()
	if err := r.copy.Expect(st.virtualSize(format)); err != nil {
		return nil, err
	}
	mark := marker{}
	if !nbd.IsAddress(path) {
		if mark.path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		r.moment.keep = []string{mark.path}
	}
	live, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer live.Close()
	defer func() { err = errors.Join(err, r.tracker.Close()) }()
	var had mapDocument
	if err := readJSON(point, mapPath, &had); err != nil {
		return nil, err
	}
	// Again: what was written before the tracker started is in it, all of it.
	var now written
	if err := readJSON(point, writtenPath, &now); err != nil {
		return nil, err
	}
	if now.Unknown != "" {
		return nil, fmt.Errorf("%s: what was written since its T0 is not known: %s", point, now.Unknown)
	}
	r.had, r.moved = spansFrom(had.Ranges), spansFrom(now.Ranges)
	r.mend = mark.synced()
	if err := mark.begin("sync"); err != nil {
		return nil, fmt.Errorf("%s: marking it as incomplete: %w", path, err)
	}
	out, err = r.run(ctx, live)
	err, closed = errors.Join(err, r.copy.Close()), true
	if err != nil {
		return nil, fmt.Errorf("%w; the copy is incomplete: sync it again, or throw it away", err)
	}
	out.Copy = path
	return out, mark.done(out.T0)
}

// severed says why the disk of a folder of a mount cannot be brought up to another moment
// than the others: volumes lie on it and on them.
func severed(mount, folder string) error {
	st, err := readStatus(mount)
	if err != nil {
		return err
	}
	for _, v := range st.Volumes {
		if slices.ContainsFunc(v.Parts, func(p string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }) {
			return fmt.Errorf("volume %s lies on %s and on other disks, and a sync brings one disk to a moment of its own: mount and copy all of them again", v.Volume, folder)
		}
	}
	return nil
}

// virtualSize is that of the disk in an image of the format, in bytes.
func (s *status) virtualSize(format string) int64 {
	for _, f := range s.Files {
		if f.Format == format {
			return f.VirtualSize
		}
	}
	return s.Map.DiskSize
}

// copyFormat is a copy's format by its name: a disk's first bytes are its owner's
// to choose.
func copyFormat(path, asked string) (string, error) {
	if asked != "" || nbd.IsAddress(path) {
		return asked, nil
	}
	if st, err := os.Stat(path); err != nil {
		return "", err
	} else if st.Mode()&os.ModeDevice != 0 {
		return "raw", nil
	}
	switch ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."); ext {
	case "raw", "img":
		return "raw", nil
	case "qcow2", "vhd", "vhdx", "vdi", "vmdk":
		return ext, nil
	}
	return "", fmt.Errorf("%s: its name does not tell its format: give --copy-format", path)
}

func (o *resynced) print(w io.Writer) error {
	for i, r := range o.Rounds {
		note := ""
		if r.Frozen {
			note = fmt.Sprintf(", writers waited for %d ms", o.Frozen)
		}
		fmt.Fprintf(w, "round %d      %s in %d ms%s\n", i+1, human(r.Bytes), r.Took, note)
	}
	fmt.Fprintf(w, "freed        %s\n", human(o.Zeroed))
	_, err := fmt.Fprintf(w, "%s is the disk as of %s (%s: %s)\n", o.Copy, o.T0.Format(time.RFC3339Nano), o.Level, o.Detail)
	return err
}
