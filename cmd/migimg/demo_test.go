//go:build integration

package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
)

// demoDisk is the disk of `make demo`, with an operating system on it, and where
// its root filesystem lies. It is made if it is not there.
func demoDisk(t *testing.T) (path string, root blockmap.Range) {
	t.Helper()
	need.Root(t)
	need.Tool(t, "mmdebstrap", "sfdisk")
	path, err := filepath.Abs("../../build/disks/demo.img")
	if err != nil {
		t.Fatal(err)
	}
	run(t, "../../testdata/disks/demo.sh", path)
	return path, blockmap.Range{Off: 1 << 20, Len: 3584 << 20}
}

// TestDemoDisk: an installed system is in every image, to the byte.
func TestDemoDisk(t *testing.T) {
	path, root := demoDisk(t)
	part := loop(t, path, "-r", "-o", fmt.Sprint(root.Off), "--sizelimit", fmt.Sprint(root.Len))
	point, umount := mountFS(t, part, "ro")
	files := hashes(t, point)
	umount()
	if len(files) < 5000 {
		t.Fatalf("only %d files in the root filesystem", len(files))
	}
	everyFormat(t, path, func(t *testing.T, f fileStatus, copied string) {
		if f.Format == "vhd" { // the coarsest; TestFormats has all of them on smaller disks
			restores(t, root, f, copied, files)
		}
	})
}

// TestBoot: the copy reaches its login prompt.
func TestBoot(t *testing.T) {
	t.Parallel()
	need.Tool(t, "qemu-system-x86_64")
	path, _ := demoDisk(t)
	point := mountMigimg(t, loop(t, path, "-r"))
	copied := filepath.Join(tempDir(t), "disk.qcow2")
	run(t, "cp", filepath.Join(point, "disk.qcow2"), copied)
	t.Log(run(t, "../../testdata/boot.sh", "qcow2", copied, "login:"))
}
