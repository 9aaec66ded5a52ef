//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"migimg/internal/need"
	"migimg/preflight"
	"migimg/preflight/checks"
	"migimg/verify"
)

// TestPinned copies disks whose filesystem a writer never leaves alone: the copy must
// be in order, and what was there and synced before it was mounted must be in it.
func TestPinned(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "e2fsck", "xfs_repair", "btrfs")
	for _, x := range []struct{ fs, mkfs, options, check string }{
		{"ext4", "mkfs.ext4 -q -F", "rw", "e2fsck -fn"},
		{"xfs", "mkfs.xfs -q", "rw,nouuid", "xfs_repair -n"},
		{"btrfs", "mkfs.btrfs -q", "rw", "btrfs check"},
	} {
		t.Run(x.fs, func(t *testing.T) {
			path := filepath.Join(tempDir(t), "disk.img")
			run(t, "truncate", "-s", "600M", path)
			run(t, "sh", "-ec", x.mkfs+" "+path)
			dev := loop(t, path)
			fs, umount := mountFS(t, dev, "rw")
			for i := range 500 {
				if err := os.WriteFile(filepath.Join(fs, fmt.Sprint("old", i)), []byte(strings.Repeat(fmt.Sprint(i), 3000)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			run(t, "sync", "-f", fs)
			stop, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- churn(fs, stop) }()
			point := mountMigimg(t, dev)
			s := statusOf(t, point)
			copied := filepath.Join(tempDir(t), "copy.img")
			run(t, "cp", "--sparse=always", filepath.Join(point, "disk.raw"), copied)
			moved := filepath.Join(point, ".migimg/drift.json")
			var d drift
			if b, err := os.ReadFile(moved); err != nil || json.Unmarshal(b, &d) != nil || d.State != "tracked" {
				t.Errorf("drift: %s, %v", b, err)
			}
			t.Logf("drift: %d bytes of %d files; %d of no file", d.Bytes, len(d.Files), d.NoFile)
			verdictAgrees(t, point, &d)
			for _, f := range d.Files {
				if !strings.HasPrefix(f.Path, "/new") {
					t.Errorf("a file drifted that nobody touched: %+v", f)
				}
			}
			close(stop)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			verifiesMoving(t, point, copied, &d)
			run(t, program, "umount", point)
			umount()
			if s.Consistency.Level != levelPinned || s.Consistency.Pins == nil || s.Map.CarriedBytes > 400<<20 {
				t.Fatalf("%+v, %d bytes are carried", s.Consistency, s.Map.CarriedBytes)
			}
			t.Logf("frozen for %d ms, %d bytes in memory", s.Consistency.Pins.Frozen, s.Consistency.Pins.Memory)

			if err := os.Chmod(copied, 0o600); err != nil {
				t.Fatal(err)
			}
			_, checked := verified(t, "--fsck", "--image-format", "raw", copied)
			if a := checked["the disk ("+x.fs+")"]; a.Status != verify.Pass {
				t.Errorf("%+v", a)
			}
			part := loop(t, copied)
			if x.fs != "xfs" { // a frozen XFS leaves its log to be replayed
				run(t, "sh", "-ec", x.check+" "+part)
			}
			after, unmount := mountFS(t, part, x.options)
			for i := range 500 {
				b, err := os.ReadFile(filepath.Join(after, fmt.Sprint("old", i)))
				if err != nil || string(b) != strings.Repeat(fmt.Sprint(i), 3000) {
					t.Fatalf("old%d, which nobody touched: %d bytes, %v", i, len(b), err)
				}
			}
			unmount()
			run(t, "sh", "-ec", x.check+" "+part)
		})
	}
}

// verdictAgrees sees that the report says of the files that moved what the drift
// does, which can only grow.
func verdictAgrees(t *testing.T, point string, before *drift) {
	t.Helper()
	time.Sleep(lookEvery + 200*time.Millisecond)
	var r preflight.Report
	if err := json.Unmarshal(readAll(t, filepath.Join(point, "preflight.json")), &r); err != nil {
		t.Fatal(err)
	}
	var after drift
	if err := json.Unmarshal(readAll(t, filepath.Join(point, ".migimg/drift.json")), &after); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.Checks, func(c preflight.CheckResult) bool { return c.ID == "fs.live-consistency" })
	if i < 0 {
		t.Fatal("the report has no fs.live-consistency")
	}
	c := r.Checks[i]
	t.Logf("fs.live-consistency: %s: %s", c.Status, c.Summary)
	named := strings.Contains(c.Summary, "exact but for")
	switch {
	case len(before.Files) > 0 && !named:
		t.Errorf("%d files moved; the report: %s: %s", len(before.Files), c.Status, c.Summary)
	case len(after.Files) == 0 && named:
		t.Errorf("no file moved; the report: %s: %s", c.Status, c.Summary)
	case named && c.Status != checks.Warn, !named && after.Bytes == 0 && c.Status == checks.Fail:
		t.Errorf("%s: %s", c.Status, c.Summary)
	}
}

// TestPinnedBeside has a filesystem that cannot be frozen, as the ESP of most
// machines: beside an ext4 it alone is live, and by itself the image is, too.
func TestPinnedBeside(t *testing.T) {
	need.Root(t)
	need.Tool(t, "sfdisk", "losetup", "partx", "mkfs.ext4", "mkfs.ntfs", "ntfs-3g", "e2fsck")
	path := filepath.Join(tempDir(t), "disk.img")
	run(t, "truncate", "-s", "200M", path)
	run(t, "sh", "-ec", `printf 'label: gpt\nsize=100M\nsize=80M\n' | sfdisk -q "$0"`, path)
	dev := partitions(t, loop(t, path))
	run(t, "mkfs.ext4", "-q", dev+"p1")
	run(t, "mkfs.ntfs", "-q", "-Q", "-F", dev+"p2")
	ntfs := filepath.Join(tempDir(t), "ntfs")
	if err := os.Mkdir(ntfs, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "ntfs-3g", dev+"p2", ntfs)
	t.Cleanup(func() {
		eventually(t, "umount "+ntfs, func() bool { return exec.Command("umount", ntfs).Run() == nil })
	})
	ext4, umount := mountFS(t, dev+"p1", "rw")
	if err := os.WriteFile(filepath.Join(ext4, "file"), []byte("contents"), 0o600); err != nil {
		t.Fatal(err)
	}

	level := func(want map[string]string, args ...string) string {
		t.Helper()
		point := mountMigimg(t, dev, args...)
		c := statusOf(t, point).Consistency
		got := map[string]string{}
		for _, f := range c.Filesystems {
			got[f.Point] = f.Level
		}
		if c.Level != levelLive || !strings.Contains(c.Detail, ntfs) || !maps.Equal(got, want) {
			t.Errorf("%+v, want %v", c, want)
		}
		copied := filepath.Join(tempDir(t), "copy.img")
		run(t, "cp", "--sparse=always", filepath.Join(point, "partitions/p1-ext4.raw"), copied)
		run(t, program, "umount", point)
		return copied
	}
	run(t, "e2fsck", "-fn", level(map[string]string{ext4: levelPinned, ntfs: levelLive}))
	level(map[string]string{}, "--spool", ext4) // which has to stay writable
	umount()
	level(map[string]string{})
}

// churn makes, renames, appends to and removes files until it is told to stop.
func churn(dir string, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		name := func(i int) string { return filepath.Join(dir, fmt.Sprint("new", i%300)) }
		f, err := os.OpenFile(name(i), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(make([]byte, i*37%20000))
		if i%10 == 0 {
			err = f.Sync()
		}
		f.Close()
		if err != nil {
			return err
		}
		switch i % 4 {
		case 0:
			_ = os.Rename(name(i*7), name(i*3)) // not there yet, perhaps
		case 1:
			_ = os.Remove(name(i * 5))
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// verifiesMoving has verify compare a copy with a device that has moved on: what was
// written is undecided, and what was not is a difference if it is one.
func verifiesMoving(t *testing.T, point, copied string, d *drift) {
	t.Helper()
	code, out := exitStatus(t, "verify", copied, "--source", point)
	if code != exitUndecided || !strings.Contains(out, "were written on the source since") {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
	if len(d.Files) > 0 && !strings.Contains(out, fmt.Sprintf("but for %d files", len(d.Files))) {
		t.Errorf("verify does not name what moved:\n%s", out)
	}
	f, err := os.OpenFile(copied, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := readAll(t, copied)
	old := []byte(strings.Repeat("77", 2000)) // of a file that nobody writes to
	at := int64(bytes.Index(b, old))
	if at < 0 {
		t.Fatal("an old file is not in the copy")
	}
	flip := func(to string) {
		if _, err := f.WriteAt([]byte(to), at+100); err != nil {
			t.Fatal(err)
		}
	}
	flip("X")
	defer flip("7")
	if code, out := exitStatus(t, "verify", copied, "--source", point); code != exitFindings || !strings.Contains(out, "0x58 instead of 0x37") {
		t.Errorf("verify of a flipped byte: exit %d\n%s", code, out)
	}
}
