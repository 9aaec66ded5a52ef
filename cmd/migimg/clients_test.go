//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// fragmentedDisk is the disk of most tests: ext4 as it is today.
func fragmentedDisk() testDisk { return disks[2] }

// TestClients: what people copy with reads the mount as it reads any directory.
func TestClients(t *testing.T) {
	need.Root(t)
	need.Tool(t, "rsync", "rclone", "sha256sum", "qemu-img", "file", "ls")
	d := fragmentedDisk()
	path, files := d.make(t)
	dev := loop(t, path, "-r")
	point := mountMigimg(t, dev)
	dir := tempDir(t)
	want := map[string]string{}
	for _, f := range statusOf(t, point).Files {
		want[f.Path] = hashFile(t, filepath.Join(point, f.Path))
	}

	t.Run("sha256sum", func(t *testing.T) {
		for name, sum := range want {
			if got := run(t, "sha256sum", filepath.Join(point, name)); !strings.HasPrefix(got, sum) {
				t.Errorf("%s: %s, want %s", name, got, sum)
			}
		}
	})
	t.Run("rsync", func(t *testing.T) {
		to := filepath.Join(dir, "rsync") + "/"
		run(t, "rsync", "-a", "--exclude", ".migimg", "--exclude", "preflight.json", "--exclude", "report.html", point+"/", to)
		checkCopies(t, to, want)
	})
	t.Run("rclone", func(t *testing.T) {
		to := filepath.Join(dir, "rclone")
		run(t, "rclone", "copy", "--config", "/dev/null", "--include", "disk.*", point, to)
		checkCopies(t, to, want)
	})
	t.Run("rclone with parallel streams", func(t *testing.T) {
		to := filepath.Join(dir, "rclone-streams")
		run(t, "rclone", "copy", "--config", "/dev/null", "--include", "disk.*", "--multi-thread-streams", "4", "--multi-thread-cutoff", "1M", point, to)
		checkCopies(t, to, want)
	})
	t.Run("cp --sparse=auto", func(t *testing.T) {
		to := filepath.Join(dir, "sparse.raw")
		run(t, "cp", "--sparse=auto", filepath.Join(point, "disk.raw"), to)
		if got := hashFile(t, to); got != want["disk.raw"] {
			t.Errorf("hash %s, want %s", got, want["disk.raw"])
		}
		var st unix.Stat_t
		if err := unix.Stat(to, &st); err != nil {
			t.Fatal(err)
		}
		carriedBytes := statusOf(t, point).Map.CarriedClusters * (64 << 10)
		if st.Blocks*512 > carriedBytes+1<<20 {
			t.Errorf("the sparse copy takes %d bytes of %d carried", st.Blocks*512, carriedBytes)
		}
	})
	t.Run("ls -ls", func(t *testing.T) {
		for line := range strings.Lines(run(t, "ls", "-ls", "--block-size=1", point)) {
			f := strings.Fields(line)
			if len(f) < 10 || !strings.HasPrefix(f[9], "disk.") {
				continue
			}
			blocks, _ := strconv.ParseInt(f[0], 10, 64)
			size, _ := strconv.ParseInt(f[5], 10, 64)
			if blocks <= 0 || blocks > size+511 || f[9] == "disk.raw" && blocks > size/2+size/4 {
				t.Errorf("%s", line)
			}
		}
	})
	t.Run("qemu-img info", func(t *testing.T) {
		for name, format := range map[string]string{"disk.qcow2": "qcow2", "disk.vhd": "vpc", "disk.vmdk": "vmdk", "disk.raw": "raw"} {
			var info struct {
				Format      string `json:"format"`
				VirtualSize int64  `json:"virtual-size"`
			}
			if err := json.Unmarshal([]byte(run(t, "qemu-img", "info", "--output=json", filepath.Join(point, name))), &info); err != nil {
				t.Fatal(err)
			}
			if info.Format != format || info.VirtualSize != diskSize {
				t.Errorf("%s: %+v", name, info)
			}
		}
	})
	t.Run("file", func(t *testing.T) {
		for name, says := range map[string]string{"disk.qcow2": "QCOW", "disk.vhd": "Microsoft Disk Image", "disk.vmdk": "VMware4 disk image", "disk.raw": "boot sector"} {
			if out := run(t, "file", "-b", filepath.Join(point, name)); !strings.Contains(out, says) {
				t.Errorf("%s: %s", name, out)
			}
		}
	})
	t.Run("mount -o loop,ro,offset", func(t *testing.T) {
		fs, umount := mountFS(t, filepath.Join(point, "disk.raw"), fmt.Sprintf("loop,ro,noload,offset=%d,sizelimit=%d", d.start*512, fsSize))
		defer umount()
		if diff := cmp.Diff(files, hashes(t, fs)); diff != "" {
			t.Error(diff)
		}
	})
}

func checkCopies(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	for name, sum := range want {
		if got := hashFile(t, filepath.Join(dir, name)); got != sum {
			t.Errorf("%s: hash %s, want %s", name, got, sum)
		}
	}
}

// TestAttributes: what stat, lseek, mmap, xattrs and statfs say of the files.
func TestAttributes(t *testing.T) {
	need.Root(t)
	path, _ := fragmentedDisk().make(t)
	point := mountMigimg(t, path)
	s := statusOf(t, point)
	for _, f := range s.Files {
		name := filepath.Join(point, f.Path)
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			t.Fatal(err)
		}
		if st.Mode != unix.S_IFREG|0o400 || st.Uid != 0 || st.Blocks != (f.Allocated+511)/512 {
			t.Errorf("%s: mode %o, uid %d, %d blocks of %d", f.Path, st.Mode, st.Uid, st.Blocks, f.Allocated)
		}
		if st.Mtim.Nano() != s.T0.UnixNano() || st.Mtim.Nsec == 0 {
			t.Errorf("%s: mtime %v, want T0 %v to the nanosecond", f.Path, st.Mtim, s.T0)
		}
		for attr, want := range map[string]string{
			"user.migimg.format": f.Format, "user.migimg.virtual-size": fmt.Sprint(f.VirtualSize), "user.migimg.plan-digest": f.PlanDigest,
			"user.migimg.carried-bytes": fmt.Sprint(s.Map.CarriedBytes), "user.migimg.consistency": "offline",
		} {
			if got, err := xattr.Get(name, attr); err != nil || string(got) != want {
				t.Errorf("%s: %s is %q (%v), want %q", f.Path, attr, got, err, want)
			}
		}
		if names, err := xattr.List(name); err != nil || len(names) != 5 {
			t.Errorf("%s: attributes %v (%v)", f.Path, names, err)
		}
		mapped(t, name)
		if err := os.Chmod(name, 0o600); err == nil {
			t.Errorf("%s: chmod worked", f.Path)
		}
		if _, err := os.OpenFile(name, os.O_RDWR, 0); err == nil {
			t.Errorf("%s: opened for writing", f.Path)
		}
	}
	seeks(t, filepath.Join(point, "disk.raw"))
	table, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, point+" ") {
			for _, want := range []string{"fuse.migimg", "ro,", "nosuid", "nodev", "noexec", "default_permissions"} {
				if !strings.Contains(line, want) {
					t.Errorf("mount table: %s lacks %s", line, want)
				}
			}
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(point, &fs); err != nil || fs.Blocks == 0 || fs.Bfree != 0 {
		t.Errorf("statfs: %+v, %v", fs, err)
	}
}

// mapped compares private and shared memory maps of the file with its bytes.
func mapped(t *testing.T, name string) {
	t.Helper()
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for mode, flag := range map[string]int{"private": unix.MAP_PRIVATE, "shared": unix.MAP_SHARED} {
		m, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ, flag)
		if err != nil {
			t.Errorf("%s: %s map: %v", name, mode, err)
			continue
		}
		if !bytes.Equal(m, want) {
			t.Errorf("%s: a %s map has other bytes (at %p)", name, mode, unsafe.Pointer(&m[0]))
		}
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	}
}

// seeks walks the file's holes and data: holes are zeros, and there are some.
func seeks(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(content))
	holes := int64(0)
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if err == syscall.ENXIO {
			data = size
		} else if err != nil {
			t.Fatal(err)
		}
		if len(bytes.Trim(content[at:data], "\x00")) > 0 {
			t.Fatalf("the hole [%d, %d) is not zeros", at, data)
		}
		holes += data - at
		if data == size {
			break
		}
		if at, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
			t.Fatal(err)
		}
	}
	if holes < size/4 {
		t.Errorf("only %d bytes of holes", holes)
	}
}
