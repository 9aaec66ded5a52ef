package guestfs

import (
	"encoding/binary"
	"errors"
	"testing"
	"testing/fstest"
)

func TestFlagsOfForeignTrees(t *testing.T) {
	m := fstest.MapFS{"etc/a": {Sys: &Attr{Immutable: true}}, "etc/b": {Sys: &Attr{}}, "etc/c": {}, "etc/l": {Data: []byte("a"), Mode: 0o777 | 1<<27}}
	g := Compose(FromFS(m, "test"), Mountpoint{At: "/lost", Tree: Unreadable("no reader")}, Mountpoint{At: "/sub", Tree: Sub(FromFS(m, "test"), "etc")})
	for name, want := range map[string]bool{"etc/a": true, "etc/b": false, "etc/l": true, "sub/a": true, "etc": false} {
		if got, err := FlagsOf(g, name); err != nil || got.Immutable != want {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	for _, name := range []string{"etc/c", "lost", "sub/c"} {
		if _, err := FlagsOf(g, name); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Xattr(g, "etc/a", "user.x"); !errors.Is(err, ErrUnreadable) {
		t.Errorf("an attribute of a tree that has none: %v", err)
	}
}

// attrs are the entries of an inode's attributes, as extAttr takes them.
func attrs(prefix byte, name, value string) []byte {
	b := make([]byte, 100)
	b[0], b[1] = byte(len(name)), prefix
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b)-len(value)))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(value)))
	copy(b[extAttrEntry:], name)
	copy(b[len(b)-len(value):], value)
	return b
}

func FuzzExtAttr(f *testing.F) {
	f.Add(attrs(6, "selinux", "label"), 0)
	f.Add(attrs(1, "x", ""), 0)
	f.Add([]byte{255, 6, 0, 0}, 0)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		if at < 0 || at > len(b) {
			return
		}
		if v, err := extAttr(b, at, "security.selinux"); err == nil && len(v) > len(b) {
			t.Errorf("%d bytes of %d", len(v), len(b))
		}
	})
}

func TestExtAttr(t *testing.T) {
	if v, err := extAttr(attrs(6, "selinux", "label"), 0, "security.selinux"); err != nil || string(v) != "label" {
		t.Errorf("%q %v", v, err)
	}
	if v, err := extAttr(attrs(1, "selinux", "label"), 0, "security.selinux"); err != nil || v != nil {
		t.Errorf("another kind: %q %v", v, err)
	}
	long := attrs(6, "selinux", "label")
	binary.LittleEndian.PutUint32(long[8:], 1<<31)
	if _, err := extAttr(long, 0, "security.selinux"); err == nil {
		t.Error("a value beyond the end")
	}
}
