package guestfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func mapTree(files map[string]*fstest.MapFile) Tree { return FromFS(fstest.MapFS(files), "test") }

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
func link(s string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(s), Mode: fs.ModeSymlink | 0o777}
}

func guest() FS {
	loop := map[string]*fstest.MapFile{}
	for i := range 60 {
		loop[fmt.Sprintf("chain/%d", i)] = link(fmt.Sprintf("%d", i+1))
	}
	root := map[string]*fstest.MapFile{
		"etc/fstab":          text("root's"),
		"etc/abs":            link("/etc/fstab"),
		"etc/rel":            link("../etc/fstab"),
		"etc/escape":         link("../../../../../../etc/fstab"),
		"etc/into":           link("/boot/grub/grub.cfg"),
		"etc/self":           link("self"),
		"etc/gone":           link("/nowhere/at/all"),
		"etc/pipe":           {Mode: fs.ModeNamedPipe | 0o600},
		"lib":                link("usr/lib"),
		"usr/lib/os-release": text("ID=x"),
		"boot/hidden":        text("below the mount"),
		"chain/60":           text("end"),
	}
	for k, v := range loop {
		root[k] = v
	}
	boot := mapTree(map[string]*fstest.MapFile{"grub/grub.cfg": text("boot's"), "back": link("/etc/fstab"), "up": link("../etc/fstab")})
	efi := mapTree(map[string]*fstest.MapFile{"EFI/x/grub.cfg": text("esp's")})
	return Compose(mapTree(root), Mountpoint{"/boot", boot}, Mountpoint{"/boot/efi", efi}, Mountpoint{"/srv/deep/data", Unreadable("on another disk")})
}

func TestCompose(t *testing.T) {
	g := guest()
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{"etc/fstab", "root's", nil},
		{"etc/abs", "root's", nil},
		{"etc/rel", "root's", nil},
		{"etc/escape", "root's", nil},
		{"etc/into", "boot's", nil},
		{"lib/os-release", "ID=x", nil},
		{"boot/grub/grub.cfg", "boot's", nil},
		{"boot/back", "root's", nil},
		{"boot/up", "root's", nil},
		{"boot/efi/EFI/x/grub.cfg", "esp's", nil},
		{"chain/30", "end", nil},
		{"boot/hidden", "", fs.ErrNotExist},
		{"etc/gone", "", fs.ErrNotExist},
		{"etc/fstab/more", "", fs.ErrNotExist},
		{"srv/deep/data/x", "", ErrUnreadable},
		{"etc/pipe", "", ErrUnreadable},
		{"../etc/fstab", "", fs.ErrInvalid},
		{"/etc/fstab", "", fs.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := ReadFile(g, c.name, MaxConfig)
			if string(b) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q, %v; want %q, %v", b, err, c.want, c.err)
			}
		})
	}
	for _, name := range []string{"etc/self", "chain/0"} {
		if _, err := g.Stat(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a loop of links is %v, and must not pass for absence", name, err)
		}
	}
}

func TestComposeDirectories(t *testing.T) {
	g := guest()
	names := func(dir string) string {
		e, err := fs.ReadDir(g, dir)
		if err != nil {
			return err.Error()
		}
		var n []string
		for _, x := range e {
			n = append(n, x.Name())
		}
		return strings.Join(n, " ")
	}
	if got := names("boot"); got != "back grub up" {
		t.Errorf("boot: %s", got)
	}
	if got := names("boot/efi"); got != "EFI" {
		t.Errorf("boot/efi: %s", got)
	}
	if fi, err := g.Stat("srv/deep"); err != nil || !fi.IsDir() {
		t.Errorf("a folder that a mount point implies: %v, %v", fi, err)
	}
	if _, err := g.ReadDir("srv/deep/data"); !errors.Is(err, ErrUnreadable) {
		t.Errorf("an unreadable mount: %v", err)
	}
	if fi, err := g.Lstat("etc/abs"); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("Lstat follows: %v, %v", fi, err)
	}
	if got, err := g.ReadLink("etc/abs"); got != "/etc/fstab" || err != nil {
		t.Errorf("ReadLink: %q, %v", got, err)
	}
	if m, err := fs.Glob(g, "boot/gru*/*.cfg"); len(m) != 1 || err != nil {
		t.Errorf("Glob: %v, %v", m, err)
	}
	if _, err := ReadFile(g, "etc/fstab", 3); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file above the bound: %v", err)
	}
}

func TestLooksLikeOS(t *testing.T) {
	for _, c := range []struct {
		name string
		dirs []string
		want bool
	}{
		{"usr-merged", []string{"etc", "usr"}, true},
		{"old", []string{"etc", "bin", "sbin"}, true},
		{"home", []string{"alice", "lost+found"}, false},
		{"boot", []string{"grub", "efi"}, false},
		{"etc alone", []string{"etc"}, false},
		{"empty", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := map[string]*fstest.MapFile{}
			for _, d := range c.dirs {
				m[d] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
			}
			if got, err := LooksLikeOS(Compose(mapTree(m))); got != c.want || err != nil {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	if _, err := LooksLikeOS(Compose(Unreadable("why"))); !errors.Is(err, ErrUnreadable) {
		t.Errorf("an unreadable root passes for one without a system: %v", err)
	}
}
