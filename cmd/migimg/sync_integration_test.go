//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/xattr"

	"migimg/internal/need"
)

// syncedFilesystems are what copies are brought up to date of.
var syncedFilesystems = []struct{ fs, mkfs, check string }{
	{"ext4", "mkfs.ext4 -q -F", "e2fsck -fn"},
	{"xfs", "mkfs.xfs -q", "mount -o nouuid $0 $1 && umount $1 && xfs_repair -n"},
	{"btrfs", "mkfs.btrfs -q", "btrfs check --check-data-csum"},
}

// churnEnv starts the tests as a writer in a directory.
const churnEnv = "MIGIMG_TEST_CHURN"

// busyDisk is a mounted filesystem with files on it and a writer who never rests
// until stop is called.
func busyDisk(t *testing.T, mkfs string) (dev string, stop func()) {
	t.Helper()
	path := filepath.Join(tempDir(t), "disk.img")
	run(t, "truncate", "-s", "600M", path)
	run(t, "sh", "-ec", mkfs+" "+path)
	dev = loop(t, path)
	fs, umount := mountFS(t, dev, "rw")
	for i := range 500 {
		if err := os.WriteFile(filepath.Join(fs, fmt.Sprint("old", i)), []byte(strings.Repeat(fmt.Sprint(i), 3000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "sync", "-f", fs)
	// A process of its own: what has files open for writing cannot be frozen by itself.
	var said bytes.Buffer
	writer := exec.Command(os.Args[0])
	writer.Env, writer.Stderr = append(os.Environ(), churnEnv+"="+fs), &said
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = writer.Process.Kill()
		if _ = writer.Wait(); said.Len() > 0 {
			t.Errorf("the writer ended: %s", said.String())
		}
		umount()
	}
	t.Cleanup(stop)
	return dev, stop
}

// TestSync brings copies in two formats up to date while a writer goes on, twice,
// and lets the filesystem's own checker look at what they hold.
func TestSync(t *testing.T) {
	need.Root(t)
	for _, x := range syncedFilesystems {
		t.Run(x.fs, func(t *testing.T) {
			dev, stop := busyDisk(t, x.mkfs)
			point := mountMigimg(t, dev)
			dir := tempDir(t)
			for _, name := range []string{"disk.qcow2", "disk.raw"} {
				copied := filepath.Join(dir, name)
				run(t, "cp", "--sparse=always", filepath.Join(point, name), copied)
				if err := os.Chmod(copied, 0o600); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					time.Sleep(time.Second)
					var out resynced
					if err := json.Unmarshal([]byte(run(t, program, "sync", "--format", "json", point, copied)), &out); err != nil {
						t.Fatal(err)
					}
					if out.Level != levelPinned || len(out.Rounds) == 0 || !out.Rounds[len(out.Rounds)-1].Frozen {
						t.Errorf("%+v", out)
					}
					t.Logf("%s: %v, frozen for %d ms, %d bytes freed", name, out.Rounds, out.Frozen, out.Zeroed)
				}
				if at, err := xattr.Get(copied, t0Attr); err != nil || (marker{copied}).incomplete() {
					t.Errorf("not marked as complete: %s, %v", at, err)
				}
			}
			run(t, program, "umount", point)
			stop()
			run(t, "qemu-img", "check", "-q", filepath.Join(dir, "disk.qcow2"))
			run(t, "qemu-img", "convert", "-O", "raw", filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "again.raw"))
			for _, name := range []string{"disk.raw", "again.raw"} {
				part := loop(t, filepath.Join(dir, name))
				run(t, "sh", "-ec", strings.NewReplacer("$0", part, "$1", filepath.Join(tempDir(t))).Replace(x.check)+" "+part)
			}
		})
	}
}

// TestSyncIsExact compares the copy with what the device held while it was frozen.
func TestSyncIsExact(t *testing.T) {
	need.Root(t)
	for _, x := range syncedFilesystems {
		t.Run(x.fs, func(t *testing.T) {
			dev, _ := busyDisk(t, x.mkfs)
			point := mountMigimg(t, dev)
			copied := filepath.Join(tempDir(t), "disk.raw")
			run(t, "cp", "--sparse=always", filepath.Join(point, "disk.raw"), copied)
			if err := os.Chmod(copied, 0o600); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				time.Sleep(time.Second)
				var truth []byte
				r := &resync{rounds: 3, stall: time.Minute}
				r.moment.frozen = func() { truth = direct(t, dev) }
				out, err := r.sync(context.Background(), point, copied, "")
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%v, %d bytes freed", out.Rounds, out.Zeroed)
				got := readAll(t, copied)
				for _, c := range r.carried {
					if !bytes.Equal(got[c.Off:c.End()], truth[c.Off:c.End()]) {
						t.Fatalf("sync %d: bytes [%d, %d) are not those of the frozen device", i, c.Off, c.End())
					}
				}
				for _, f := range (spans{{Off: 0, Len: int64(len(got))}}).without(r.carried) {
					if len(bytes.Trim(got[f.Off:f.End()], "\x00")) > 0 {
						t.Fatalf("sync %d: free bytes in [%d, %d) are not zeros", i, f.Off, f.End())
					}
				}
			}
		})
	}
}

// direct reads a device around the page cache.
func direct(t *testing.T, dev string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.Grow(600 << 20)
	b.WriteString(run(t, "dd", "if="+dev, "bs=4M", "iflag=direct", "status=none"))
	return b.Bytes()
}

// TestSyncInterrupted ends a sync in the middle: the copy says so, to verify too,
// and the next sync mends it.
func TestSyncInterrupted(t *testing.T) {
	need.Root(t)
	dev, stop := busyDisk(t, "mkfs.ext4 -q -F")
	point := mountMigimg(t, dev)
	copied := filepath.Join(tempDir(t), "disk.raw")
	run(t, "cp", "--sparse=always", filepath.Join(point, "disk.raw"), copied)
	if err := os.Chmod(copied, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &resync{rounds: 3, stall: time.Minute}
	r.moment.frozen = cancel
	if _, err := r.sync(ctx, point, copied, ""); err == nil || !strings.Contains(err.Error(), "incomplete") {
		t.Fatalf("interrupted: %v", err)
	}
	if !(marker{copied}).incomplete() {
		t.Error("it is not marked")
	}
	if out, err := try(program, "verify", copied); err == nil || !strings.Contains(fmt.Sprint(out, err), "sync") {
		t.Errorf("verify: %s, %v", out, err)
	}
	run(t, program, "sync", point, copied)
	if (marker{copied}).incomplete() {
		t.Error("it is still marked")
	}
	run(t, program, "umount", point)
	stop()
	run(t, "e2fsck", "-fn", copied)
}

// TestSyncRefuses has copies that are not of the mount, and a mount that does not
// know what was written.
func TestSyncRefuses(t *testing.T) {
	need.Root(t)
	dev, stop := busyDisk(t, "mkfs.ext4 -q -F")
	point := mountMigimg(t, dev)
	dir := tempDir(t)
	short := filepath.Join(dir, "short.raw")
	run(t, "truncate", "-s", "599M", short)
	for want, args := range map[string][]string{
		"of another disk": {point, short},
		"--copy-format":   {point, filepath.Join(dir, "nameless")},
		"--rounds 0":      {"--rounds", "0", point, short},
		"no migimg mount": {dir, short},
	} {
		if strings.Contains(args[len(args)-1], "nameless") {
			run(t, "truncate", "-s", "600M", args[len(args)-1])
		}
		if _, err := try(program, append([]string{"sync"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	run(t, program, "umount", point)
	stop()
	point = mountMigimg(t, dev)
	whole := filepath.Join(dir, "whole.raw")
	run(t, "truncate", "-s", "600M", whole)
	if _, err := try(program, "sync", point, whole); err == nil || !strings.Contains(err.Error(), "offline") {
		t.Errorf("an offline mount: %v", err)
	}
}
