package facts

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/preflight/guestfs"
)

func FuzzFstab(f *testing.F) {
	for _, s := range []string{"", "UUID=a / ext4 defaults 0 1\n", "a\\040b /c\\777 x \"a,b\" 1 2 3 4", "/dev/sda1 none swap sw\r\n", "\\", "\\04"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tab := ParseFstab(s)
		if len(tab.Lines)+len(tab.Errors) > maxFstab+1 {
			t.Errorf("%d lines", len(tab.Lines))
		}
		d := Disk{Device: "/dev/sda", Mounts: []Mount{{Point: "/"}}, Volumes: []Volume{{Name: "1", Number: 1, UUID: "a"}}}
		for _, l := range tab.Lines {
			if r := d.Resolve(l.Spec, l.FSType); r.Place == OnDisk && (r.Volume < 0 || r.Volume >= len(d.Volumes)) {
				t.Errorf("%q: volume %d", l.Spec, r.Volume)
			}
			DiskOf(l.Spec)
		}
	})
}

func FuzzShellVars(f *testing.F) {
	f.Add("A=b\nC=\"d \\\" e\"\nF='g'\n")
	f.Add("A=\\")
	f.Add("A='")
	f.Fuzz(func(t *testing.T, s string) {
		for k := range ParseShellVars(s) {
			if k == "" || strings.ContainsAny(k, "= \n") {
				t.Errorf("name %q", k)
			}
		}
	})
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{"datasource_list: [ NoCloud, None ]\n", "a: &a [*a]\n", "network: {config: disabled}", "? - - a\n: b\n", "a: |\n  b\n", "%YAML 1.1\n---\na: b\n", "- [", "a: !!binary x", "<<: *a", "\"\\x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 16<<10 {
			return
		}
		_, _ = ParseCloudConfig(b)
	})
}

func FuzzPasswd(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\n", "root:$6$a$b:1::::::\n")
	f.Add(":::\n", "\n:\n")
	f.Fuzz(func(t *testing.T, passwd, shadow string) {
		a := Accounts{}
		a.read(map[string]string{"etc/passwd": passwd, "etc/shadow": shadow})
	})
}

// FuzzNetwork gives every network parser the same text.
func FuzzNetwork(f *testing.F) {
	for _, s := range []string{
		"auto eth0\niface eth0 inet static\n address 1.2.3.4\nsource /etc/network/interfaces\n",
		"network:\n  ethernets:\n    a:\n      match: {name: 'e*'}\n      addresses: [1.2.3.4/24, {a: b}]\n",
		"DEVICE=eth0\nBOOTPROTO=dhcp\n", "[connection]\ntype=ethernet\n[ipv4]\nmethod=auto\naddress1=1.2.3.4/24,1.1.1.1\n",
		"[Match]\nName=en*\n[Network]\nDHCP=yes\n[Link]\nName=x\n", "SUBSYSTEM==\"net\", ATTR{address}==\"x\", NAME=\"eth0\"\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 16<<10 {
			return
		}
		file := func() *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
		m := fstest.MapFS{"etc/network/interfaces": file(), "etc/netplan/a.yaml": file(), "etc/sysconfig/network-scripts/ifcfg-a": file(),
			"etc/NetworkManager/system-connections/a": file(), "etc/systemd/network/a.network": file(), "etc/systemd/network/a.link": file(),
			"etc/udev/rules.d/70-persistent-net.rules": file(), "etc/fstab": file(), "etc/cloud/cloud.cfg": file(), "usr/bin/cloud-init": {Mode: fs.FileMode(0o755)}}
		got, err := GatherFS(context.Background(), Source{}, Options{}, Guest{Found: true}, guestfs.Compose(guestfs.FromFS(m, "test")))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got.Net.Configs {
			c.Fits("eth0")
		}
	})
}
