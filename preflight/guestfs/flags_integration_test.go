//go:build integration

package guestfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// chattr's flags and setfattr's attributes on a real filesystem, read by the
// kernel and from the disk.
func TestFlagsAndXattrs(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "mkfs.xfs", "chattr", "setfattr", "mount", "umount")
	for _, c := range []struct {
		name, fstype, mkfs string
		size               int64
	}{
		{"ext4", "ext4", "mkfs.ext4 -q -F", 16 << 20}, {"ext4 with small inodes", "ext4", "mkfs.ext4 -q -F -I 128", 16 << 20}, {"xfs", "xfs", "mkfs.xfs -q -f", 300 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			img, dir := filepath.Join(t.TempDir(), "img"), t.TempDir()
			if err := os.WriteFile(img, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(img, c.size); err != nil {
				t.Fatal(err)
			}
			argv := append(strings.Fields(c.mkfs), img)
			run(t, argv[0], argv[1:]...)
			run(t, "mount", "-o", "loop", img, dir)
			mounted := true
			unmount := func() {
				if mounted {
					mounted = false
					run(t, "umount", dir)
				}
			}
			defer unmount()
			for _, n := range []string{"plain", "immutable", "append", "labelled", "empty"} {
				if err := os.WriteFile(filepath.Join(dir, n), []byte("x"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("immutable", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			run(t, "setfattr", "-n", "security.selinux", "-v", "system_u:object_r:etc_t:s0", filepath.Join(dir, "labelled"))
			run(t, "setfattr", "-n", "user.first", "-v", strings.Repeat("v", 60), filepath.Join(dir, "labelled"))
			run(t, "setfattr", "-n", "user.empty", filepath.Join(dir, "empty"))
			run(t, "chattr", "+i", filepath.Join(dir, "immutable"), filepath.Join(dir, "folder"))
			run(t, "chattr", "+a", filepath.Join(dir, "append"))
			look := func(backend string, tree Tree) {
				t.Helper()
				g := Compose(tree)
				defer g.Close()
				for n, want := range map[string]Flags{"plain": {}, "immutable": {Immutable: true}, "link": {Immutable: true}, "append": {Append: true}, "folder": {Immutable: true}} {
					if got, err := FlagsOf(g, n); err != nil || got != want {
						t.Errorf("%s: %s: %+v %v", backend, n, got, err)
					}
				}
				if _, err := FlagsOf(g, "missing"); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s: a missing file: %v", backend, err)
				}
				for _, x := range []struct{ name, attr, want string }{
					{"labelled", "security.selinux", "system_u:object_r:etc_t:s0"}, {"labelled", "user.first", strings.Repeat("v", 60)}, {"plain", "security.selinux", ""}, {"empty", "user.empty", ""},
				} {
					got, err := Xattr(g, x.name, x.attr)
					if err != nil || string(got) != x.want || (got == nil) != (x.name == "plain") {
						t.Errorf("%s: %s of %s: %q %v", backend, x.attr, x.name, got, err)
					}
				}
			}
			tree, err := Live(dir)
			if err != nil {
				t.Fatal(err)
			}
			look("live", tree)
			unmount()
			if c.fstype == "ext4" {
				f, err := os.Open(img)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				tree, err = newExt(f, c.size)
				if err != nil {
					t.Fatal(err)
				}
				look("ext", tree)
			}
			if tree, err = Kernel(img, 0, c.size, c.fstype); err != nil {
				t.Fatal(err)
			}
			look("loop-ro", tree)
			noLeftovers(t, img)
		})
	}
}
