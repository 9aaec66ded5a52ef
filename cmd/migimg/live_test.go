//go:build integration

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// TestLive: a filesystem that is mounted read-write makes the image live and is
// carried whole; offline is refused with the mount's name. Read-only, it is
// mapped again, and said when it changes later.
func TestLive(t *testing.T) {
	need.Root(t)
	need.Tool(t, "losetup", "partx", "e2fsck")
	path, _ := fragmentedDisk().make(t)
	dev := partitions(t, loop(t, path))
	fs, _ := mountFS(t, dev+"p1", "rw")

	code, out := exitStatus(t, "map", dev, "--consistency", "offline")
	if code != exitFailed || !strings.Contains(out, fs) || !strings.Contains(out, "pinned") {
		t.Errorf("offline: exit %d\n%s", code, out)
	}
	if out := run(t, program, "map", dev); !strings.Contains(out, "mounted and not frozen") || !strings.Contains(out, "warning") {
		t.Errorf("map:\n%s", out)
	}
	point := mountMigimg(t, dev, "--consistency", "live")
	s := statusOf(t, point)
	if s.Consistency.Level != "live" || !strings.Contains(s.Consistency.Detail, fs) {
		t.Errorf("status: %+v", s.Consistency)
	}
	if err := os.WriteFile(filepath.Join(fs, "later"), bytes.Repeat([]byte("later"), 1<<18), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "sync", "-f", fs)
	image, err := os.ReadFile(filepath.Join(point, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(image, bytes.Repeat([]byte("later"), 100)) {
		t.Error("what was written later, into what was free, is not in the image of a volume that is carried whole")
	}
	run(t, program, "umount", point)

	run(t, "mount", "-o", "remount,ro", fs)
	point = mountMigimg(t, dev, "--consistency", "offline")
	if s := statusOf(t, point); s.Consistency.Level != "offline" || len(s.Warnings) > 0 || s.Map.CarriedBytes > diskSize*3/4 {
		t.Errorf("read-only: %+v, %v, %d bytes are carried", s.Consistency, s.Warnings, s.Map.CarriedBytes)
	}
	run(t, "mount", "-o", "remount,rw", fs)
	if s := statusOf(t, point); len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], fs) {
		t.Errorf("read-write again: %v", s.Warnings)
	}
}

// TestCrash: after a crash the journal of a filesystem on a device that nobody
// writes to is read, the free space is found, and the image is in order.
func TestCrash(t *testing.T) {
	need.Root(t)
	need.Tool(t, "losetup", "partx", "e2fsck")
	path, _ := fragmentedDisk().make(t)
	dev := partitions(t, loop(t, path))
	fs, umount := mountFS(t, dev+"p1", "rw")
	if err := os.WriteFile(filepath.Join(fs, "new"), bytes.Repeat([]byte("new"), 1<<18), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "sync", "-f", fs)
	crashed := filepath.Join(tempDir(t), "crashed")
	run(t, "cp", dev, crashed)
	umount()

	point := mountMigimg(t, crashed)
	if s := statusOf(t, point); s.Map.CarriedBytes > diskSize*3/4 {
		t.Errorf("%d bytes are carried", s.Map.CarriedBytes)
	}
	restored := filepath.Join(tempDir(t), "restored")
	run(t, "cp", filepath.Join(point, "disk.raw"), restored)
	if err := os.Chmod(restored, 0o600); err != nil {
		t.Fatal(err)
	}
	part := partitions(t, loop(t, restored)) + "p1"
	after, done := mountFS(t, part, "rw") // replays the journal
	if b, err := os.ReadFile(filepath.Join(after, "new")); err != nil || !bytes.Equal(b, bytes.Repeat([]byte("new"), 1<<18)) {
		t.Errorf("the file that was written before the crash: %v", err)
	}
	done()
	run(t, "e2fsck", "-fn", part)
}
