//go:build integration

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
)

// oddGPT is an ext4 in a GPT of a disk that is a multiple of neither a MiB nor a GiB.
func oddGPT(t *testing.T) (path string, fs blockmap.Range, files map[string]string) {
	t.Helper()
	d := fragmentedDisk()
	demo, files := d.make(t)
	path = filepath.Join(tempDir(t), "gpt")
	fs = blockmap.Range{Off: 1 << 20, Len: fsSize}
	run(t, "truncate", "-s", itoa(fs.End()+33<<20+7*512), path)
	cmd := exec.Command("sfdisk", "-q", path)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("label: gpt\nstart=2048, size=%d\n", fs.Len/512))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	run(t, "dd", "if="+demo, "of="+path, "bs=512", "skip="+itoa(d.start), "seek=2048", "count="+itoa(fs.Len/512), "conv=notrunc,sparse", "status=none")
	return path, fs, files
}

// TestTargetFolders: each target's file is of the size that it wants, with a partition
// table that belongs to it, and holds the filesystem.
func TestTargetFolders(t *testing.T) {
	need.Root(t)
	need.Tool(t, "sgdisk", "sfdisk", "qemu-img", "tar", "gzip", "e2fsck")
	path, fs, files := oddGPT(t)
	point := mountMigimg(t, path, "--target", "gcp, azure, linode,hyperv,virtualbox,vmware,tencent")
	at := func(name string) string { return filepath.Join(point, "targets", name) }
	dir := tempDir(t)
	check := func(name, raw string, multiple int64) {
		t.Helper()
		st, err := os.Stat(raw)
		if err != nil {
			t.Fatal(err)
		}
		if st.Size()%multiple != 0 {
			t.Errorf("%s: a disk of %d bytes, no multiple of %d", name, st.Size(), multiple)
		}
		if said := run(t, "sgdisk", "-v", raw); !strings.Contains(said, "No problems found") {
			t.Errorf("%s: %s", name, said)
		}
		sound(t, raw, fs, files)
		if err := os.Remove(raw); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, format string
		multiple     int64
	}{
		{"azure/disk.vhd", "vpc", 1 << 20},
		{"gcp/disk.vmdk", "vmdk", 512},
		{"hyperv/disk.vhdx", "vhdx", 512},
		{"virtualbox/disk.vdi", "vdi", 512},
		{"workstation/disk.vmdk", "vmdk", 512},
		{"tencent/disk.qcow2", "qcow2", 512},
	} {
		raw := filepath.Join(dir, "image.raw")
		run(t, "qemu-img", "convert", "-f", c.format, "-O", "raw", at(c.name), raw)
		if c.format == "vmdk" { // a grain is the unit: the table ends before
			run(t, "truncate", "-s", itoa(statusOf(t, point).Map.DiskSize), raw)
		}
		check(c.name, raw, c.multiple)
	}
	if st, err := os.Stat(at("azure/disk.vhd")); err != nil || st.Size()%(1<<20) != 512 {
		t.Errorf("azure wants a number of MiB and a footer: %v, %v", st.Size(), err)
	}
	run(t, "tar", "-xf", at("gcp/disk.raw.tar.gz"), "-C", dir)
	check("gcp/disk.raw.tar.gz", filepath.Join(dir, "disk.raw"), 1<<30)
	run(t, "sh", "-c", `gzip -dc "$0" >"$1"`, at("linode/disk.raw.gz"), filepath.Join(dir, "linode.raw"))
	check("linode/disk.raw.gz", filepath.Join(dir, "linode.raw"), 512)

	for folder, wants := range map[string]string{
		"azure": fmt.Sprintf("--upload-size-bytes %d ", size(t, at("azure/disk.vhd"))), "gcp": "gs://BUCKET/disk.raw.tar.gz",
		"linode": "image-upload", "tencent": "tccli cvm ImportImage",
	} {
		b, err := os.ReadFile(at(folder + "/UPLOAD.md"))
		if err != nil || !strings.Contains(string(b), wants) || strings.Contains(string(b), "FILESIZE ") {
			t.Errorf("%s: %v\n%s", folder, err, b)
		}
	}
	// All of it is right, also the rounded disks and what is packed.
	code, out := exitStatus(t, "verify", point)
	if code != exitOK || strings.Contains(out, "FAIL") {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
	for _, name := range []string{"azure/disk.vhd: PASS", "target azure-gen2", "virtualbox/disk.vdi: PASS", "disk.raw.tar.gz: PASS"} {
		if !strings.Contains(out, name) {
			t.Errorf("verify does not say %q:\n%s", name, out)
		}
	}
}

// size is a file's length in bytes.
func size(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestCompressed: the compressed images are the disk, smaller, the same whenever they
// are read; and a cluster that changes under them is an error.
func TestCompressed(t *testing.T) {
	need.Root(t)
	need.Tool(t, "qemu-img")
	d := fragmentedDisk()
	path, files := d.make(t)
	plain := mountMigimg(t, path)
	full := statusOf(t, plain)
	for _, method := range []string{"zlib", "zstd", "zstd:9"} {
		t.Run(method, func(t *testing.T) {
			point := mountMigimg(t, path, "--compress", method)
			for i, f := range statusOf(t, point).Files {
				compressed := f.Format == "qcow2" || f.Format == "vmdk" && method == "zlib" // VMDK has no zstd
				if compressed != (f.Size < full.Files[i].Size) {
					t.Errorf("%s has %d bytes, uncompressed %d", f.Path, f.Size, full.Files[i].Size)
				}
				if !compressed {
					continue
				}
				image := filepath.Join(point, f.Path)
				copied := copyOf(t, image)
				if hashFile(t, copied) != hashFile(t, image) {
					t.Errorf("%s is read in two ways", f.Path)
				}
				run(t, "qemu-img", "check", "-f", f.QemuFormat, copied)
				raw := filepath.Join(tempDir(t), "image.raw")
				run(t, "qemu-img", "convert", "-f", f.QemuFormat, "-O", "raw", copied, raw)
				sound(t, raw, blockmap.Range{Off: d.start * 512, Len: fsSize}, files)
			}
		})
	}
	t.Run("spool", func(t *testing.T) {
		point, kept := mountMigimg(t, path, "--compress", "zlib"), mountMigimg(t, path, "--compress", "zlib", "--spool", tempDir(t))
		for _, name := range []string{"disk.qcow2", "disk.vmdk"} {
			if want := hashFile(t, filepath.Join(point, name)); hashFile(t, filepath.Join(kept, name)) != want {
				t.Errorf("%s differs where it was kept", name)
			}
		}
		read := func(point string) int64 {
			before := statusOf(t, point).Reads.Device.Bytes
			hashFile(t, filepath.Join(point, "disk.vmdk"))
			return statusOf(t, point).Reads.Device.Bytes - before
		}
		if packed, spooled := read(point), read(kept); spooled >= packed { // most of the disk is noise, which is kept as it is
			t.Errorf("%d bytes of the device are read where the packed ones are kept, %d where they are not", spooled, packed)
		}
	})
	t.Run("changed", func(t *testing.T) {
		point := mountMigimg(t, path, "--compress", "zlib")
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var b [1]byte
		if _, err := f.ReadAt(b[:], d.start*512+1024+0x78); err != nil { // the superblock's label
			t.Fatal(err)
		}
		b[0]++
		if _, err := f.WriteAt(b[:], d.start*512+1024+0x78); err != nil {
			t.Fatal(err)
		}
		if _, err := try("cp", filepath.Join(point, "disk.qcow2"), filepath.Join(tempDir(t), "copy")); err == nil || !strings.Contains(err.Error(), "Input/output error") {
			t.Errorf("a changed disk is read: %v", err)
		}
	})
}
