package fsck

import (
	"context"
	"fmt"
	"os"
	"strings"

	"migimg/verify"
	"migimg/verify/decoder"
)

// drivers are the kernel's names of the filesystems whose files are read, and the
// options that a mount of them needs besides: no copy may be refused because the
// original is mounted, no damage may stop the machine, and all subvolumes are to be seen.
var drivers = map[string]struct{ name, options string }{
	"ext2": {"ext4", ",errors=remount-ro"}, "ext3": {"ext4", ",errors=remount-ro"}, "ext4": {"ext4", ",errors=remount-ro"},
	"xfs":   {"xfs", ",nouuid"},
	"btrfs": {"btrfs", ",subvolid=5"},
	"vfat":  {"vfat", ""}, "exfat": {"exfat", ""}, "ntfs": {"ntfs3", ""}, "f2fs": {"f2fs", ""},
	"erofs": {"erofs", ""}, "squashfs": {"squashfs", ""}, "iso9660": {"iso9660", ""}, "udf": {"udf", ""},
}

// deep adds the aspect of the volume's files where that is asked for and there are some.
func (v *Volume) deep(ctx context.Context, o Options, as []verify.Aspect) ([]verify.Aspect, error) {
	if _, ok := drivers[v.Type]; !o.Deep || !ok {
		return as, nil
	}
	name := v.Name + " files"
	switch {
	case as[0].Status == verify.Fail:
		return append(as, skip(name, "not read: a damaged filesystem is not given to the kernel")), nil
	case os.Geteuid() != 0:
		return append(as, skip(name, "not read: only root can mount it")), nil
	}
	ps := &decoder.Problems{}
	point, unmount, err := v.mountForReading(ctx, o)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && strings.Contains(err.Error(), "unknown filesystem type"):
		return append(as, skip(name, "not read: the kernel here has no driver for "+v.Type)), nil
	case err != nil:
		ps.Unknownf(-1, "it cannot be mounted here: %v", err)
		return append(as, verify.NewAspect(name, "not read", ps)), nil
	}
	w := &walk{v: v, point: point, progress: o.Progress, ps: ps}
	err = w.run(ctx)
	if e := unmount(); e != nil {
		ps.Unknownf(-1, "%v", e)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		ps.Unknownf(-1, "%v", err)
	}
	return append(as, verify.NewAspect(name, w.summary(), ps)), nil
}

// mountForReading mounts it read-only, or, where a log has to be replayed for that, in
// the scratch, which leaves the image alone, too.
func (v *Volume) mountForReading(ctx context.Context, o Options) (point string, unmount func() error, err error) {
	point, unmount, err = v.mount(ctx, o, "ro")
	if err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "unknown filesystem type") {
		return point, unmount, err
	}
	point, unmount, again := v.mount(ctx, o, "rw")
	if again == nil {
		return point, unmount, nil
	}
	return "", nil, err
}

// summary is what was read.
func (w *walk) summary() string {
	s := fmt.Sprintf("%d files read, %d bytes", w.files, w.bytes)
	if w.v.Live != nil {
		s += fmt.Sprintf("; %d of them are as in %s, %d there have changed since or are not the same", w.equal, w.v.Live.Point, w.changed)
	}
	if w.locked > 0 {
		s += fmt.Sprintf("; %d encrypted ones not read", w.locked)
	}
	return s
}
