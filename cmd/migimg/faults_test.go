//go:build integration

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"migimg/fusefs"
	"migimg/internal/need"
)

// withBadSector attaches the file to a loop device whose given 512-byte sector cannot
// be read, until the test ends.
func withBadSector(t *testing.T, file string, sector string) string {
	t.Helper()
	need.Tool(t, "nbdkit", "nbdfuse")
	script, err := filepath.Abs("../../testdata/faulty.sh")
	if err != nil {
		t.Fatal(err)
	}
	dev := strings.TrimSpace(run(t, script, "start", file, sector))
	t.Cleanup(func() {
		if _, err := try(script, "stop", dev); err != nil {
			t.Error(err)
		}
	})
	return dev
}

// TestBadSector: a sector that the device cannot read is EIO where it lies and
// nowhere else, in every format, and status says where.
func TestBadSector(t *testing.T) {
	need.Root(t)
	path, _ := fragmentedDisk().make(t)
	good := mountMigimg(t, path)
	bad := inLongFile(t, path)
	dev := withBadSector(t, path, itoa(bad/512))
	point := mountMigimg(t, dev)
	for _, f := range statusOf(t, point).Files {
		if f.Format == "raw" {
			exactly(t, filepath.Join(good, f.Path), filepath.Join(point, f.Path), bad)
		}
		_, err := try("cp", filepath.Join(point, f.Path), filepath.Join(tempDir(t), "copy"))
		if err == nil || !strings.Contains(err.Error(), "Input/output error") {
			t.Errorf("cp of %s: %v, want an input/output error", f.Path, err)
		}
	}
	s := statusOf(t, point)
	if len(s.Reads.Errors) != 1 || s.Reads.Errors[0].Off > bad || s.Reads.Errors[0].End() <= bad || s.Reads.Errors[0].Len > 4096 || s.Reads.Errors[0].Volume != "1" {
		t.Errorf("status names %+v, want the sector at %d in partition 1", s.Reads.Errors, bad)
	}

	t.Run("zero", func(t *testing.T) {
		point := mountMigimg(t, dev, "--on-read-error", "zero")
		got, err := os.ReadFile(filepath.Join(point, "disk.raw"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(good, "disk.raw"))
		if err != nil {
			t.Fatal(err)
		}
		r := statusOf(t, point).Reads
		if len(r.Errors) != 1 || r.OnError != "zero" {
			t.Fatalf("status: %+v", r)
		}
		clear(want[r.Errors[0].Off:r.Errors[0].End()])
		if !bytes.Equal(got, want) {
			t.Error("more, or other bytes than the unreadable sector were replaced")
		}
	})
}

// inLongFile is a block in the middle of a carried run that is a file's data: the
// long file's of a fragmented disk.
func inLongFile(t *testing.T, path string) (at int64) {
	t.Helper()
	for line := range strings.Lines(run(t, program, "map", path, "--format", "ranges")) {
		var off, n int64
		if scan(t, line, &off, &n); n > 4<<20 && off+n < 2048*512+fsSize {
			return (off + n/2) / 4096 * 4096
		}
	}
	t.Fatal("no long carried run on the disk")
	return 0
}

// exactly: every 4 KiB block but the bad one reads as in the good image.
func exactly(t *testing.T, good, image string, bad int64) {
	t.Helper()
	want, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 4096)
	for off := int64(0); off < int64(len(want)); off += int64(len(p)) {
		n, err := f.ReadAt(p, off)
		if off == bad {
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("block at %d: %v, want EIO", off, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(p[:n], want[off:off+int64(n)]) {
			t.Fatalf("block at %d: %v, or wrong bytes; only the one at %d is bad", off, err, bad)
		}
	}
}

// TestBadSectorInFreeSpace: nobody is told of a sector that nobody needs.
func TestBadSectorInFreeSpace(t *testing.T) {
	need.Root(t)
	path, _ := fragmentedDisk().make(t)
	at := int64(0)
	free := int64(0)
	for line := range strings.Lines(run(t, program, "map", path, "--format", "ranges")) {
		var off, n int64
		scan(t, line, &off, &n)
		// A small gap: inside a cluster, so that its neighbours are read. It lies behind
		// what is read to tell formats apart: a volume is carried whole where that fails.
		if gap := off - at; at > 4<<20 && gap >= 8192 && gap < 48<<10 {
			free = (at + 4095) / 4096 * 4096
			break
		}
		at = off + n
	}
	if free == 0 {
		t.Fatal("no small gap in the map")
	}
	point := mountMigimg(t, withBadSector(t, path, itoa(free/512)))
	for _, f := range statusOf(t, point).Files {
		run(t, "cp", filepath.Join(point, f.Path), filepath.Join(tempDir(t), "copy"))
	}
	if e := statusOf(t, point).Reads.Errors; len(e) > 0 {
		t.Errorf("status names %v", e)
	}
}

// TestKilled: the daemon dies in the middle of a copy. The copy fails and verify
// calls it short; the next mount cleans up.
func TestKilled(t *testing.T) {
	need.Root(t)
	path, _ := fragmentedDisk().make(t)
	point := mountMigimg(t, path)
	image, err := os.Open(filepath.Join(point, "disk.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	size := statusOf(t, point).Files[1].Size
	part := make([]byte, size/2)
	if _, err := image.ReadAt(part, 0); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(statusOf(t, point).PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mount to be dead", func() bool {
		_, err := image.ReadAt(make([]byte, 1), size-1)
		return err != nil
	})
	if _, err := try("cp", filepath.Join(point, "disk.qcow2"), filepath.Join(tempDir(t), "copy")); err == nil {
		t.Error("cp from a dead mount worked")
	}
	short := filepath.Join(tempDir(t), "short.qcow2")
	if err := os.WriteFile(short, part, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := exitStatus(t, "verify", short); code != exitFindings || !strings.Contains(out, "short") {
		t.Errorf("verify of the short copy: exit %d\n%s", code, out)
	}
	if code, out := exitStatus(t, "mount", path, point); code != 0 {
		t.Fatalf("the next mount: exit %d\n%s", code, out)
	}
	if code, out := exitStatus(t, "verify", short, "--source", point); code != exitFindings {
		t.Errorf("verify against the source: exit %d\n%s", code, out)
	}
}

// TestBusy: an open file keeps the mount, and a signal waits for it.
func TestBusy(t *testing.T) {
	need.Root(t)
	path, _ := fragmentedDisk().make(t)
	point := mountMigimg(t, path)
	pid := statusOf(t, point).PID
	daemon := fusefs.ProcessOf(pid)
	f, err := os.Open(filepath.Join(point, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if code, out := exitStatus(t, "umount", point); code != exitFailed || !strings.Contains(out, "busy") {
		t.Errorf("umount while busy: exit %d\n%s", code, out)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, 4096), 0); err != nil {
		t.Errorf("reading after SIGTERM: %v", err)
	}
	f.Close()
	eventually(t, "the daemon to end", func() bool { return !daemon.Alive() })
	if err := os.Remove(point); err != nil {
		t.Errorf("the mount point is still in use: %v", err)
	}
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, program, "mount", path, point) // for the clean-up to unmount
}

// TestForegroundEndsOnInterrupt: -f ends cleanly at SIGINT, and by umount(8).
func TestForegroundEndsOnInterrupt(t *testing.T) {
	need.Root(t)
	path, _ := fragmentedDisk().make(t)
	for name, stop := range map[string]func(cmd *exec.Cmd, point string) error{
		"SIGINT": func(cmd *exec.Cmd, _ string) error { return cmd.Process.Signal(syscall.SIGINT) },
		// Until it is ready the program itself looks into its mount: busy.
		"umount(8)": func(_ *exec.Cmd, point string) error {
			eventually(t, "umount(8)", func() bool { return exec.Command("umount", point).Run() == nil })
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			point := filepath.Join(tempDir(t), "mnt")
			if err := os.Mkdir(point, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "mount", "-f", path, point)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			eventually(t, "the mount", func() bool { _, ok := isMountpoint(point); return ok })
			if err := stop(cmd, point); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if _, still := isMountpoint(point); still {
				t.Error("still mounted")
			}
		})
	}
}
