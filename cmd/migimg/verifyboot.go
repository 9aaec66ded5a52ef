package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"migimg/preflight/targets"
	"migimg/verify"
	"migimg/verify/boot"
	"migimg/verify/decoder"
	"migimg/verify/tool"
)

// bootAspect is the name of what --boot adds to a report.
const bootAspect = "boot"

func bootFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "boot", Usage: "start the image in QEMU, and wait for its login prompt or its SSH server; it is not written, and has no way to any network"},
		&cli.StringFlag{Name: "target", Usage: "hold it to what this target takes, and start it on a machine like its own: disk controller, network card and firmware", DefaultText: "any, and virtio"},
		targetDirFlag(),
		&cli.DurationFlag{Name: "boot-timeout", Value: 5 * time.Minute, Usage: "how long a start may take"},
		&cli.StringFlag{Name: "boot-dir", Usage: "existing directory for console.log, screen.txt, screen.png and the scratch file of what the guest writes", DefaultText: "below TMPDIR; kept where the start does not pass"},
		&cli.StringFlag{Name: "boot-firmware", Usage: "bios or uefi", DefaultText: "as the disk is"},
		&cli.StringFlag{Name: "boot-bus", Usage: strings.Join(tool.DiskBuses(), ", "), DefaultText: "the target's"},
		&cli.StringFlag{Name: "boot-nic", Usage: strings.Join(tool.NICModels(), ", "), DefaultText: "the target's"},
	}
}

// booter starts images as the command line says.
type booter struct {
	o      boot.Options
	target string // whose checks preflight is asked for; empty is the worst of all
}

// booterFrom is nil where no start is asked for.
func booterFrom(c *cli.Context) (*booter, error) {
	if !c.Bool("boot") {
		for _, name := range []string{"boot-timeout", "boot-dir", "boot-firmware", "boot-bus", "boot-nic"} {
			if c.IsSet(name) {
				return nil, fmt.Errorf("--%s goes with --boot", name)
			}
		}
		return nil, nil
	}
	b := &booter{o: boot.Options{
		Timeout: c.Duration("boot-timeout"), Dir: c.String("boot-dir"),
		Wish: boot.Wish{Firmware: c.String("boot-firmware"), Bus: c.String("boot-bus"), NIC: c.String("boot-nic")},
	}}
	if b.o.Timeout <= 0 {
		return nil, fmt.Errorf("--boot-timeout %v is no time", b.o.Timeout)
	}
	if dir := b.o.Dir; dir != "" {
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			return nil, fmt.Errorf("--boot-dir %s is no directory: make it first", dir)
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		b.o.Dir = abs
	}
	if err := b.o.Wish.Check(); err != nil {
		return nil, fmt.Errorf("--boot-firmware, --boot-bus, --boot-nic: %w", err)
	}
	if c.String("target") == "" {
		return b, nil
	}
	ts, err := targetsFrom(c)
	if err != nil {
		return nil, err
	}
	b.target, b.o.Wish.Target = ts[0].ID, bootTarget(ts[0])
	for _, t := range ts[1:] {
		other := bootTarget(t)
		if other.Name = b.target; !reflect.DeepEqual(other, b.o.Wish.Target) {
			return nil, fmt.Errorf("--target: the machines of %s and %s differ: name one of them", b.target, t.ID)
		}
	}
	return b, nil
}

// bootTarget is what package boot wants to know of a target.
func bootTarget(t *targets.Target) boot.Target {
	return boot.Target{Name: t.ID, Firmware: t.Firmware.Values, Disk: t.Disk.AnyOf, NIC: t.NIC.AnyOf}
}

// startable are the formats of a mount's images to start one of, the first one there:
// all of them are the same disk.
var startable = []string{verify.QCOW2, verify.Raw, verify.VHD, verify.VHDX, verify.VMDK, verify.VDI}

// addMounted starts an image of the whole disk in a mount.
func (b *booter) addMounted(ctx context.Context, reports []*verify.Report, mount string, p *progress) error {
	for _, format := range startable {
		for _, r := range reports {
			if r.Format == format && filepath.Dir(r.Image) == mount {
				return b.add(ctx, r, r.Image, mount, p)
			}
		}
	}
	if len(reports) > 0 {
		reports[0].Add(verify.Aspect{Name: bootAspect, Status: verify.Skip, Summary: "not run: " + mount + " has no image of the whole disk that QEMU starts"})
	}
	return nil
}

// add starts the image of a report, and adds what came of it. The error is the
// context's. source is what the image was compared with: where it is a mount, its
// preflight.json is asked whether it foretold this.
func (b *booter) add(ctx context.Context, r *verify.Report, path, source string, p *progress) error {
	o := b.o
	o.Progress = func(s boot.Stage, m boot.Machine, since time.Duration) {
		p.say("migimg: starting %s (%s): %s, %.0f s of %.0f s", path, m, or(string(s), "nothing yet"), since.Seconds(), o.Timeout.Seconds())
	}
	res, err := bootImage(ctx, path, r.Format, o)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, tool.ErrNotInstalled):
		r.Add(verify.Aspect{Name: bootAspect, Status: verify.Skip, Summary: "not run: " + err.Error()})
		return nil
	case err != nil:
		ps := &decoder.Problems{}
		ps.Unknownf(-1, "%v", err)
		r.Add(verify.NewAspect(bootAspect, "could not be started", ps))
		return nil
	}
	r.Boot = res
	mount, mounted := isMountpoint(source)
	if source == "" || !mounted {
		mount = ""
	}
	r.Add(bootReport(res, b.foretold(mount, res.Failure)))
	return nil
}

func bootImage(ctx context.Context, path, format string, o boot.Options) (*boot.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d, err := verify.OpenDisk(ctx, verify.Image{Name: path, Format: format, R: f, Size: st.Size(), Path: path})
	if err != nil {
		return nil, err
	}
	return boot.Run(ctx, boot.Image{Path: path, Format: format, Disk: d, Size: d.Size()}, o)
}

// bootReport words a result. foretold are preflight's verdicts.
func bootReport(r *boot.Result, foretold []string) verify.Aspect {
	ps := &decoder.Problems{}
	switch r.Verdict {
	case boot.Pass:
	case boot.Fail:
		ps.Failf(-1, "%s (%s)", r.Failure.Title, r.Failure.Kind)
		for _, line := range r.Failure.Seen {
			ps.Failf(-1, "it says: %s", line)
		}
		if len(foretold) == 0 {
			ps.Warnf(-1, "look at these checks of migimg preflight: %s", strings.Join(r.Failure.Checks, ", "))
		}
		for _, s := range foretold {
			ps.Warnf(-1, "preflight: %s", s)
		}
	default:
		ps.Unknownf(-1, "%s", r.Reason)
	}
	for _, n := range r.Machine.Notes {
		ps.Warnf(-1, "%s", n)
	}
	if r.Verdict != boot.Pass {
		files := slices.DeleteFunc([]string{r.Console, r.Text, r.Picture}, func(s string) bool { return s == "" })
		ps.Warnf(-1, "what it said and showed: %s", strings.Join(files, ", "))
	}
	return verify.NewAspect(bootAspect, r.Summary(), ps)
}

// foretold is what a mount's preflight.json says of the checks that look for a
// failure's causes, where it was not content.
func (b *booter) foretold(mount string, f *boot.Failure) (out []string) {
	if mount == "" || f == nil {
		return nil
	}
	var doc struct {
		Checks []struct {
			ID, Status, Summary string
			StatusBy            map[string]string `json:"status_by_target"`
			SummaryBy           map[string]string `json:"summary_by_target"`
		}
	}
	if err := readJSON(mount, "preflight.json", &doc); err != nil {
		return []string{err.Error()}
	}
	for _, c := range doc.Checks {
		if s, ok := c.StatusBy[b.target]; ok {
			c.Status, c.Summary = s, or(c.SummaryBy[b.target], c.Summary)
		}
		if slices.Contains(f.Checks, c.ID) && c.Status != "pass" && c.Status != "skip" {
			out = append(out, fmt.Sprintf("%s: %s: %s", c.ID, c.Status, c.Summary))
		}
	}
	if len(out) == 0 {
		out = []string{"none of its checks foretold this: " + strings.Join(f.Checks, ", ")}
	}
	return out
}
