//go:build integration

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/verify"
)

// TestFilesystemLogs has sound filesystems whose logs wait to be replayed, as a crash, a
// freeze and a pin leave them: they pass, as a checker of its own would not say, and the
// image stays as it is.
func TestFilesystemLogs(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "e2fsck", "xfs_repair", "btrfs", "fsfreeze", "dumpe2fs")
	for _, x := range []struct {
		name, fs, mkfs, size string
		// take makes a copy of the mounted filesystem in the file $0 as the file $1; $2 is
		// where it is mounted.
		take  string
		alone string // finds fault with the copy if it is a test of anything; $1
	}{
		{"ext4 after a crash", "ext4", "mkfs.ext4 -q", "64M", `sync; cp --sparse=always $0 $1`, `! e2fsck -fn $1`},
		{"ext4 after a crash, and too many mounts", "ext4", "mkfs.ext4 -q", "64M", `sync; cp --sparse=always $0 $1; debugfs -w -R "ssv max_mnt_count 1" $1; debugfs -w -R "ssv mnt_count 5" $1`, `! e2fsck -fn $1`},
		{"ext4 frozen, with a deleted file that is open", "ext4", "mkfs.ext4 -q", "64M", `fsfreeze -f $2; cp --sparse=always $0 $1; fsfreeze -u $2`, `! e2fsck -fn $1`},
		{"xfs after a crash", "xfs", "mkfs.xfs -q", "310M", `mv $2/new* $2/in; sync -f $2; cp --sparse=always $0 $1`, `xfs_repair -n -f $1 2>&1 | grep 'metadata changes in a log'`},
		{"xfs frozen", "xfs", "mkfs.xfs -q", "310M", `fsfreeze -f $2; cp --sparse=always $0 $1; fsfreeze -u $2`, `! xfs_repair -n -f $1`},
		{"btrfs with a log tree", "btrfs", "mkfs.btrfs -q", "128M", `sync -f $2; echo more >>$2/new1; sync $2/new1; cp --sparse=always $0 $1`, `btrfs inspect-internal dump-super $1 | grep 'log_root.*[1-9]'`},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := tempDir(t)
			path, copied := filepath.Join(dir, "disk"), filepath.Join(dir, "copy")
			run(t, "truncate", "-s", x.size, path)
			run(t, "sh", "-ec", x.mkfs+" "+path)
			point, umount := mountFS(t, loop(t, path), "rw")
			held := scribble(t, point)
			defer held.Close()
			run(t, "sh", "-ec", x.take, path, copied, point)
			run(t, "sh", "-ec", x.alone, "sh", copied)
			held.Close()
			umount()
			before := hashFile(t, copied)
			code, got := verified(t, "--deep", "--image-format", "raw", copied)
			name := "the disk (" + x.fs + ")"
			if code != exitOK || got[name].Status != verify.Pass || got[name+" files"].Status != verify.Pass || !strings.HasPrefix(got[name+" files"].Summary, "52 files read") {
				t.Errorf("exit code %d, %+v, %+v", code, got[name], got[name+" files"])
			}
			if x.fs == "ext4" || x.fs == "xfs" {
				if !strings.Contains(got[name].Summary, "in a scratch copy") {
					t.Errorf("%+v", got[name])
				}
			}
			if hashFile(t, copied) != before {
				t.Error("the image was written to")
			}
			// What is wrong in spite of the log is found.
			if x.fs == "ext4" {
				run(t, "debugfs", "-w", "-R", "setb 60000 3", copied)
				if code, got := verified(t, "--fsck", "--image-format", "raw", copied); code != exitFindings || got[name].Status != verify.Fail {
					t.Errorf("a fault beside a log: exit code %d, %+v", code, got[name])
				}
			}
		})
	}
}

// scribble makes files, removes some, and leaves one open that has no name: 52 are left.
func scribble(t *testing.T, point string) *os.File {
	t.Helper()
	if err := os.Mkdir(filepath.Join(point, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"in/old": 300000, "in/gone": 5000, "open": 100000, "last": 7} {
		if err := os.WriteFile(filepath.Join(point, name), bytes.Repeat([]byte(name), n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "sync", "-f", point)
	for i := range 50 {
		if err := os.WriteFile(filepath.Join(point, fmt.Sprint("new", i)), bytes.Repeat([]byte{byte(i)}, 20000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(filepath.Join(point, "open"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"open", "in/gone"} {
		if err := os.Remove(filepath.Join(point, name)); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestDeep compares copies of a mounted filesystem with it, file by file.
func TestDeep(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "e2fsck", "xfs_repair", "btrfs")
	for _, x := range []struct{ fs, mkfs, size string }{
		{"ext4", "mkfs.ext4 -q", "64M"}, {"xfs", "mkfs.xfs -q", "310M"}, {"btrfs", "mkfs.btrfs -q", "256M"},
	} {
		t.Run(x.fs, func(t *testing.T) {
			dir := tempDir(t)
			path := filepath.Join(dir, "disk")
			run(t, "truncate", "-s", x.size, path)
			run(t, "sh", "-ec", x.mkfs+" "+path)
			dev := loop(t, path)
			fs, _ := mountFS(t, dev, "rw")
			scribble(t, fs).Close()
			run(t, "sleep", "1.2") // settled
			point := mountMigimg(t, dev)
			copied := filepath.Join(dir, "copy.raw")
			run(t, "cp", "--sparse=always", filepath.Join(point, "disk.raw"), copied)
			if err := os.Chmod(copied, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(fs, "new7"), []byte("other"), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "mv", filepath.Join(fs, "new8"), filepath.Join(fs, "moved"))
			run(t, "sync", "-f", fs)
			name := "the disk (" + x.fs + ")"
			files := func(args ...string) verify.Aspect {
				t.Helper()
				_, got := verified(t, append([]string{"--deep", "--image-format", "raw", copied}, args...)...)
				if got[name].Status != verify.Pass {
					t.Errorf("%+v", got[name])
				}
				return got[name+" files"]
			}
			a := files("--source", point)
			counts := strings.HasPrefix(a.Summary, "52 files read") && strings.Contains(a.Summary, "50 of them are as in "+fs+", 2 there")
			if x.fs == "btrfs" { // which has snapshots of them, too
				counts = strings.Contains(a.Summary, " of them are as in "+fs)
			}
			if a.Status != verify.Pass || !counts {
				t.Errorf("%+v", a)
			}
			// A byte of in/old, in the copy alone.
			b := contents(t, copied)
			f, err := os.OpenFile(copied, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			poke(t, f, find(t, b, strings.Repeat("in/old", 700)), '!')
			want := "/in/old differs at byte"
			if x.fs == "btrfs" { // its own checksum is the first to notice
				_, got := verified(t, "--deep", "--image-format", "raw", copied, "--source", point)
				if a := got[name]; a.Status != verify.Fail || !strings.Contains(fmt.Sprint(a.Problems), "csum") {
					t.Errorf("%+v", a)
				}
				return
			}
			if a := files("--source", point); a.Status != verify.Fail || !strings.Contains(fmt.Sprint(a.Problems), want) {
				t.Errorf("%+v", a)
			}
			if a := files(); a.Status != verify.Pass { // nothing to compare with
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestFsckOfMount looks at the disk of a mount once, in whatever format it is shown, and
// says which programs are missing.
func TestFsckOfMount(t *testing.T) {
	need.Root(t)
	need.Tool(t, "unshare", "mkfs.ext4", "sfdisk")
	path := filepath.Join(tempDir(t), "disk")
	run(t, "truncate", "-s", "64M", path)
	run(t, "mkfs.ext4", "-q", path)
	point := mountMigimg(t, path)
	code, got := verified(t, "--fsck", point)
	if code != exitOK || got["the disk (ext4)"].Status != verify.Pass {
		t.Errorf("exit code %d, %+v", code, got)
	}
	out := run(t, program, "verify", "--fsck", point)
	if n := strings.Count(out, "looked at in "+point); n != len(statusOf(t, point).Files)-1 {
		t.Errorf("%d others:\n%s", n, out)
	}
	e2fsck, err := exec.LookPath("e2fsck")
	if err != nil {
		t.Fatal(err)
	}
	// Where it cannot be executed it is not installed.
	out = run(t, "unshare", "-m", "sh", "-ec", `mount --bind /dev/null "$0"; exec "$@"`, e2fsck, program, "verify", "--fsck", point)
	if !strings.Contains(out, "not run: e2fsck: not installed (package e2fsprogs)") {
		t.Error(out)
	}
}
