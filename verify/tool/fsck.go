package tool

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// fsckTime is how long a checker may take; a filesystem of many terabytes takes hours.
const fsckTime = 12 * time.Hour

// Checked is what the checker of a filesystem said of a volume.
type Checked struct {
	// Program is the checker's name.
	Program string
	// Sound says that the checker finds the volume in order, whatever it noticed.
	Sound bool
	// Found are the lines of its output that say what is wrong, or was noticed, Notes
	// those that say what is odd but harmless; in its order, and without those that tell
	// of its progress.
	Found, Notes []string
	// Log says that the filesystem has a log to replay that the checker left alone, so
	// that what it found may be nothing.
	Log bool
}

// checker is the program for one kind of volume.
type checker struct {
	program, packages string
	// args stand before the path; deep are added where file contents are to be checked
	// against checksums as well.
	args, deep []string
	// judge makes an answer of the exit code and the output. An error says that the
	// program did not do its work.
	judge func(code int, out string) (sound bool, err error)
	// noise are lines that are no finding, notes lines that are none either, but are
	// worth being told.
	noise, notes string
	// log matches an output that says that a log was not replayed.
	log string
}

var checkers = map[string]checker{
	"ext4":  e2fsckChecker,
	"xfs":   xfsChecker,
	"btrfs": btrfsChecker,
	"vfat": {program: "fsck.fat", packages: "dosfstools", args: []string{"-n"}, judge: zeroOr(1),
		noise: `^fsck\.fat \d|^Leaving filesystem unchanged|: \d+ files, \d+/\d+ clusters$|^ Automatically removing dirty bit|^  \d+:[0-9a-f]{2}/|^  Not automatically fixing this|^  , \d+:`,
		notes: `^Dirty bit is set|^There are differences between boot sector and its backup|^This is mostly harmless`},
	"exfat": {program: "fsck.exfat", packages: "exfatprogs", args: []string{"-n"}, judge: zeroOr(1, 2, 4, 5),
		noise: `^exfatprogs version|: clean\. directories|^There are no`},
	"ntfs": {program: "ntfsfix", packages: "ntfs-3g", args: []string{"-n"}, judge: zeroOr(1),
		noise: `(OK|successfully\.?)$|^NTFS volume version|^Attempting|^NTFS partition`, notes: `^Volume is corrupt|[Dd]irty`, log: `unclean file system|is hibernated`},
	"f2fs": {program: "fsck.f2fs", packages: "f2fs-tools", args: []string{"-f", "--dry-run"}, judge: judgeF2fs,
		noise: `\[Ok\.\.\]|^Info: |^\s+(from |to |)"|^\[FSCK\] (Max image|fixing SIT)|^Done:|^$`},
	"erofs": {program: "fsck.erofs", packages: "erofs-utils", judge: judgeErofs,
		noise: `^No errors found|^fsck\.erofs`},
	"LVM2_member": {program: "pvck", packages: "lvm2", args: []string{"--dump", "headers"}, judge: judgePvck,
		noise: `^ *[a-z_]+ at \d|^ *[a-z_]+(\[\d\])?\.|^ *(metadata|zero metadata|mda)|leaked on pvck`},
	"linux_raid_member": {program: "mdadm", packages: "mdadm", args: []string{"--examine"}, judge: judgeMdadm,
		noise: `^\s*([^C\s]|C[^h]|Ch[^e]).* : | - correct$|^the volume:$`},
}

// Fsck lets the checker of a volume's kind, as blkid names it, look at the volume at
// path, a file or device that has nothing else, without writing to it. deep has btrfs
// check the checksums of file contents, too.
//
// The error wraps [ErrNotInstalled] and names the package where the program is not
// there, and [ErrNoChecker] where none is known for the kind. Every other error says
// that the program did not do its work: nothing is known then.
func Fsck(ctx context.Context, kind, path string, deep bool) (Checked, error) {
	if kind == "ext2" || kind == "ext3" {
		kind = "ext4"
	}
	k, ok := checkers[kind]
	if !ok {
		return Checked{}, fmt.Errorf("%s: %w", kind, ErrNoChecker)
	}
	c := Checked{Program: k.program}
	p, err := find(k.program)
	if err != nil {
		return c, fmt.Errorf("%w (package %s)", err, k.packages)
	}
	args := append([]string{}, k.args...)
	if deep {
		args = append(args, k.deep...)
	}
	code, out, err := both(ctx, fsckTime, p, append(args, path)...)
	if err != nil {
		return c, err
	}
	c.Sound, err = k.judge(code, out)
	if err != nil {
		return c, fmt.Errorf("%s (exit code %d): %w: %s", k.program, code, err, tail(out))
	}
	c.Log = k.log != "" && regexp.MustCompile(k.log).MatchString(out)
	k.sort(&c, strings.ReplaceAll(out, path, "the volume"))
	if kind == "vfat" && len(c.Found) == 0 {
		c.Sound = true // a mark of having been mounted is all there is
	}
	return c, nil
}

// ErrNoChecker is wrapped where no program is known for a kind of volume.
var ErrNoChecker = errors.New("no program is known that checks it")

// sort puts the lines of the output where they belong.
func (k checker) sort(c *Checked, out string) {
	noise := regexp.MustCompile(k.noise)
	notes := regexp.MustCompile(or(k.notes, `^\x00`))
	before := ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if line == before { // btrfs says so of each copy
			continue
		}
		before = line
		switch {
		case notes.MatchString(line):
			c.Notes = append(c.Notes, strings.TrimSpace(line))
		case noise.MatchString(line), strings.TrimSpace(line) == "":
		default:
			c.Found = append(c.Found, strings.TrimSpace(line))
		}
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// zeroOr is a judge by exit code alone: 0 is sound, the codes given are findings, and
// any other says that the program failed.
func zeroOr(findings ...int) func(int, string) (bool, error) {
	return func(code int, _ string) (bool, error) {
		for _, f := range findings {
			if code == f {
				return false, nil
			}
		}
		if code != 0 {
			return false, errors.New("it did not do its work")
		}
		return true, nil
	}
}

// both runs a program and returns its exit code and all that it wrote, up to keep bytes.
// The error says that it was not started or did not end by itself.
func both(ctx context.Context, timeout time.Duration, path string, args ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 5 * time.Second
	var out limited
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1")
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, out.String(), nil
	case ctx.Err() == nil && errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), out.String(), nil
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	return -1, out.String(), &ExitError{Command: filepath.Base(path) + " " + strings.Join(args, " "), Code: -1, Output: tail(out.String()), Err: err}
}

// tail is the end of an output, for a message.
func tail(out string) string {
	out = strings.TrimSpace(out)
	if len(out) > 400 {
		out = "... " + out[len(out)-400:]
	}
	return strings.ReplaceAll(out, "\n", "; ")
}
