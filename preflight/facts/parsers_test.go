package facts

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseFstab(t *testing.T) {
	f := ParseFstab("# c\n\n UUID=a  /\text4  defaults,noatime 0 1 # c\nLABEL=my\\040disk /my\\040data auto nofail,x=\"a,b\" 0 2\n/swap none swap sw 0 0\n/dev/sda1 /x\nproc /proc proc defaults x 0\nx relative ext4 defaults\n/dev/cdrom /cd iso9660")
	want := []FstabLine{
		{Line: 3, Text: " UUID=a  /\text4  defaults,noatime 0 1 # c", Spec: "UUID=a", Point: "/", FSType: "ext4", Options: []string{"defaults", "noatime"}, Pass: 1},
		{Line: 4, Text: "LABEL=my\\040disk /my\\040data auto nofail,x=\"a,b\" 0 2", Spec: "LABEL=my disk", Point: "/my data", FSType: "auto", Options: []string{"nofail", `x="a,b"`}, Pass: 2},
		{Line: 5, Text: "/swap none swap sw 0 0", Spec: "/swap", Point: "none", FSType: "swap", Options: []string{"sw"}},
		{Line: 9, Text: "/dev/cdrom /cd iso9660", Spec: "/dev/cdrom", Point: "/cd", FSType: "iso9660"},
	}
	if !reflect.DeepEqual(f.Lines, want) {
		t.Errorf("lines\n%+v\nwant\n%+v", f.Lines, want)
	}
	if len(f.Errors) != 3 || f.Errors[0].Line != 6 || f.Errors[1].Line != 7 || f.Errors[2].Line != 8 {
		t.Errorf("errors %+v", f.Errors)
	}
	if !f.NoNewline || f.CRLF {
		t.Errorf("no newline %v, CRLF %v", f.NoNewline, f.CRLF)
	}
}

func TestParseSpec(t *testing.T) {
	for _, c := range []struct{ spec, fstype, kind, value string }{
		{"UUID=1234-ABCD", "vfat", "UUID", "1234-ABCD"},
		{`UUID="x"`, "", "UUID", "x"},
		{"uuid=x", "", "UUID", "x"},
		{"LABEL=my disk", "", "LABEL", "my disk"},
		{"PARTUUID=deadbeef-01", "", "PARTUUID", "deadbeef-01"},
		{"PARTLABEL=root", "", "PARTLABEL", "root"},
		{"/dev/disk/by-uuid/x", "", "UUID", "x"},
		{`/dev/disk/by-label/my\x20disk`, "", "LABEL", "my disk"},
		{"/dev/disk/by-id/ata-X-part1", "", "by-id", "ata-X-part1"},
		{"/dev/disk/by-path/pci-1-part1", "", "by-path", "pci-1-part1"},
		{"/dev/sda1", "", "device", "/dev/sda1"},
		{"/dev/nvme0n1p2", "", "device", "/dev/nvme0n1p2"},
		{"/dev/cciss/c0d0p1", "", "device", "/dev/cciss/c0d0p1"},
		{"/dev/mapper/vg-lv", "", "mapper", "/dev/mapper/vg-lv"},
		{"/dev/vg/lv", "", "mapper", "/dev/vg/lv"},
		{"/dev/md0", "", "md", "/dev/md0"},
		{"/swapfile", "swap", "file", "/swapfile"},
		{"/dev/cdrom", "iso9660", "none", "/dev/cdrom"},
		{"tmpfs", "tmpfs", "none", "tmpfs"},
		{"nas:/export", "nfs", "none", "nas:/export"},
		{"//nas/share", "cifs", "none", "//nas/share"},
		{"ZFS=rpool/ROOT", "", "none", "ZFS=rpool/ROOT"},
	} {
		if s := ParseSpec(c.spec, c.fstype); s.Kind != c.kind || s.Value != c.value {
			t.Errorf("%s: %s %q, want %s %q", c.spec, s.Kind, s.Value, c.kind, c.value)
		}
	}
}

func TestDiskOf(t *testing.T) {
	for _, c := range []struct {
		dev, disk string
		n         int
	}{
		{"/dev/sda", "/dev/sda", 0}, {"/dev/sda12", "/dev/sda", 12}, {"/dev/vdb1", "/dev/vdb", 1}, {"/dev/xvda1", "/dev/xvda", 1},
		{"/dev/nvme0n1", "/dev/nvme0n1", 0}, {"/dev/nvme0n1p3", "/dev/nvme0n1", 3}, {"/dev/mmcblk0p2", "/dev/mmcblk0", 2},
		{"/dev/cciss/c0d0p1", "/dev/cciss/c0d0", 1}, {"/dev/loop0", "/dev/loop0", 0},
	} {
		if d, n := DiskOf(c.dev); d != c.disk || n != c.n {
			t.Errorf("%s: %s %d, want %s %d", c.dev, d, n, c.disk, c.n)
		}
	}
}

func TestParseShellVars(t *testing.T) {
	got := ParseShellVars("A=plain\nB=\"with \\\"quotes\\\" and \\$\"\nC='single \\ $x'\n# D=no\n  E=x F=y\nG=\nH=a\\ b\nnot an assignment\nI=\"two\nlines\"\nJ=last")
	want := map[string]string{"A": "plain", "B": `with "quotes" and $`, "C": `single \ $x`, "E": "x", "F": "y", "G": "", "H": "a b", "I": "two\nlines", "J": "last"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestParseCloudConfig(t *testing.T) {
	for _, c := range []struct {
		name, text string
		list       []string
		network    string
		bad        bool
	}{
		{"flow", "datasource_list: [ NoCloud, ConfigDrive, None ]\n", []string{"NoCloud", "ConfigDrive", "None"}, "", false},
		{"block", "#cloud-config\ndatasource_list:\n  - Ec2\n  - None\n", []string{"Ec2", "None"}, "", false},
		{"quoted", `datasource_list: ["Azure"]`, []string{"Azure"}, "", false},
		{"empty list", "datasource_list: []\n", []string{}, "", false},
		{"none", "users: [default]\n", nil, "", false},
		{"empty", "", nil, "", false},
		{"comment", "# nothing\n", nil, "", false},
		{"network off", "network: {config: disabled}\n", nil, "disabled", false},
		{"network set", "network:\n  version: 2\n", nil, "set", false},
		{"a word", "datasource_list: Ec2\n", nil, "", true},
		{"broken", "a: [\n", nil, "", true},
		{"a list", "- a\n", nil, "", true},
		{"bomb", "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\ndatasource_list: [None]\n", []string{"None"}, "", false},
		{"deep", strings.Repeat("[", 5000), nil, "", true},
		{"deep block", strings.Repeat("- ", 5000), nil, "", true},
		{"large", "a: " + strings.Repeat("x", maxYAML), nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseCloudConfig([]byte(c.text))
			if (err != nil) != c.bad {
				t.Fatalf("error %v", err)
			}
			if !c.bad && (!reflect.DeepEqual(got.Datasources, c.list) || got.Network != c.network) {
				t.Errorf("%#v %q, want %#v %q", got.Datasources, got.Network, c.list, c.network)
			}
		})
	}
}

func TestColon(t *testing.T) {
	text := "root:x:0:0:root:/root:/bin/sh\n# c\n+nis\nbroken:line\n\nu:x:1:1::/:/bin/sh"
	if l := ParseColon(text, 7); len(l) != 2 || l[1].Fields[0] != "u" || l[1].Line != 6 {
		t.Errorf("%+v", l)
	}
	if e := ColonErrors(text, 7); !reflect.DeepEqual(e, []int{4}) {
		t.Errorf("%v", e)
	}
	for field, want := range map[string]string{"": "empty", "!": "locked", "*": "locked", "!!": "locked", "!$6$x$y": "locked", "$6$salt$hashhashhash": "set", "x": "locked", "abcdefghijklm": "set"} {
		if got := passwordState(field); got != want {
			t.Errorf("%q: %s, want %s", field, got, want)
		}
	}
}
