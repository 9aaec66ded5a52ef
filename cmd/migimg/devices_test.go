//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
)

// TestDevices: whatever kind of device it is, its images hold its carried bytes
// and nothing else, by QEMU's and by verify's reading.
func TestDevices(t *testing.T) {
	need.Root(t)
	need.Tool(t, "qemu-img", "losetup", "partx", "sfdisk", "mke2fs", "e2fsck", "blockdev")
	for _, c := range []struct {
		name  string
		make  func(t *testing.T) string // the device
		table string
		ext4  bool // it has one
	}{
		{"partition", partitionDevice, "none", true},
		{"no table", func(t *testing.T) string { return loop(t, bareFilesystem(t, 24<<20)) }, "none", true},
		{"image file without a table", func(t *testing.T) string { return bareFilesystem(t, 24<<20) }, "none", true},
		{"read-only", readOnlyDevice, "none", true},
		{"no multiple of a cluster", func(t *testing.T) string { return loop(t, bareFilesystem(t, 24<<20+3*512)) }, "none", true},
		{"file that ends inside a sector", func(t *testing.T) string { return bareFilesystem(t, 24<<20+777) }, "none", true},
		{"sectors of 4096 bytes, MBR", func(t *testing.T) string { return large(t, "dos") }, "mbr", true},
		{"sectors of 4096 bytes, GPT", func(t *testing.T) string { return large(t, "gpt") }, "gpt", true},
		{"zeros", func(t *testing.T) string { return loop(t, blank(t, 3<<20+512)) }, "none", false},
		{"one sector", func(t *testing.T) string { return loop(t, blank(t, 512)) }, "none", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dev := c.make(t)
			mapsTo(t, dev, c.table, c.ext4)
			point := mountMigimg(t, dev)
			expected := filepath.Join(tempDir(t), "expected")
			want := carried(t, dev, expected)
			for _, f := range statusOf(t, point).Files {
				image := filepath.Join(point, f.Path)
				copied := filepath.Join(tempDir(t), f.Path)
				run(t, "cp", image, copied)
				if f.Format == "raw" {
					if b, err := os.ReadFile(copied); err != nil || !bytes.Equal(b, want) {
						t.Errorf("disk.raw is not the carried bytes: %v", err)
					}
					continue
				}
				run(t, "qemu-img", "compare", "-f", "raw", "-F", f.QemuFormat, expected, copied)
			}
			if code, out := exitStatus(t, "verify", point); code != exitOK {
				t.Errorf("verify: exit %d\n%s", code, out)
			}
		})
	}
}

// mapsTo: map sees the kind of table, and takes free space away where there is an
// ext4, and only there.
func mapsTo(t *testing.T, dev, table string, ext4 bool) {
	t.Helper()
	var doc struct {
		Table   struct{ Kind string } `json:"partition_table"`
		Volumes blockmap.VolumeInfo
	}
	out := run(t, program, "map", dev, "--format", "json")
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	found := false
	for v := range doc.Volumes.All() {
		found = found || v.Type == "ext4" && v.Whole == "" && v.Carried < v.Size/2
	}
	if doc.Table.Kind != table || found != ext4 {
		t.Errorf("want a table of kind %s, ext4 %v:\n%s", table, ext4, out)
	}
}

// TestNoDevices: what cannot be exported is refused with the reason.
func TestNoDevices(t *testing.T) {
	need.Root(t)
	dir := tempDir(t)
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ device, want string }{
		{empty, "empty"},
		{dir, "directory"},
		{"/dev/null", "block device"},
		{filepath.Join(dir, "none"), "no such file"},
	} {
		if code, out := exitStatus(t, "map", c.device); code != exitFailed || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, want %d with %q:\n%s", c.device, code, exitFailed, c.want, out)
		}
	}
}

func blank(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(tempDir(t), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// bareFilesystem is a file of garbage with ext4, and nothing else, on it.
func bareFilesystem(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(tempDir(t), "disk")
	garbage(t, path, size)
	run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-E", "nodiscard", path)
	return path
}

func readOnlyDevice(t *testing.T) string {
	dev := loop(t, bareFilesystem(t, 24<<20))
	run(t, "blockdev", "--setro", dev)
	t.Cleanup(func() { _ = exec.Command("blockdev", "--setrw", dev).Run() })
	return dev
}

// partitionDevice is the partition of a disk, as the kernel shows it.
func partitionDevice(t *testing.T) string {
	path, _ := fragmentedDisk().make(t)
	return partitions(t, loop(t, path)) + "p1"
}

// partitions lets the kernel see the partitions of a loop device, until the test
// ends, and returns the device.
func partitions(t *testing.T, dev string) string {
	t.Helper()
	run(t, "partx", "-a", dev)
	t.Cleanup(func() { _ = exec.Command("partx", "-d", dev).Run() })
	return dev
}

// large is a disk with sectors of 4096 bytes, a table of the given kind and ext4.
func large(t *testing.T, label string) string {
	t.Helper()
	path := filepath.Join(tempDir(t), "disk")
	garbage(t, path, 48<<20)
	dev := loop(t, path, "-b", "4096")
	cmd := exec.Command("sfdisk", "-q", "--wipe", "always", dev)
	cmd.Stdin = strings.NewReader("label: " + label + "\nstart=256, size=8192\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	part := loop(t, path, "-b", "4096", "-o", "1048576", "--sizelimit", "33554432")
	run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-E", "nodiscard", part)
	run(t, "losetup", "-d", part)
	return dev
}
