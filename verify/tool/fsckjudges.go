package tool

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// e2fsckChecker: the exit code is a sum (e2fsck(8)); 4 is errors left uncorrected, which
// -n leaves all. 8 alone is also that of a superblock that makes no sense.
var e2fsckChecker = checker{
	program: "e2fsck", packages: "e2fsprogs", args: []string{"-fn"}, log: "skipping journal recovery",
	judge: func(code int, out string) (bool, error) {
		switch {
		case code == 0:
			return true, nil
		case code < 16 && code&4 != 0, code == 8 && regexp.MustCompile(`superblock (is corrupt|could not be read or does not describe)|[Ss]uperblock checksum does not match|Corruption found in superblock`).MatchString(out):
			return false, nil
		}
		return false, errors.New("it did not do its work")
	},
	noise: `^(Salvage|Fix|Clear|Recreate|Connect to /lost\+found|IGNORED)\b.{0,3}( no)?$|^e2fsck \d|^Pass \d|: \d+/\d+ files|WARNING: Filesystem still has errors|^Warning: skipping journal recovery|^Note: `,
	notes: `^Warning!`,
}

// xfsChecker: with -n, 1 is damage (xfs_repair(8)), but also what stops the program.
var xfsChecker = checker{
	program: "xfs_repair", packages: "xfsprogs", args: []string{"-n", "-f"}, log: "valuable metadata changes in a log",
	judge: func(code int, out string) (bool, error) {
		switch {
		case code == 0:
			return true, nil
		case code == 1 && !regexp.MustCompile(`xfs_repair: (cannot open|couldn't|can't|data size)|Cannot allocate memory|couldn't malloc`).MatchString(out):
			return false, nil
		}
		return false, errors.New("it did not do its work")
	},
	noise: `^Phase \d|^ +- |^No modify flag set|^Cannot get host filesystem geometry|^Repair may fail if there is|^the image and the host|^Maximum metadata LSN|^ALERT: The filesystem has valuable|^used because the -n|^(from|ignored|running|mounted|log|destroyed|of the mounted|of a|which is being|without)|^\s*$|^Metadata CRC`,
}

// btrfsChecker: 1 is any trouble (btrfs-check(8)). What it finds in the state before a
// log tree is replayed is sound, too: the log is applied on top.
var btrfsChecker = checker{
	program: "btrfs", packages: "btrfs-progs", args: []string{"check", "--readonly"}, deep: []string{"--check-data-csum"},
	judge: func(code int, out string) (bool, error) {
		if strings.Contains(out, "is not a block device") || strings.Contains(out, "missing, read only") || strings.Contains(out, "warning, device") {
			return false, errors.New("not all of its devices are here")
		}
		return zeroOr(1)(code, out)
	},
	noise: `^Opening filesystem|^Checking filesystem|^UUID: |^\[\d/\d\] |^(total|btree space|file data|cache and super|referenced|csum bytes|fs tree|extent tree|  ?referenced|found \d+ bytes used)|^ referenced`,
	notes: `^no$`,
}

// judgeF2fs goes by the output: the exit code of a dry run is 0 whatever was found.
func judgeF2fs(code int, out string) (bool, error) {
	switch bad := regexp.MustCompile(`\[Fail\]|\[ASSERT\]|\[FIX\]|[Cc]an't find a valid|[Cc]ouldn't find|fatal error|Invalid`).MatchString(out); {
	case bad:
		return false, nil
	case code == 0 && strings.Contains(out, "other corrupted bugs"):
		return true, nil
	}
	return false, errors.New("it did not do its work")
}

// judgeErofs: a superblock whose checksum is wrong is said, and the exit code is 0.
func judgeErofs(code int, out string) (bool, error) {
	if strings.Contains(out, "<E>") {
		return false, nil
	}
	return zeroOr(1)(code, out)
}

// judgePvck: what does not add up is marked CHECK, with whatever exit code.
func judgePvck(code int, out string) (bool, error) {
	switch bad := strings.Contains(out, "CHECK:") || strings.Contains(out, "Found bad header"); {
	case bad:
		return false, nil
	case code == 0:
		return true, nil
	}
	return false, errors.New("it did not do its work")
}

// judgeMdadm: the checksum's verdict stands in the report.
func judgeMdadm(code int, out string) (bool, error) {
	m := regexp.MustCompile(`(?m)^\s*Checksum : \S+ - (.*)$`).FindStringSubmatch(out)
	switch {
	case m == nil && code != 0:
		return false, nil // no superblock that mdadm would take
	case m == nil:
		return false, errors.New("it says nothing of a checksum")
	}
	return code == 0 && strings.HasPrefix(m[1], "correct"), nil
}

// ReplayExt4 replays the journal of the ext3 or ext4 filesystem at path, which is
// written, and does what a mount would do besides: remove files that were deleted while
// they were open, and add up the counts of free space that are not journaled. found are
// lines that say that it was more than that.
func ReplayExt4(ctx context.Context, path string) (found []string, err error) {
	p, err := find("e2fsck")
	if err != nil {
		return nil, err
	}
	code, out, err := both(ctx, fsckTime, p, "-p", path)
	if err != nil {
		return nil, err
	}
	k := checker{noise: `recovering journal|Clearing orphaned inode|Truncating orphaned inode|^clean, |check forced|\d+/\d+ files|Setting free (inodes|blocks) count|Superblock last (mount|write) time|recovering fast commit`}
	var c Checked
	k.sort(&c, strings.ReplaceAll(out, path+": ", ""))
	switch {
	case code&4 != 0 || code&3 != 0 && len(c.Found) > 0:
		return c.Found, nil
	case code&^3 != 0:
		return nil, fmt.Errorf("e2fsck -p (exit code %d) could not replay the journal: %s", code, tail(out))
	}
	return nil, nil
}

// Mount mounts the volume at path, a file, through a loop device at the directory point,
// with the options given; nothing in it is executed or taken for a device. It needs
// root. The error has what mount(8) says.
func Mount(ctx context.Context, kind, path, point, options string) error {
	p, err := find("mount")
	if err != nil {
		return err
	}
	// Not stopped half-way: what is mounted is known, then, and can be unmounted.
	_, err = run(context.WithoutCancel(ctx), time.Hour, nil, p, "-t", kind, "-o", "loop,nosuid,nodev,noexec,noatime,"+options, path, point)
	if exit := (*ExitError)(nil); errors.As(err, &exit) { // in one line, which names nothing of ours
		said, _, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(exit.Output, point, "the volume")), "\n")
		return fmt.Errorf("mount -t %s -o %s: %w: %s", kind, options, exit.Err, said)
	}
	return err
}

// Unmount undoes Mount. Where that fails it is taken out of sight, and the error says so.
func Unmount(point string) error {
	p, err := find("umount")
	if err != nil {
		return err
	}
	var out []byte
	for range 100 { // somebody may be looking at it
		if out, err = exec.Command(p, point).CombinedOutput(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	lazy := exec.Command(p, "-l", point).Run()
	return errors.Join(fmt.Errorf("umount %s: %w: %s", point, err, strings.TrimSpace(string(out))), lazy)
}
