package guestfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func liveDir(t *testing.T) string {
	t.Helper()
	d := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(d+"/etc/sub", 0o755))
	must(os.WriteFile(d+"/etc/fstab", []byte("guest's"), 0o640))
	must(os.Symlink("/etc/fstab", d+"/etc/abs"))
	must(os.Symlink("../../../../../../../../etc/passwd", d+"/etc/escape"))
	must(os.Symlink("/proc/self/root/etc/passwd", d+"/etc/magic"))
	must(os.Symlink("/etc", d+"/conf"))
	must(unix.Mkfifo(d+"/etc/pipe", 0o600))
	return d
}

// Both ways of opening, with openat2 and step by step, are the same tree.
func TestLive(t *testing.T) {
	for _, stepwise := range []bool{false, true} {
		t.Run(map[bool]string{false: "openat2", true: "openat"}[stepwise], func(t *testing.T) {
			tree, err := Live(liveDir(t))
			if err != nil {
				t.Fatal(err)
			}
			tree.(*live).stepwise.Store(stepwise)
			g := Compose(tree)
			defer g.Close()
			for _, c := range []struct {
				name, want string
				err        error
			}{
				{"etc/fstab", "guest's", nil},
				{"etc/abs", "guest's", nil},
				{"conf/abs", "guest's", nil},
				{"etc/escape", "", fs.ErrNotExist},
				{"etc/magic", "", fs.ErrNotExist},
				{"etc/pipe", "", ErrUnreadable},
				{"etc/none", "", fs.ErrNotExist},
				{"etc/fstab/x", "", fs.ErrNotExist},
			} {
				done := make(chan struct{})
				go func() {
					defer close(done)
					b, err := ReadFile(g, c.name, MaxConfig)
					if string(b) != c.want || !errors.Is(err, c.err) {
						t.Errorf("%s: %q, %v; want %q, %v", c.name, b, err, c.want, c.err)
					}
				}()
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Fatalf("%s: hangs", c.name)
				}
			}
			fi, err := g.Stat("etc/fstab")
			if err != nil {
				t.Fatal(err)
			}
			a, ok := AttrOf(fi)
			if !ok || a.UID != uint32(os.Getuid()) || fi.Mode() != 0o640 || fi.Name() != "fstab" {
				t.Errorf("stat: %v %+v", fi.Mode(), a)
			}
			e, err := g.ReadDir("etc")
			if err != nil || len(e) != 6 {
				t.Errorf("readdir: %v, %v", e, err)
			}
			for _, x := range e {
				if i, err := x.Info(); err != nil || i.Mode().Type() != x.Type() {
					t.Errorf("%s: %v, %v", x.Name(), i, err)
				}
			}
		})
	}
}

// A tree does not follow a link that was swapped in behind the resolver's back.
func TestLiveSwappedLink(t *testing.T) {
	d := liveDir(t)
	if err := os.Symlink("/", d+"/out"); err != nil {
		t.Fatal(err)
	}
	for _, stepwise := range []bool{false, true} {
		tree, err := Live(d)
		if err != nil {
			t.Fatal(err)
		}
		tree.(*live).stepwise.Store(stepwise)
		for _, name := range []string{"out/etc/passwd", "etc/abs", "conf/fstab"} {
			if f, err := tree.Open(name); err == nil {
				_ = f.Close()
				t.Errorf("stepwise %v: %s was opened through a link", stepwise, name)
			}
		}
		_ = tree.Close()
	}
}

func TestLiveMissing(t *testing.T) {
	if _, err := Live(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "guest root") {
		t.Error(err)
	}
}
