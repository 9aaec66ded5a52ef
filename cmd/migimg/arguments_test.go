package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap/device"
)

func TestFlagsFirst(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"migimg map /dev/sda --format json", "migimg map --format json /dev/sda"},
		{"migimg map /dev/sda --format=json", "migimg map --format=json /dev/sda"},
		{"migimg mount /dev/sda -f /mnt", "migimg mount -f /dev/sda /mnt"},
		{"migimg mount /dev/sda /mnt -o target=kvm,ro", "migimg mount -o target=kvm,ro /dev/sda /mnt"},
		{"migimg map -- --format", "migimg map -- --format"},
		{"migimg unknown a --b", "migimg unknown a --b"},
		{"migimg map a --generate-bash-completion", "migimg map a --generate-bash-completion"},
		{"migimg", "migimg"},
	} {
		got := flagsFirst(newApp(), strings.Fields(c.in))
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %q, want %s", c.in, got, c.want)
		}
	}
}

// What is asked for wrongly is refused, and the message names what is right.
func TestUsageErrors(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"map", "DEVICE is missing"},
		{"status a b", `"b" is one argument too many`},
		{"map a --formt json", "did you mean --format?"},
		{"map a --format yaml", "not one of table, json, ranges"},
		{"map a --cluster-size 48K", "not a power of two from 4K to 2M"},
		{"map a --cluster-size big", "not a size such as 64K"},
		{"mount a", "MOUNTPOINT is missing"},
		{"mount", "DEVICE is missing"},
		{"export a", "FILE or - is missing"},
		{"preflight", "DEVICE|MOUNTPOINT is missing"},
		{"thaw", "MOUNTPOINT or DEVICE is missing"},
		{"thaw /srv --all", "contradict each other"},
		{"thaw /no/such/place", "neither a mount point nor a mounted block device"},
		{"mount a b -f --freeze-timeout 1us", "too short"},
		{"mount a b -f --consistency maybe", "not one of auto, offline, frozen, pinned, live"},
		{"mount a b --allow-other", "say whom with --uid, --gid or --mode"},
		{"mount a b --mode 0440", "no effect without --allow-other"},
		{"mount a b --allow-other --mode 0660", "more than read bits"},
		{"mount a b -f --on-read-error skip", "not one of eio, zero"},
		{"mount a b -o rw", "always ro"},
		{"mount a b -o colour=red", "no such option"},
		{"mount a b --debug", "needs -f"},
		{"mount a b -f --target mars", "mars"},
		{"inspect a", "FILE is missing"},
		{"status /nowhere", "no migimg mount"},
		{"umount /nowhere", "no migimg mount"},
		{"verify", "MOUNTPOINT or IMAGE is missing"},
		{"verify a --boot-bus nvme", "--boot-bus goes with --boot"},
		{"verify a --boot --boot-bus floppy", "none of ide, mptsas, nvme"},
		{"verify a --boot --boot-nic x", "none of e1000"},
		{"verify a --boot --boot-firmware coreboot", "none of bios, uefi"},
		{"verify a --boot --boot-timeout 0s", "no time"},
		{"verify a --boot --boot-dir /no/such/place", "make it first"},
		{"verify a --boot --target mars", "mars"},
		{"status a --watch 5s", "--watch=5s"},
		{"status a --watch=1ms", "too often"},
		{"status a --watch=often", "5s or 500ms"},
		{"mount a a --log-to /var/log/", "name a file in it"},
		{"mount a a --log-format xml", "text, json"},
		{"verify a --boot --target kvm,vsphere", "name one of them"},
	} {
		app := newApp()
		var out bytes.Buffer
		app.Writer, app.ErrWriter = &out, &out
		err := app.RunContext(context.Background(), flagsFirst(app, append([]string{"migimg"}, strings.Fields(strings.Replace(c.args, " a", " /dev/null", 1))...)))
		code, _ := exitCode(err)
		if err == nil || code != exitFailed || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: exit %d, %v; want ...%s...", c.args, code, err, c.want)
		}
	}
}

func TestChooseConsistency(t *testing.T) {
	rw := []device.Use{{Device: "sda1", Kind: "mount", Point: "/srv", Write: true}}
	ro := []device.Use{{Device: "sda1", Kind: "mount", Point: "/srv"}, {Device: "sda2", Kind: "swap"}}
	for _, c := range []struct {
		name, want string
		uses       []device.Use
		pin        bool
		level, err string
	}{
		{"auto, unused", "auto", nil, true, levelOffline, ""},
		{"auto, read-only", "", ro, true, levelOffline, ""},
		{"auto, mounted", "auto", rw, true, levelPinned, ""},
		{"auto, mounted, only looked at", "auto", rw, false, levelLive, ""},
		{"offline, mounted", "offline", rw, true, "", "/srv"},
		{"live, unused", "live", nil, true, levelLive, ""},
		{"frozen, mounted", "frozen", rw, false, levelFrozen, ""},
		{"pinned, unused", "pinned", ro, true, levelOffline, ""},
	} {
		got, err := chooseConsistency(c.want, c.uses, c.pin)
		if got.Level != c.level || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestSizes(t *testing.T) {
	for s, want := range map[string]int64{"64K": 65536, "64KiB": 65536, "2M": 2 << 20, "4096": 4096, "1G": 1 << 30} {
		if got, err := parseSize(s); got != want || err != nil {
			t.Errorf("%s: %d, %v", s, got, err)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 40: "1.0 TiB", 123 << 20: "123 MiB"} {
		if got := human(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
