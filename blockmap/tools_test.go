//go:build integration

package blockmap_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/internal/need"
)

// TestSignaturesOfTools names what the usual tools make. None of it is a
// partition table.
func TestSignaturesOfTools(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"ext4", []string{"mkfs.ext2", "-q", "-F"}},
		{"ext4", []string{"mkfs.ext3", "-q", "-F"}},
		{"ext4", []string{"mkfs.ext4", "-q", "-F"}},
		{"ext4", []string{"mkfs.ext4", "-q", "-F", "-b", "1024"}},
		{"xfs", []string{"mkfs.xfs", "-q", "-f"}},
		{"btrfs", []string{"mkfs.btrfs", "-q", "-f"}},
		{"vfat", []string{"mkfs.vfat", "-F", "16"}},
		{"vfat", []string{"mkfs.vfat", "-F", "32"}},
		{"swap", []string{"mkswap", "-q"}},
		{"swap", []string{"mkswap", "-q", "-p", "65536"}},
		{"ntfs", []string{"mkfs.ntfs", "-q", "-F", "-f"}},
		{"exfat", []string{"mkfs.exfat"}},
		{"f2fs", []string{"mkfs.f2fs", "-q", "-f"}},
	} {
		t.Run(c.args[0]+" "+filepath.Base(c.args[len(c.args)-1]), func(t *testing.T) {
			need.Tool(t, c.args[0])
			path := filepath.Join(t.TempDir(), "disk.img")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			const size = 400 << 20
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(c.args[0], append(c.args[1:], path)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", c.args, err, out)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			v := blockmap.Bytes(f, size, 0)
			got, err := blockmap.Signatures(v)
			if err != nil || !slices.Equal(got, []string{c.want}) {
				t.Errorf("%v, %v; want %s", got, err, c.want)
			}
			if tab, err := ptable.Read(v); err != nil || tab.Kind != ptable.KindNone {
				t.Errorf("taken for a partition table: %+v, %v", tab, err)
			}
		})
	}
}
