// Package fsck finds out whether the filesystems in an image are sound: by their own
// checkers, and by reading every file.
//
// The caller shows each volume as a file of its own that may be written to, so that a
// log can be replayed, without the image being written ([Volume]).
//
// A finding of a checker is a failure. A checker that is not installed, or that does not
// exist for what is in the volume, skips it and says so. Whatever keeps a checker from
// its work (a crash, a range that cannot be read, a log that cannot be replayed) leaves
// the volume undecided.
package fsck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"migimg/verify"
	"migimg/verify/decoder"
	"migimg/verify/tool"
)

// quoted is how many lines of a checker's findings are quoted.
const quoted = 6

// Volume is a partition, a logical volume, an array, or a disk without any.
type Volume struct {
	// Name is what reports call it ("partition 2 (ext4)").
	Name string
	// Type is what it holds, as blkid names it; empty where that is not known.
	Type string
	// Marks are the types that it bears marks of, where that is more than one.
	Marks []string
	// Closed is why the volumes inside of this one are not all known, in words; empty
	// where they are, or it holds none.
	Closed string
	// Odd is what the owner should know of the volumes inside: which are not here, for
	// instance, and so are not looked at.
	Odd []string
	// Reader gives its bytes, Size of them.
	Reader io.ReaderAt
	Size   int64
	// Path is a file with the same bytes that can be written to.
	Path string
	// Err is the first read or write of Path that failed.
	Err func() error
	// Live is the same filesystem where it is mounted now; nil where it is not.
	Live *Live
}

// Options of a check. The zero value is ready.
type Options struct {
	// Deep reads every file as well, and the data checksums of btrfs.
	Deep bool
	// Dir is a directory in which volumes may be mounted.
	Dir string
	// Progress is told what is being done, by several at once.
	Progress func(what string)
}

// others are what no checker is for, and why.
var others = map[string]string{
	"swap":        "swap has nothing to check",
	"swsuspend":   "a hibernated system's memory has no checker",
	"crypto_LUKS": "encrypted (LUKS): what is inside can only be checked where it is unlocked",
	"BitLocker":   "encrypted (BitLocker): what is inside can only be checked where it is unlocked",
	BIOSBoot:      "a boot loader's code has no filesystem",
}

// BIOSBoot is the type of a partition for a boot loader's code.
const BIOSBoot = "BIOS boot"

// Check looks at a volume and returns an aspect, with [Options.Deep] two. The error is
// the context's.
func Check(ctx context.Context, v Volume, o Options) ([]verify.Aspect, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	ps := &decoder.Problems{}
	if why, ok := others[v.Type]; ok {
		return []verify.Aspect{skip(v.Name, why)}, nil
	}
	if v.Type == "" {
		return []verify.Aspect{v.unknown()}, nil
	}
	if n := v.btrfs(numDevices); n > 1 {
		ps.Unknownf(-1, "the btrfs has %d devices, of which btrfs check needs all: check it where they are, or in the machine made of the images", n)
		return []verify.Aspect{verify.NewAspect(v.Name, "not checked", ps)}, nil
	}
	o.Progress("checking " + v.Name)
	c, summary, err := v.check(ctx, o, ps)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errors.Is(err, tool.ErrNotInstalled) || errors.Is(err, tool.ErrNoChecker) {
		out := []verify.Aspect{skip(v.Name, "not run: "+err.Error())}
		if v.Closed != "" {
			ps.Unknownf(-1, "what is inside: %s", v.Closed)
			out = append(out, verify.NewAspect(v.Name+" volumes", "not looked at", ps))
		}
		return v.deep(ctx, o, out)
	}
	v.report(c, err, ps)
	return v.deep(ctx, o, []verify.Aspect{verify.NewAspect(v.Name, summary, ps)})
}

func skip(name, why string) verify.Aspect {
	return verify.Aspect{Name: name, Status: verify.Skip, Summary: why}
}

// check runs the checker, and once more after a log was replayed.
func (v *Volume) check(ctx context.Context, o Options, ps *decoder.Problems) (tool.Checked, string, error) {
	c, err := tool.Fsck(ctx, v.Type, v.Path, o.Deep)
	summary := c.Program
	if v.btrfs(logRoot) != 0 {
		summary += ", a log tree waits for the next mount, as after every fsync"
	}
	why := "its log was replayed"
	switch {
	case err != nil:
		return c, summary, err
	case c.Log:
	case !c.Sound && v.orphans(): // a freeze empties the journal, but leaves these
		why = "files that had been deleted while they were open were removed"
	default:
		return c, summary, nil
	}
	o.Progress("replaying the log of " + v.Name)
	found, err := v.replay(ctx, o)
	if err != nil {
		return c, summary, fmt.Errorf("its log could not be replayed in a scratch copy, and until then what %s says proves nothing: %w", c.Program, err)
	}
	for _, line := range found {
		ps.Failf(-1, "while its log was replayed: %s", line)
	}
	o.Progress("checking " + v.Name)
	c, err = tool.Fsck(ctx, v.Type, v.Path, o.Deep)
	if err == nil && c.Log {
		err = errors.New("its log is not replayed all the same")
	}
	return c, summary + ", after " + why + " in a scratch copy", err
}

// replay replays the volume's log into the scratch. found is what was wrong with it.
func (v *Volume) replay(ctx context.Context, o Options) (found []string, err error) {
	switch v.Type {
	case "xfs":
	case "ntfs":
		return nil, errors.New("only Windows can do that (or it is hibernated)")
	default:
		return tool.ReplayExt4(ctx, v.Path)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can mount an XFS, which replays it")
	}
	_, unmount, err := v.mount(ctx, o, "rw")
	if err != nil {
		const broken = "Structure needs cleaning"
		if strings.Contains(err.Error(), broken) && v.Err() == nil {
			return []string{"the kernel refuses: " + err.Error()}, nil
		}
		return nil, err
	}
	return nil, unmount()
}

// report makes problems of what the checker said.
func (v *Volume) report(c tool.Checked, err error, ps *decoder.Problems) {
	failed := v.Err()
	switch {
	case failed != nil:
		ps.Err(-1, "the checker could not read all of it", failed)
		return
	case err != nil:
		ps.Unknownf(-1, "%v", err)
		return
	case !c.Sound && len(v.Marks) > 1:
		ps.Unknownf(-1, "it bears the marks of %s: which one is in use is not known, and %s finds no sound one of its kind", strings.Join(v.Marks, ", "), c.Program)
	case !c.Sound:
		quote(c, ps.Failf)
	case len(c.Found) > 0:
		quote(c, ps.Warnf)
	}
	for _, n := range c.Notes {
		ps.Warnf(-1, "%s: %s", c.Program, n)
	}
	for _, w := range v.Odd {
		ps.Warnf(-1, "%s", w)
	}
	if v.Closed != "" {
		ps.Unknownf(-1, "what is inside: %s", v.Closed)
	}
}

// quote gives the first lines of what was found, each a problem.
func quote(c tool.Checked, add func(int64, string, ...any)) {
	lines := c.Found
	if len(lines) == 0 {
		lines = append(c.Notes, "damage that it does not name")[:1]
	}
	for _, l := range lines[:min(quoted, len(lines))] {
		add(-1, "%s: %.300s", c.Program, l)
	}
	if n := len(lines) - quoted; n > 0 {
		add(-1, "%s: %d more lines", c.Program, n)
	}
}
