//go:build integration

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"migimg/internal/need"
)

// testDisk is a disk that the tests make: an MBR, a gap, one ext partition and a
// swap partition.
type testDisk struct {
	name  string
	mkfs  []string // mke2fs arguments
	start int64    // of the filesystem, in sectors
	fill  func(t testing.TB, dir string)
}

const (
	diskSize = 80 << 20
	fsSize   = 56 << 20
)

var disks = []testDisk{
	{"ext2-1k-blocks-sector63", []string{"-t", "ext2", "-b", "1024"}, 63, fragmented},
	{"ext3", []string{"-t", "ext3", "-b", "4096"}, 2048, fragmented},
	{"ext4-4k-fragmented", []string{"-t", "ext4", "-b", "4096"}, 2048, fragmented},
	{"ext4-4k-empty", []string{"-t", "ext4", "-b", "4096"}, 2048, func(testing.TB, string) {}},
	{"ext4-1k-nearly-full", []string{"-t", "ext4", "-b", "1024"}, 2048, nearlyFull},
	{"ext4-bigalloc", []string{"-t", "ext4", "-O", "bigalloc", "-C", "16384"}, 2048, fragmented},
	{"ext4-no-journal", []string{"-t", "ext4", "-O", "^has_journal"}, 4095, fragmented},
	{"ext4-no-64bit", []string{"-t", "ext4", "-O", "^64bit"}, 2048, fragmented},
	{"ext4-meta-bg-sparse-super2", []string{"-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode,sparse_super2"}, 2048, fragmented},
}

// make makes the disk in a file and returns its path and the files' hashes.
func (d testDisk) make(t testing.TB) (path string, files map[string]string) {
	t.Helper()
	need.Root(t)
	need.Tool(t, "sfdisk", "losetup", "mke2fs", "mkswap")
	path = filepath.Join(tempDir(t), d.name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(diskSize); err != nil {
		t.Fatal(err)
	}
	// What was on the disk before: free space is not zeros.
	old := make([]byte, diskSize)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(old)
	if _, err := f.WriteAt(old, 0); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("label: dos\nlabel-id: 0x12345678\nstart=%d, size=%d, type=83\nsize=8MiB, type=82\n", d.start, int64(fsSize/512))
	cmd := exec.Command("sfdisk", "-q", "--wipe", "always", path)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	part := loop(t, path, "-o", fmt.Sprint(d.start*512), "--sizelimit", fmt.Sprint(fsSize))
	run(t, "mke2fs", append(append([]string{"-q", "-F", "-L", "root", "-E", "nodiscard"}, d.mkfs...), part)...)
	point, umount := mountFS(t, part, "rw")
	d.fill(t, point)
	files = hashes(t, point)
	umount()
	run(t, "losetup", "-d", part)
	return path, files
}

// fragmented leaves small files, gaps between them, and what comes with a life:
// links, directories, sparse and long files.
func fragmented(t testing.TB, dir string) {
	rng := rand.NewChaCha8([32]byte{6})
	for i := range 1500 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("small%04d", i)), int(rng.Uint64()%9000)+1, rng)
	}
	run(t, "sync", "-f", dir) // what is not yet allocated would leave no gap
	for i := range 1500 {
		if i%3 != 0 {
			remove(t, filepath.Join(dir, fmt.Sprintf("small%04d", i)))
		}
	}
	writeFile(t, filepath.Join(dir, "long"), 9<<20, rng)
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(strings.Repeat("far/", 60), filepath.Join(dir, "sub", "link")); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(dir, "sub", "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer sparse.Close()
	for _, at := range []int64{0, 1 << 20, 30 << 20} {
		if _, err := sparse.WriteAt([]byte("here"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Setxattr(filepath.Join(dir, "long"), "user.note", []byte(strings.Repeat("x", 900)), 0); err != nil {
		t.Fatal(err)
	}
}

func nearlyFull(t testing.TB, dir string) {
	rng := rand.NewChaCha8([32]byte{7})
	for i := 0; ; i++ {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		if int64(st.Bavail)*st.Bsize < 2<<20 {
			return
		}
		writeFile(t, filepath.Join(dir, fmt.Sprintf("fill%03d", i)), 1<<20-77, rng)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
