package freeze

import (
	"errors"
	"migimg/blockmap/device/mounttable"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func parseMount(row string) (mount, bool) {
	r, ok := mounttable.Parse(row)
	return mount{r}, ok
}

func TestUpper(t *testing.T) {
	m, _ := parseMount(`36 35 0:40 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/a\040b,workdir=/w`)
	if m.upper() != "/var/lib/a b" {
		t.Errorf("%q", m.upper())
	}
}

func TestMessage(t *testing.T) {
	m := message{op: opFailed, index: 7, errno: unix.EBUSY, n: -1 << 62}
	b := m.bytes()
	got, err := parseMessage(b[:])
	if err != nil || got != m {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := parseMessage(b[:23]); err == nil {
		t.Error("a short one is taken")
	}
}

func TestOrder(t *testing.T) {
	var ts []*target
	for _, p := range []string{"/:ext4", "/srv:ext4", "/boot/efi:vfat", "/srv/a/b:xfs", "/home:btrfs", "/on/home:ext4:1"} {
		f := strings.Split(p, ":")
		ts = append(ts, &target{Filesystem: Filesystem{Point: f[0], FSType: f[1]}, level: len(f) - 2})
	}
	order(ts)
	var got []string
	for _, x := range ts {
		got = append(got, x.Point)
	}
	if s := strings.Join(got, " "); s != "/on/home /boot/efi /srv/a/b /home /srv /" {
		t.Error(s)
	}
}

// What Emergency opens when it is to find all: nothing that could hang.
func TestFreezable(t *testing.T) {
	for row, want := range map[string]bool{
		"1 1 0:50 / /a rw - btrfs /dev/gone rw":           true,
		"1 1 8:1 / /a rw - ext4 /dev/root rw":             true,
		"1 1 0:51 / /a rw - nfs4 host:/x rw":              false,
		"1 1 0:52 / /a rw - fuse.sshfs host:/x rw":        false,
		"1 1 0:52 / /a rw - fuseblk /dev/null rw":         false,
		"1 1 0:5 / /dev rw - devtmpfs /dev/no/such rw":    false,
		"1 1 0:20 / /proc rw - proc proc rw":              false,
		"1 1 0:30 / /var/lib/x rw - overlay overlay rw":   false,
		"1 1 0:33 / /a rw - bcachefs /dev/sda:/dev/sd rw": true,
	} {
		m, ok := parseMount(row)
		if !ok || freezable(m) != want {
			t.Errorf("%s: %v", row, !want)
		}
	}
}

// Outside of control groups v2 nothing is written.
func TestLeaveGroup(t *testing.T) {
	dir := t.TempDir()
	procs := filepath.Join(dir, "cgroup.procs")
	if err := os.WriteFile(procs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	leaveGroup(dir)
	if b, _ := os.ReadFile(procs); len(b) != 0 {
		t.Errorf("v1: wrote %q", b)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	leaveGroup(dir)
	if b, _ := os.ReadFile(procs); len(b) == 0 {
		t.Error("v2: wrote nothing")
	}
}

func TestErrors(t *testing.T) {
	tg := &target{Filesystem: Filesystem{Point: "/srv", FSType: "ext4"}}
	for errno, want := range map[unix.Errno]struct {
		is   error
		text string
	}{
		unix.EOPNOTSUPP: {ErrUnsupported, "/srv (ext4) cannot be frozen: "},
		unix.EBUSY:      {ErrBusy, "/srv (ext4) is frozen by somebody else: "},
		unix.EPERM:      {unix.EPERM, "root"},
		unix.EIO:        {unix.EIO, "FIFREEZE"},
	} {
		err := explain(tg, errno)
		if !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if s := Announcement([]string{"/srv", "/"}); !strings.Contains(s, "migimg thaw /srv /") {
		t.Error(s)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		fss  []Filesystem
		o    Options
		want string
	}{
		{nil, Options{}, "no filesystem"},
		{[]Filesystem{{Point: "/"}}, Options{Frozen: true}, "needs a limit"},
		{[]Filesystem{{Point: "/"}}, Options{Limit: -time.Second}, "needs a limit"},
		{[]Filesystem{{Point: "/no/such/place"}}, Options{}, "/no/such/place"},
		{[]Filesystem{{Point: "/dev/null"}}, Options{}, "neither a directory nor a file"},
	} {
		f, err := Prepare(t.Context(), c.fss, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
		if f != nil {
			_ = f.Close()
		}
	}
}
