package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"migimg/verify"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "read images back and compare them with the device",
		ArgsUsage: "MOUNTPOINT | IMAGE",
		Description: `Structure, content and partition table are checked by decoders of their own and,
where they are installed, by qemu-img, gzip, zstd and tar. Without --source the content of an IMAGE is
decoded, but there is nothing to compare it with. Exit code 2: something is
wrong; 4: something could not be found out.

--fsck has the filesystems in the image checked by their own programs (e2fsck,
xfs_repair, btrfs, fsck.fat ...), and --deep reads every file in them as well and
holds it against the mounted original where it has not changed. Nothing is copied,
and the image is not written to.

--boot starts the image in QEMU, on a machine like the target's, and waits for its
login prompt or its SSH server.

    migimg verify /mnt/migimg
    migimg verify /mnt/sdb/disk.qcow2 --source /mnt/migimg
    migimg verify /mnt/sdb/disk.qcow2 --source /mnt/migimg --deep
    migimg verify disk.vhd --source /dev/sda --format json
    migimg verify --manifest server.manifest.json --sample 5% server.qcow2
    migimg verify server.qcow2 --boot --target tencent
    migimg verify s.qcow2 --source /mnt/migimg --format html > report.html`,
		Flags: append(slices.Concat(sourceFlags(), proofFlags(), bootFlags()),
			formatFlag("table", "json", "markdown", "html"),
			&cli.StringFlag{Name: "source", Usage: "the DEVICE, or the MOUNTPOINT, that the image was copied from; DEVICE,DEVICE... where volumes lie on other disks as well"},
			&cli.BoolFlag{Name: "fsck", Usage: "check the filesystems inside"},
			&cli.BoolFlag{Name: "deep", Usage: "check them, and read every file (root)"},
			&cli.StringFlag{Name: "image-format", Usage: strings.Join(verify.Formats(), ", "), DefaultText: "by content"},
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
			if err := writeVerified(c, reports, or(c.String("source"), args[0])); err != nil {
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
	proof, err := proofFrom(c, path)
	if err != nil {
		return nil, err
	}
	b, err := booterFrom(c)
	if err != nil {
		return nil, err
	}
	abs, mounted := isMountpoint(path)
	if mounted {
		switch {
		case source != "" || proof != nil:
			return nil, errors.New("--source and --manifest go with an IMAGE; a mount knows its own")
		case c.IsSet("target") && b == nil:
			return nil, errors.New("--target goes with an IMAGE, or with --boot; the files in a mount's targets/ are held to what their targets take")
		case c.IsSet("image-format"):
			return nil, errors.New("--image-format goes with an IMAGE; a mount knows its own")
		}
		source = abs
	} else if st, err := os.Stat(path); err == nil && st.IsDir() || errors.Is(err, syscall.ENOTCONN) {
		return nil, noMount(path)
	}
	s, err := mountStatus(abs, mounted)
	if err != nil {
		return nil, err
	}
	if len(s.Disks) > 0 {
		return verifyMachine(c, abs, s, o, p)
	}
	if at := (marker{path}).moment(); at != "" && source != "" {
		if _, ok := isMountpoint(source); ok {
			return nil, fmt.Errorf("%s is the disk as of %s, to which a sync brought it, and %s has an earlier one: compare it with the device", path, at, source)
		}
	}
	if source != "" {
		src, release, err := openSource(c, source, mapPath, p)
		if err != nil {
			return nil, err
		}
		defer release()
		o.Source = src
	}
	if proof != nil {
		if err := (marker{path}).stale(proof.Manifest.T0); err != nil {
			return nil, err
		}
		o.Proof = proof
	}
	v := newVolumeChecks(c, source, p)
	if !mounted {
		if o.Targets, err = rulesFrom(c); err != nil {
			return nil, err
		}
		r, err := verifyFile(c, path, c.String("image-format"), o, p, v)
		if err == nil && b != nil {
			err = b.add(c.Context, r, path, source, p)
		}
		return []*verify.Report{r}, err
	}
	var reports []*verify.Report
	for _, f := range s.Files {
		r, err := verifyMounted(c, abs, f, o, p, v)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	if b != nil {
		err = b.addMounted(c.Context, reports, abs, p)
	}
	return reports, err
}

// mountStatus is a mount's, or an empty one.
func mountStatus(abs string, mounted bool) (*status, error) {
	if !mounted {
		return &status{}, nil
	}
	return readStatus(abs)
}

// verifyMachine verifies all images of a mount of several disks: those in each disk's
// folder, and those for targets.
func verifyMachine(c *cli.Context, mount string, st *status, o verify.Options, p *progress) (reports []*verify.Report, err error) {
	for _, d := range st.Disks {
		own, err := verifyAll(c, filepath.Join(mount, d.Folder))
		if err != nil {
			return nil, err
		}
		reports = append(reports, own...)
	}
	for _, f := range st.Files {
		if st.inDisk(f.Path) {
			continue
		}
		r, err := verifyMounted(c, mount, f, o, p, nil)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// inDisk says that a file is in the folder of one of several disks.
func (st *status) inDisk(path string) bool {
	return slices.ContainsFunc(st.Disks, func(d diskStatus) bool { return strings.HasPrefix(path, d.Folder+"/") })
}

// verifyMounted verifies a file of a mount, with the mount's own source in o.
func verifyMounted(c *cli.Context, mount string, f fileStatus, o verify.Options, p *progress, v *volumeChecks) (*verify.Report, error) {
	path := filepath.Join(mount, f.Path)
	var err error
	if o.Targets, err = f.targetRules(c.String("target-dir")); err != nil {
		return nil, err
	}
	if f.Map != "" {
		f.Maps = []string{f.Map}
	}
	for _, m := range f.Maps {
		src, release, err := openSource(c, mount, m, p)
		if err != nil {
			return nil, err
		}
		defer release()
		o.Sources = append(o.Sources, src)
	}
	if f.Map != "" {
		o.Source, o.Sources = o.Sources[0], nil
	}
	return verifyFile(c, path, f.decoder(), o, p, v)
}

// decoder is verify's name for the format of a mount's file.
func (f fileStatus) decoder() string {
	switch f.QemuFormat {
	case "vpc":
		return verify.VHD
	case "tar":
		return verify.Tar
	case "tar.gz":
		return verify.TarGzip
	}
	return f.QemuFormat
}
