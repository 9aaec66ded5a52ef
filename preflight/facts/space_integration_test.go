//go:build integration

package facts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"migimg/blockmap"
	"migimg/internal/need"
)

// The superblock's counters against statfs of the same filesystem.
func TestSpaceStatfs(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mount", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
	for _, c := range []struct {
		kind string
		args []string
	}{{"ext4", []string{"mkfs.ext4", "-q", "-F"}}, {"ext2", []string{"mkfs.ext2", "-q", "-F", "-b", "1024"}}, {"ext4", []string{"mkfs.ext4", "-q", "-F", "-O", "bigalloc"}}, {"xfs", []string{"mkfs.xfs", "-q", "-f"}}, {"btrfs", []string{"mkfs.btrfs", "-q", "-f"}}} {
		dir := t.TempDir()
		img, mnt := filepath.Join(dir, "img"), filepath.Join(dir, "mnt")
		if err := os.WriteFile(img, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		const size = 400 << 20
		if err := os.Truncate(img, size); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(c.args[0], append(c.args[1:], img)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.args, err, out)
		}
		if err := os.Mkdir(mnt, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mount", "-o", "loop", img, mnt).CombinedOutput(); err != nil {
			t.Fatalf("mount %s: %v\n%s", c.kind, err, out)
		}
		err := os.WriteFile(filepath.Join(mnt, "file"), make([]byte, 33<<20), 0o600)
		var st unix.Statfs_t
		unix.Sync()
		err2 := unix.Statfs(mnt, &st)
		if out, err := exec.Command("umount", mnt).CombinedOutput(); err != nil {
			t.Fatalf("umount: %v\n%s", err, out)
		}
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		f, err := os.Open(img)
		if err != nil {
			t.Fatal(err)
		}
		g := &gatherer{f: &Facts{}, src: &Source{View: f, Size: size, Volumes: &blockmap.VolumeInfo{Report: blockmap.Report{Type: c.kind}, Size: size}}}
		g.f.Disk = gatherDisk(g.src)
		g.space()
		_ = f.Close()
		if len(g.f.Space) != 1 || g.f.Space[0].Err != "" {
			t.Errorf("%v: %+v", c.args, g.f.Space)
			continue
		}
		s := g.f.Space[0]
		free, inodes := int64(st.Bfree)*st.Frsize, int64(st.Ffree)
		t.Logf("%v: free %d, statfs %d; inodes %d, statfs %d", c.args, s.Free, free, s.FreeInodes, inodes)
		// XFS and btrfs set some blocks aside that statfs does not call free.
		slack := map[string]int64{"xfs": 40 << 20, "btrfs": 100 << 20}[c.kind]
		if d := s.Free - free; d < -slack || d > slack {
			t.Errorf("%v: free %d, statfs %d", c.args, s.Free, free)
		}
		if s.FreeInodes >= 0 && s.FreeInodes != inodes {
			t.Errorf("%v: %d inodes, statfs %d", c.args, s.FreeInodes, inodes)
		}
	}
}
