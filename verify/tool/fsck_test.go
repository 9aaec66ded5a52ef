package tool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Programs of our own in the place of checkers: what their exit codes and words come to.
func TestFsck(t *testing.T) {
	for _, x := range []struct {
		kind, script string
		sound, log   bool
		found        []string
		notes        int
		failed       bool
	}{
		{kind: "ext4", script: "echo 'Pass 1: x'; echo 'x: 11/16 files (0.0%), 7/9 blocks'; exit 0", sound: true},
		{kind: "ext3", script: "echo 'Inode 5 bad.  Fix? no'; echo; echo 'Fix? no'; exit 4", found: []string{"Inode 5 bad.  Fix? no"}},
		{kind: "ext4", script: "echo 'Warning: skipping journal recovery because'; exit 0", sound: true, log: true},
		{kind: "ext4", script: "echo 'The superblock could not be read or does not describe a valid ext2/ext3/ext4'; exit 8", found: []string{"The superblock could not be read or does not describe a valid ext2/ext3/ext4"}},
		{kind: "ext4", script: "echo 'Cannot allocate memory'; exit 8", failed: true},
		{kind: "ext4", script: "exit 127", failed: true},
		{kind: "xfs", script: "echo 'Phase 1 - x'; echo '        - agno = 0'; echo 'bad CRC for inode 1'; exit 1", found: []string{"bad CRC for inode 1"}},
		{kind: "xfs", script: "echo 'xfs_repair: cannot open x' >&2; exit 1", failed: true},
		{kind: "xfs", script: "exit 2", failed: true},
		{kind: "btrfs", script: "echo \"bad $3\"; echo \"bad $3\"; exit 1", found: []string{"bad the volume"}},
		{kind: "btrfs", script: "kill -SEGV $$", failed: true},
		{kind: "btrfs", script: "kill -9 $$", failed: true},
		{kind: "vfat", script: "echo 'Dirty bit is set. x'; echo ' Automatically removing dirty bit.'; exit 1", sound: true, notes: 1},
		{kind: "vfat", script: "echo 'Dirty bit is set. x'; echo 'FATs differ'; exit 1", found: []string{"FATs differ"}, notes: 1},
		{kind: "vfat", script: "exit 2", failed: true},
		{kind: "exfat", script: "exit 8", failed: true},
		{kind: "ntfs", script: "echo 'The disk contains an unclean file system (0, 0).'; exit 0", sound: true, log: true, found: []string{"The disk contains an unclean file system (0, 0)."}},
		{kind: "f2fs", script: "echo '[FSCK] other corrupted bugs [Fail]'; exit 0", found: []string{"[FSCK] other corrupted bugs [Fail]"}},
		{kind: "erofs", script: "echo '<E> erofs: superblock chksum does not match'; echo 'No errors found'; exit 0", found: []string{"<E> erofs: superblock chksum does not match"}},
		{kind: "f2fs", script: "exit 0", failed: true}, // it says nothing
		{kind: "LVM2_member", script: "echo '  CHECK: label_header.crc expected 0x1'; exit 0", found: []string{"CHECK: label_header.crc expected 0x1"}},
		{kind: "linux_raid_member", script: "echo '       Checksum : 1 - correct'; echo '    Update Time : Mon'; exit 0", sound: true},
		{kind: "linux_raid_member", script: "echo '       Checksum : 1 - expected 2'; exit 0", found: []string{"Checksum : 1 - expected 2"}},
		{kind: "linux_raid_member", script: "exit 0", failed: true},
	} {
		dir := t.TempDir()
		k := "ext4"
		if x.kind != "ext3" {
			k = x.kind
		}
		if err := os.WriteFile(filepath.Join(dir, checkers[k].program), []byte("#!/bin/sh\n"+x.script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":/usr/bin:/bin")
		c, err := Fsck(t.Context(), x.kind, "/there/it/is", false)
		if (err != nil) != x.failed || errors.Is(err, ErrNotInstalled) {
			t.Errorf("%s, %s: %v", x.kind, x.script, err)
			continue
		}
		if err == nil && (c.Sound != x.sound || c.Log != x.log || !slices.Equal(c.Found, x.found) || len(c.Notes) != x.notes) {
			t.Errorf("%s, %s: %+v", x.kind, x.script, c)
		}
	}
	if _, err := Fsck(t.Context(), "jfs", "x", false); !errors.Is(err, ErrNoChecker) {
		t.Error(err)
	}
	checkers["none"] = checker{program: "fsck.migimg-none", packages: "nothing"}
	defer delete(checkers, "none")
	if _, err := Fsck(t.Context(), "none", "x", false); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "(package nothing)") {
		t.Error(err)
	}
}
