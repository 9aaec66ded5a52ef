//go:build integration

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// TestFrozen mounts a disk that is written to and stays frozen meanwhile: writers wait,
// the image is the device's bytes, and nobody waits any more after the mount. At the
// deadline they go on, and the images are errors from then on, whatever was read before.
func TestFrozen(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
	for _, x := range []struct{ fs, mkfs string }{{"ext4", "mkfs.ext4 -q -F"}, {"xfs", "mkfs.xfs -q"}, {"btrfs", "mkfs.btrfs -q"}} {
		t.Run(x.fs, func(t *testing.T) {
			path := filepath.Join(tempDir(t), "disk.img")
			run(t, "truncate", "-s", "600M", path)
			run(t, "sh", "-ec", x.mkfs+" "+path)
			dev := loop(t, path, "--direct-io=on")
			fs, umount := mountFS(t, dev, "rw")
			defer umount()
			stop, done := make(chan struct{}), make(chan error, 1)
			go func() { done <- churn(fs, stop) }()
			defer func() {
				close(stop)
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			time.Sleep(time.Second)

			point := mountMigimg(t, dev, "--consistency", "frozen")
			written := touch(filepath.Join(fs, "waits"))
			truth := direct(t, dev)
			if code, out := exitStatus(t, "verify", point); code != exitOK {
				t.Errorf("verify: exit %d\n%s", code, out)
			}
			copied := readAll(t, filepath.Join(point, "disk.raw"))
			var m mapDocument
			if err := readJSON(point, mapPath, &m); err != nil || len(m.Ranges) == 0 {
				t.Fatal(m.Ranges, err)
			}
			for _, r := range spansFrom(m.Ranges) {
				if !bytes.Equal(copied[r.Off:r.End()], truth[r.Off:r.End()]) {
					t.Fatalf("bytes [%d, %d) are not the device's", r.Off, r.End())
				}
			}
			if s := statusOf(t, point); s.Consistency.Level != levelFrozen || !strings.HasPrefix(s.Drift, "none") {
				t.Errorf("%+v, %s", s.Consistency, s.Drift)
			}
			select {
			case err := <-written:
				t.Fatalf("written while it is frozen: %v", err)
			default:
			}
			run(t, program, "umount", point)
			goesOn(t, written)

			point = mountMigimg(t, dev, "--consistency", "frozen", "--freeze-timeout", "3s")
			image := filepath.Join(point, "disk.raw")
			if _, err := firstBytes(image); err != nil {
				t.Fatal(err)
			}
			goesOn(t, touch(filepath.Join(fs, "after the deadline")))
			eventually(t, "the images go stale", func() bool {
				_, err := firstBytes(image)
				return errors.Is(err, unix.EIO)
			})
			if s := statusOf(t, point); s.Consistency.Level != levelStale || !strings.Contains(strings.Join(s.Warnings, "\n"), "thawed before its time") {
				t.Errorf("status does not say that it was thawed: %+v", s)
			}
			run(t, program, "umount", point)
		})
	}
}

// touch writes a file from a goroutine and says how that went.
func touch(name string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- os.WriteFile(name, []byte("x"), 0o600) }()
	return done
}

// goesOn waits for a writer whose filesystem is frozen no more.
func goesOn(t *testing.T, written <-chan error) {
	t.Helper()
	select {
	case err := <-written:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it is frozen still")
	}
}

// firstBytes reads past the page cache: what was read before is not asked for again.
func firstBytes(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Munmap(b) }()
	n, err := f.ReadAt(b, 0)
	return bytes.Clone(b[:n]), err
}
