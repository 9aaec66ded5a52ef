//go:build integration

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// TestExport: each format is written as the mount has it, into a file and into a pipe.
func TestExport(t *testing.T) {
	need.Root(t)
	need.Tool(t, "cmp", "qemu-img")
	d := fragmentedDisk()
	path, _ := d.make(t)
	point := mountMigimg(t, path)
	dir := tempDir(t)
	for _, f := range statusOf(t, point).Files {
		to := filepath.Join(dir, f.Path)
		run(t, program, "export", path, to)
		run(t, "cmp", to, filepath.Join(point, f.Path))
		if (marker{to}).incomplete() {
			t.Errorf("%s is marked as incomplete", to)
		}
		run(t, "sh", "-c", `"$0" export --image-format "$1" "$2" - | cmp - "$3"`, program, f.Format, path, to)
		if _, err := try(program, "export", path, to); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("%s is written over: %v", f.Path, err)
		}
	}
	carriedBytes := statusOf(t, point).Map.CarriedClusters * (64 << 10)
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(dir, "disk.raw"), &st); err != nil || st.Blocks*512 > carriedBytes+1<<20 || st.Size != diskSize {
		t.Errorf("disk.raw has %d bytes, %d of them on disk, carried are %d; %v", st.Size, st.Blocks*512, carriedBytes, err)
	}
	for _, name := range []string{"disk.vhdx", "disk.vdi", "disk.raw.zst", "disk.tar.gz"} {
		run(t, program, "export", "--compress", "zstd", path, filepath.Join(dir, name))
	}
	run(t, "qemu-img", "compare", "-f", "vhdx", "-F", "raw", filepath.Join(dir, "disk.vhdx"), filepath.Join(dir, "disk.raw"))
	run(t, "qemu-img", "compare", "-f", "vdi", "-F", "raw", filepath.Join(dir, "disk.vdi"), filepath.Join(dir, "disk.raw"))
	run(t, "sh", "-c", `zstd -dcq "$0/disk.raw.zst" | cmp - "$0/disk.raw" && tar -xzOf "$0/disk.tar.gz" | cmp - "$0/disk.raw"`, dir)

	for args, says := range map[string]string{
		"export " + path + " -":                                      "--image-format is needed",
		"export " + path + " " + dir + "/disk.iso":                   "says no format",
		"export --image-format iso " + path + " " + dir + "/x":       "is not one of",
		"export --image-format raw " + path + " " + dir:              "no regular file",
		"export --image-format vmdk-flat " + path + " " + dir + "/y": "is not one of",
	} {
		if _, err := try(program, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestExportResumed: a killed export is marked, refused by verify, and goes on to the
// same file; not when the disk is another one.
func TestExportResumed(t *testing.T) {
	need.Root(t)
	d := fragmentedDisk()
	path, _ := d.make(t)
	dir := tempDir(t)
	whole, to := filepath.Join(dir, "whole.qcow2"), filepath.Join(dir, "killed.qcow2")
	run(t, program, "export", path, whole)
	for range 2 {
		args := []string{"export", "--bwlimit", "8M", path, to}
		if _, err := os.Stat(to); err == nil {
			args = append([]string{"export", "--resume"}, args[1:]...)
		}
		cmd := exec.Command(program, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if !(marker{to}).incomplete() {
			t.Fatal("a killed export is not marked as incomplete")
		}
		if code, out := exitStatus(t, "verify", to, "--source", path); code != exitFailed || !strings.Contains(out, "has not been completed") {
			t.Errorf("verify of a killed export: exit %d, %s", code, out)
		}
	}
	run(t, program, "export", "--resume", path, to)
	run(t, "cmp", to, whole)
	if (marker{to}).incomplete() {
		t.Error("a whole file is marked as incomplete")
	}

	cmd := exec.Command(program, "export", "--bwlimit", "8M", "--cluster-size", "4K", path, filepath.Join(dir, "other.qcow2"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := try(program, "export", "--resume", path, filepath.Join(dir, "other.qcow2")); err == nil || !strings.Contains(err.Error(), "another plan") {
		t.Errorf("an export of another plan goes on: %v", err)
	}
}
