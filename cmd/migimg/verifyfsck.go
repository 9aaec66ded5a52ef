package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"migimg/blockmap"
	scanners "migimg/blockmap/all"
	"migimg/blockmap/ptable"
	"migimg/fusefs/scratch"
	"migimg/verify"
	"migimg/verify/decoder"
	"migimg/verify/fsck"
)

// checkedAtOnce is how many volumes are looked at at once.
const checkedAtOnce = 2

// filesystems is the aspect of an image whose volumes are not looked at one by one.
const filesystems = "filesystems"

// volumeChecks are the checks of what is in the volumes of images.
type volumeChecks struct {
	deep   bool
	source string // a mount's, whose device may be in use; empty where there is none
	p      *progress
	// checked is the image of the mount that was looked at: the others have its disk.
	checked string
}

// newVolumeChecks is nil where none were asked for. source is what the images are compared
// with.
func newVolumeChecks(c *cli.Context, source string, p *progress) *volumeChecks {
	if !c.Bool("fsck") && !c.Bool("deep") {
		return nil
	}
	v := &volumeChecks{deep: c.Bool("deep"), p: p}
	if abs, ok := isMountpoint(source); ok {
		v.source = abs
	}
	return v
}

// add adds to the report of an image what is found in its volumes. The error is the
// context's.
func (k *volumeChecks) add(ctx context.Context, r *verify.Report, im verify.Image) error {
	if k.checked != "" {
		r.Add(verify.Aspect{Name: filesystems, Status: verify.Skip, Summary: "looked at in " + k.checked + ", which is the same disk"})
		return nil
	}
	ps := &decoder.Problems{}
	disk, err := verify.OpenDisk(ctx, im)
	if err == nil {
		if r.Verdict != verify.Fail { // what is wrong with this one need not be wrong with the next
			k.checked = im.Name
		}
		err = k.volumes(ctx, r, disk)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		ps.Unknownf(-1, "%v", err)
		r.Add(verify.NewAspect(filesystems, "not all looked at", ps))
	}
	return nil
}

// volumes looks at the volumes of a disk. Its topology is found as that of any device;
// what the volumes' own programs read are the bytes of the image.
func (k *volumeChecks) volumes(ctx context.Context, r *verify.Report, disk decoder.Disk) (err error) {
	dev := blockmap.Bytes(endless{disk, disk.Size()}, disk.Size(), 0)
	always := func(string) bool { return true }
	m, root, err := blockmap.Scan(ctx, dev, scanners.Scanners(), blockmap.ScanOptions{Still: always, Progress: k.p.scanning})
	if err != nil {
		return err
	}
	if isTable(root) && root.Whole != "" {
		return fmt.Errorf("which volumes there are cannot be known: %s", root.Whole)
	}
	list, files, err := checkable(r, root, dev, m)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		r.Add(verify.Aspect{Name: filesystems, Status: verify.Skip, Summary: "there are no volumes in the image"})
		return nil
	}
	s, err := scratch.New("", files)
	if err != nil {
		return fmt.Errorf("the volumes cannot be shown to the programs that check them: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if k.deep && k.source != "" {
		if err := k.live(list); err != nil {
			return err
		}
	}
	o := fsck.Options{Deep: k.deep, Dir: s.Dir(), Progress: func(what string) { k.p.say("migimg: %s", what) }}
	found := make([][]verify.Aspect, len(list))
	var g *errgroup.Group
	g, ctx = errgroup.WithContext(ctx)
	g.SetLimit(checkedAtOnce)
	for i, v := range list {
		v.Path, v.Err = s.Path(files[i].Name), func() error { return s.Err(files[i].Name) }
		g.Go(func() (err error) {
			found[i], err = fsck.Check(ctx, v.Volume, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, as := range found {
		r.Add(as...)
	}
	return nil
}

// checkedVolume is a volume of an image.
type checkedVolume struct {
	fsck.Volume
	info *blockmap.VolumeInfo
}

// isTable says that a volume is a partition table, which [verify.Check] looks at.
func isTable(v *blockmap.VolumeInfo) bool {
	return v.Type == string(ptable.KindGPT) || v.Type == string(ptable.KindMBR)
}

// checkable are the volumes in which there is something to check, each with its file.
func checkable(r *verify.Report, root *blockmap.VolumeInfo, dev blockmap.Volume, m *blockmap.Map) (list []*checkedVolume, files []scratch.File, err error) {
	t, err := ptable.Read(dev)
	if err != nil {
		return nil, nil, err
	}
	types := map[string]string{} // by the volumes' names
	for _, p := range t.Partitions {
		types[fmt.Sprint(p.Number)] = p.Type
	}
	for v := range root.All() {
		if v.Size == 0 || isTable(v) && v.Name == "" {
			continue
		}
		f, err := v.File(dev, m.Extent)
		if err != nil {
			return nil, nil, err
		}
		c := &checkedVolume{fsck.Volume{Name: checkedName(v), Type: v.Type, Reader: f, Size: v.Size}, v}
		if c.Type == "" && types[v.Name] == biosBootType {
			c.Type, c.Name = fsck.BIOSBoot, c.Name+" ("+fsck.BIOSBoot+")"
		}
		if len(v.Children) > 0 || v.Type == "LVM2_member" || v.Type == "linux_raid_member" || isTable(v) {
			c.Closed, c.Odd = v.Whole, v.Warnings
		}
		if v.Whole != "" {
			if c.Marks, err = blockmap.Signatures(blockmap.Bytes(f, v.Size, 0)); err != nil {
				return nil, nil, err
			}
		}
		name := strings.NewReplacer("/", "-", "\x00", "-").Replace(v.Name)
		files = append(files, scratch.File{Name: fmt.Sprintf("%d-%.100s", len(files), name), Reader: f, Size: v.Size})
		list = append(list, c)
	}
	for _, p := range t.Partitions {
		named := func(v *blockmap.VolumeInfo) bool { return v.Name == fmt.Sprint(p.Number) }
		if !p.Extended && isTable(root) && !slices.ContainsFunc(root.Children, named) {
			r.Add(verify.Aspect{Name: volumeWord(fmt.Sprint(p.Number)), Status: verify.Skip, Summary: "not looked at: its type (" + p.Type + ") says that it is divided in a way that is not read"})
		}
	}
	return list, files, nil
}

// checkedName is a volume's name in a report, as [where] gives it.
func checkedName(v *blockmap.VolumeInfo) string {
	name := "the disk"
	if v.Name != "" {
		name = volumeWord(v.Name)
	}
	if v.Type != "" {
		name += " (" + v.Type + ")"
	}
	return name
}

// driftSince asks a mount which files are newer in its images than T0. It is asked by
// several at once.
type driftSince struct {
	point  string
	volume string

	mu sync.Mutex
}

func (d *driftSince) has(path string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var now drift
	if err := readJSON(d.point, ".migimg/drift.json", &now); err != nil {
		return false, err
	}
	switch now.State {
	case "none":
		return false, nil
	case "unknown":
		return false, errors.New(now.Detail)
	}
	for _, f := range now.Files {
		if f.Volume == d.volume && (f.Path == path || f.Path == "") { // without a name it may be this one
			return true, nil
		}
	}
	return false, nil
}
