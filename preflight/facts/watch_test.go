package facts

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"migimg/preflight/guestfs"
)

// Whatever changes of what was looked at is noticed, and nothing else is.
func TestWatch(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	for _, c := range []struct {
		name   string
		change func(root string) error
		want   bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"a file", func(r string) error { return os.WriteFile(r+"/etc/fstab", []byte("other"), 0o644) }, true},
		{"a file, with its old time", func(r string) error {
			err := os.WriteFile(r+"/etc/fstab", []byte("ghi"), 0o644)
			_ = os.Chtimes(r+"/etc/fstab", old, old)
			return err
		}, true},
		{"a file's mode", func(r string) error { return os.Chmod(r+"/etc/fstab", 0o600) }, true},
		{"a file replaced", func(r string) error {
			_ = os.WriteFile(r+"/etc/new", []byte("abc"), 0o644)
			return os.Rename(r+"/etc/new", r+"/etc/fstab")
		}, true},
		{"a file removed", func(r string) error { return os.Remove(r + "/etc/fstab") }, true},
		{"what was not there", func(r string) error { return os.WriteFile(r+"/etc/crypttab", nil, 0o644) }, true},
		{"a file in a folder that was read", func(r string) error { return os.WriteFile(r+"/etc/net.d/b", nil, 0o644) }, true},
		{"the target of a link", func(r string) error { return os.WriteFile(r+"/etc/target", []byte("other"), 0o644) }, true},
		{"a file that nobody read", func(r string) error { return os.WriteFile(r+"/etc/other", []byte("x"), 0o644) }, false},
		{"a file on another filesystem", func(r string) error { return os.WriteFile(r+"/boot/x", []byte("x"), 0o644) }, false},
		{"everything", os.RemoveAll, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			for name, text := range map[string]string{"etc/fstab": "abc", "etc/other": "o", "etc/target": "t", "etc/net.d/a": "a", "boot/x": "b"} {
				p := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				_ = os.Chtimes(p, old, old)
			}
			if err := os.Symlink("/etc/target", root+"/etc/link"); err != nil {
				t.Fatal(err)
			}
			live, err := guestfs.Live(root)
			if err != nil {
				t.Fatal(err)
			}
			var w Watch
			tree := w.over(guestfs.Compose(live), root, []Placed{{At: "/boot"}})
			_, _ = fs.ReadFile(tree, "etc/fstab")
			_, _ = tree.Stat("etc/crypttab")
			_, _ = tree.Lstat("etc/link")
			_, _ = tree.ReadLink("etc/link")
			_, _ = tree.ReadDir("etc/net.d")
			_, _ = tree.Open("boot/x")
			_ = tree.Close()
			time.Sleep(20 * time.Millisecond) // the clock of file times is coarse
			if err := c.change(root); err != nil {
				t.Fatal(err)
			}
			if got := w.Changed(); got != c.want {
				t.Errorf("changed: %v", got)
			}
		})
	}
	var none Watch
	if none.Changed() {
		t.Error("a watch of nothing has changed")
	}
	var nobody *Watch
	if nobody.over(nil, "/", nil) != nil {
		t.Error("a watch that nobody wants")
	}
}

func TestPicture(t *testing.T) {
	half := func(off, n int64) int64 { return max(0, min(off+n, 1<<20)-off) } // the first MiB
	for _, c := range []struct {
		name string
		s    Source
		want string
	}{
		{"nobody knows", Source{Size: 1 << 30}, ""},
		{"tiny", Source{Size: 100, CarriedIn: half}, ""},
		{"half", Source{Size: 2 << 20, CarriedIn: half}, strings.Repeat("f", 64) + strings.Repeat("0", 64)},
		{"a little in each", Source{Size: 1<<40 + 12345, CarriedIn: func(int64, int64) int64 { return 1 }}, strings.Repeat("1", 128)},
		{"a hole in each", Source{Size: 1 << 62, CarriedIn: func(_, n int64) int64 { return n - 1 }}, strings.Repeat("e", 128)},
		{"all of an odd size", Source{Size: 999_999_937, CarriedIn: func(_, n int64) int64 { return n }}, strings.Repeat("f", 128)},
	} {
		if got := picture(&c.s); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
