package main

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		name string
		args string
		want string // the error, where it begins with "!"
	}{
		{"the program itself", "migimg mount -f /dev/sda /mnt", "migimg mount -f /dev/sda /mnt"},
		{"mount -t migimg", "/sbin/mount.migimg /dev/sda /mnt -o rw", "migimg mount -o  -- /dev/sda /mnt"},
		{"of fstab", "/sbin/mount.migimg /dev/sda /mnt -o ro,nofail,target=tencent", "migimg mount -o ro,nofail,target=tencent -- /dev/sda /mnt"},
		{"quoted", `mount.migimg /dev/sda /mnt -o rw,target="tencent,rw",noatime`, `migimg mount -o target="tencent,rw",noatime -- /dev/sda /mnt`},
		{"all flags", "mount.migimg /dev/sda /mnt -s -f -n -v -t migimg", "migimg mount --helper-sloppy --helper-fake -- /dev/sda /mnt"},
		{"flags in one", "mount.migimg -sfnvoro /dev/sda /mnt", "migimg mount --helper-sloppy --helper-fake -o ro -- /dev/sda /mnt"},
		{"a flag's value follows", "mount.migimg -vo ro /dev/sda /mnt", "migimg mount -o ro -- /dev/sda /mnt"},
		{"no mount point", "mount.migimg /dev/sda", "!usage: mount.migimg DEVICE MOUNTPOINT"},
		{"a namespace", "mount.migimg /dev/sda /mnt -N /proc/7/ns/mnt", "!nsenter"},
		{"another type", "mount.migimg /dev/sda /mnt -t ext4", "!-t ext4"},
		{"no such flag", "mount.migimg /dev/sda /mnt -q", "!-q"},
	} {
		got, err := commandLine(strings.Split(c.args, " "))
		if want, isError := strings.CutPrefix(c.want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", c.name, err, want)
			}
		} else if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

// What -o sets, seen by a mount command whose work is replaced.
func TestMountOptions(t *testing.T) {
	for _, c := range []struct{ name, args, flag, want, fails string }{
		{"a value", "-o target=tencent", "target", "tencent", ""},
		{"with commas", `-o ro,target="tencent,kvm",nofail`, "target", "tencent,kvm", ""},
		{"an underscore", "-o on_read_error=zero", "on-read-error", "zero", ""},
		{"a switch", "-o allow_other", "allow-other", "true", ""},
		{"two lists", "-o bwlimit=20M -o ionice=idle", "bwlimit", "20M", ""},
		{"for others", "-o defaults,user=me,_netdev,noauto,x-systemd.automount,X-mount.mkdir,comment=x,lazytime", "bwlimit", "", ""},
		{"unknown", "-o tarket=x", "", "", "-o tarket"},
		{"unknown but sloppy", "--helper-sloppy -o tarket=x,target=kvm", "target", "kvm", ""},
		{"hidden", "-o helper-fake", "", "", "-o helper-fake"},
		{"writable", "-o rw", "", "", "always ro"},
		{"changed", "-o remount,ro", "", "", "unmount it"},
	} {
		cmd := mountCommand()
		var got string
		cmd.Action = func(c2 *cli.Context) error {
			err := mountOptions(c2)
			if c.flag != "" {
				got = c2.String(c.flag)
				if c.want == "true" && c2.Bool(c.flag) {
					got = "true"
				}
			}
			return err
		}
		app := &cli.App{Commands: []*cli.Command{cmd}, ExitErrHandler: func(*cli.Context, error) {}}
		err := app.RunContext(context.Background(), slices.Concat([]string{"migimg", "mount"}, strings.Fields(c.args), []string{"/dev/sda", "/mnt"}))
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want an error with %q", c.name, err, c.fails)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Errorf("nobody wants to know: %v", err)
	}
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@migimg-test-" + filepath.Base(t.TempDir())} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("NOTIFY_SOCKET", name)
		if err := notify("READY=1", "STATUS=serving"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := l.Read(b)
		if got := string(b[:n]); err != nil || got != "READY=1\nSTATUS=serving" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		l.Close()
		if err := notify("READY=1"); err == nil || !strings.Contains(err.Error(), "READY=1") {
			t.Errorf("%s has gone, and the answer is %v", name, err)
		}
	}
}
