//go:build integration

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/blockmap"
	"migimg/internal/need"
)

// TestPartitionFiles: a partition is a file of its own, which its filesystem's
// own tools take.
func TestPartitionFiles(t *testing.T) {
	need.Root(t)
	need.Tool(t, "e2fsck")
	for _, i := range []int{0, 2} {
		d := disks[i]
		t.Run(d.name, func(t *testing.T) {
			path, files := d.make(t)
			point := mountMigimg(t, path)
			list := run(t, "ls", filepath.Join(point, "partitions"))
			ext := "p1-" + d.mkfs[1] + ".raw"
			if list != ext+"\np2.raw\n" {
				t.Fatalf("partitions: %q", list)
			}
			image := filepath.Join(point, "partitions", ext)
			sound(t, image, blockmap.Range{Len: fsSize}, files)
			whole := contents(t, copyOf(t, filepath.Join(point, "disk.raw")))
			part := contents(t, copyOf(t, image))
			if string(whole[d.start*512:][:fsSize]) != string(part) {
				t.Error("other bytes than in disk.raw")
			}
			run(t, "sh", "-c", `test "$(stat -c %b "$1")" -lt "$(($(stat -c %s "$1") / 512))"`, "sh", image)
		})
	}
}

func copyOf(t *testing.T, file string) string {
	t.Helper()
	to := filepath.Join(tempDir(t), "copy")
	run(t, "cp", file, to)
	return to
}

// TestScope: what is left out is in no image; what is kept is whole; verify and
// the partitioning tools agree.
func TestScope(t *testing.T) {
	need.Root(t)
	need.Tool(t, "sfdisk", "qemu-img", "e2fsck")
	d := fragmentedDisk()
	path, files := d.make(t)
	for _, args := range []string{"--partitions 1", "--except 2", "--partitions 1 --shrink", "--partitions 1 --shrink --round 100M", "--round 1G"} {
		t.Run(args, func(t *testing.T) {
			flags := strings.Fields(args)
			point := mountMigimg(t, path, flags...)
			for _, f := range statusOf(t, point).Files {
				raw := filepath.Join(tempDir(t), "image.raw")
				run(t, "qemu-img", "convert", "-f", f.QemuFormat, "-O", "raw", filepath.Join(point, f.Path), raw)
				if said := run(t, "sfdisk", "-V", raw); !strings.Contains(said, "No errors") {
					t.Errorf("%s: %s", f.Path, said)
				}
				sound(t, raw, blockmap.Range{Off: d.start * 512, Len: fsSize}, files)
				st, err := os.Stat(raw)
				if err != nil {
					t.Fatal(err)
				}
				want := map[string]int64{"--partitions 1 --shrink": d.start*512 + fsSize, "--partitions 1 --shrink --round 100M": 100 << 20, "--round 1G": 1 << 30}[args]
				if want == 0 {
					want = diskSize
				}
				if st.Size() < want || st.Size() >= want+64<<10 { // VMDK is rounded up
					t.Errorf("%s: a disk of %d bytes, want %d", f.Path, st.Size(), want)
				}
			}
			if code, out := exitStatus(t, "verify", point); code != exitOK {
				t.Errorf("verify: exit %d\n%s", code, out)
			}
			copied := copyOf(t, filepath.Join(point, "disk.qcow2"))
			if code, out := exitStatus(t, append([]string{"verify", copied, "--source", path}, flags...)...); code != exitOK {
				t.Errorf("verify against the device: exit %d\n%s", code, out)
			}
		})
	}
}

// fourPartitions is the demo disk with two more partitions.
func fourPartitions(t *testing.T) string {
	t.Helper()
	demo, _ := demoDisk(t)
	path := filepath.Join(tempDir(t), "four")
	run(t, "cp", "--sparse=always", demo, path)
	run(t, "truncate", "-s", "5G", path)
	cmd := exec.Command("sfdisk", "-q", "--append", path)
	cmd.Stdin = strings.NewReader("size=512M, type=83\nsize=256M, type=83\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return path
}

// TestScopedBoot: the system's partition alone, of a disk with four, boots. Its
// fstab must not wait for the swap partition that is left out; preflight says so.
func TestScopedBoot(t *testing.T) {
	t.Parallel()
	need.Tool(t, "qemu-system-x86_64", "sfdisk")
	path := fourPartitions(t)
	_, root := demoDisk(t)
	part := loop(t, path, "-o", fmt.Sprint(root.Off), "--sizelimit", fmt.Sprint(root.Len))
	fs, umount := mountFS(t, part, "rw")
	run(t, "sed", "-i", "/ swap /d", filepath.Join(fs, "etc", "fstab"))
	umount()
	detach(part, path)
	point := mountMigimg(t, path, "--partitions", "1", "--shrink")
	copied := copyOf(t, filepath.Join(point, "disk.qcow2"))
	if said := run(t, "sfdisk", "-V", copyOf(t, filepath.Join(point, "disk.raw"))); !strings.Contains(said, "No errors") {
		t.Error(said)
	}
	t.Log(run(t, "../../testdata/boot.sh", "qcow2", copied, "login:"))
}

// TestBootScope: what the system needs is found by its own configuration.
func TestBootScope(t *testing.T) {
	out := run(t, program, "map", fourPartitions(t), "--partitions", "boot", "--format", "json")
	for part, left := range map[int]bool{1: false, 2: false, 3: true, 4: true} {
		name := fmt.Sprintf(`"name": "%d"`, part)
		i := strings.Index(out, name)
		if i < 0 {
			t.Fatalf("no partition %d in %s", part, out)
		}
		if diff := cmp.Diff(left, strings.Contains(strings.SplitN(out[i:], "}", 2)[0], `"left_out": true`)); diff != "" {
			t.Errorf("partition %d left out: %s", part, diff)
		}
	}
}
