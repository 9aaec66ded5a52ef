package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLVMConf(t *testing.T) {
	c, err := ParseLVMConf("# comment\nconfig {\n\tchecks = 1 # yes\n}\ndevices {\n dir = \"/dev\"\n filter = [ \"a|^/dev/sd|\", # one\n  'r|.*|' ]\n empty = []\n nested { x=\"a\\\"b\\\\c\" }\n}\nglobal/locking_type=1\ndevices { dir=\"/x\" }\n")
	if err != nil {
		t.Fatal(err)
	}
	want := LVMConf{"config/checks": {3, []string{"1"}, false}, "devices/dir": {13, []string{"/x"}, false}, "devices/filter": {7, []string{"a|^/dev/sd|", "r|.*|"}, true},
		"devices/empty": {9, nil, true}, "devices/nested/x": {10, []string{`a"b\c`}, false}, "global/locking_type": {12, []string{"1"}, false}}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"devices {", "}", "a = ", "a = [ 1", "a = \"x", "a", "{", strings.Repeat("a{", 100), "a = ]"} {
		if c, err := ParseLVMConf(bad); err == nil {
			t.Errorf("%q: no error, %v", bad, c)
		}
	}
}

// What the filters say, as lvm.conf's own examples have it.
func TestLVMFilter(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		names    []string
		ok       bool
	}{
		{[]string{"a|.*|"}, []string{"/dev/vda2"}, true},
		{[]string{"r|/dev/cdrom|"}, []string{"/dev/vda2"}, true},
		{[]string{"r|/dev/cdrom|"}, []string{"/dev/sr0", "/dev/cdrom"}, false},
		{[]string{"a|loop|", "r|.*|"}, []string{"/dev/vda2"}, false},
		{[]string{"a|loop|", "r|/dev/hdc|", "a|/dev/ide|", "r|.*|"}, []string{"/dev/loop0"}, true},
		{[]string{"a|^/dev/hda8$|", "r|.*|"}, []string{"/dev/hda81"}, false},
		{[]string{"a|^/dev/hda8$|", "r|.*|"}, []string{"/dev/hda8"}, true},
		{[]string{"a/dev.vda/", "r/.*/"}, []string{"/dev/vda"}, true},
		{[]string{"a(/dev/vd[a-c][0-9]*$)", "r{.*}"}, []string{"/dev/vdc12"}, true},
		{[]string{"a(/dev/vd[^a])", "r{.*}"}, []string{"/dev/vda"}, false},
		{[]string{"r|/dev/sda|", "a|.*|"}, []string{"/dev/sda2", "/dev/disk/by-partuuid/1"}, true},
		{[]string{"a|/dev/vd\\.a|", "r|.*|"}, []string{"/dev/vd.a"}, true},
		{[]string{"a|/dev/vd{1}a|", "r|.*|"}, []string{"/dev/vda"}, false},
		{nil, []string{"/dev/vda"}, true},
	} {
		f, err := ParseLVMFilter(c.patterns)
		if err != nil {
			t.Errorf("%q: %v", c.patterns, err)
			continue
		}
		if ok, by := f.Accepts(c.names...); ok != c.ok {
			t.Errorf("%q, %q: %v by %s", c.patterns, c.names, ok, by)
		}
	}
	for _, bad := range []string{"", "a", "a|", "a|x", "x|y|", "a|(|"} {
		if _, err := ParseLVMFilter([]string{bad}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestLVMDevices(t *testing.T) {
	f := ParseLVMDevices("# LVM uses devices listed in this file.\n# HASH=1\nPRODUCT_UUID=1-2\nVERSION=1.1.5\nIDTYPE=sys_wwid IDNAME=naa.5 DEVNAME=/dev/sda2 PVID=abc PART=2\nIDTYPE=devname IDNAME=/dev/vda3 DEVNAME=/dev/vda3 PVID=def\ngarbage\n")
	want := LVMDevices{ProductUUID: true, Odd: []int{7}, Entries: []LVMDevice{{5, "sys_wwid", "naa.5", "/dev/sda2", "abc"}, {6, "devname", "/dev/vda3", "/dev/vda3", "def"}}}
	if d := cmp.Diff(want, f); d != "" {
		t.Error(d)
	}
}

// The examples of mdadm.conf(5), in their features.
func TestMDConf(t *testing.T) {
	c := ParseMDConf("# x\nDEVICE /dev/sd[bcdjkl]1\ndev /dev/hda1 /dev/hdb1\nARRAY /dev/md0 devices=/dev/dsk/c0,/dev/dsk/c1\n# spare\nARRAY /dev/md/home UUID=9187a482:5dde19d9:eea3cc4a:d646ab8b\n           spare-group=group1 # the end\narr <ignore> uuid=1:2:3:4\nHOMEHOST <system>\nMAILADDR \"a b\"\nar x\n")
	want := MDConf{Devices: []MDDevices{{2, []string{"/dev/sd[bcdjkl]1"}}, {3, []string{"/dev/hda1", "/dev/hdb1"}}},
		Arrays:   []MDArray{{4, "/dev/md0", "", []string{"/dev/dsk/c0", "/dev/dsk/c1"}}, {6, "/dev/md/home", "9187a482:5dde19d9:eea3cc4a:d646ab8b", nil}, {8, "<ignore>", "1:2:3:4", nil}},
		Homehost: "<system>", HomehostLine: 9}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func TestMultipath(t *testing.T) {
	var m Multipath
	m.Parse("a", "defaults {\n\tuser_friendly_names yes\n\tfind_multipaths \"no\"\n}\nblacklist {\n\tdevnode \"^vd[a-z]\" ! comment\n\tdevice {\n\t\tvendor \"2.5\"\" SSD\"\n\t}\n}\nmultipaths {\n multipath {\n  wwid 3600 # x\n  alias data\n }\n}\nwhat\n")
	m.Parse("b", "defaults {\n find_multipaths strict\n")
	want := Multipath{FindMultipaths: "strict", FindFile: "b", FindLine: 2, Maps: []MultipathMap{{"a", 12, "3600", "data"}}, Blacklist: []string{"devnode ^vd[a-z]", `vendor 2.5" SSD`}, Odd: []int{17, 2}}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	if ids := ParseWWIDs("# Multipath wwids\n/3600a/\n//\nx\n"); !slices.Equal(ids, []string{"3600a"}) {
		t.Error(ids)
	}
}

// luks2 is a header of LUKS2 with a JSON text.
func luks2(text string) []byte {
	b := make([]byte, 64<<10)
	copy(b, "LUKS\xba\xbe\x00\x02")
	binary.BigEndian.PutUint64(b[8:], 16384)
	copy(b[4096:], text)
	return b
}

func TestLUKS2(t *testing.T) {
	pin := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	sss := pin(`{"alg":"dir","clevis":{"pin":"sss","sss":{"t":1,"jwe":["` + pin(`{"clevis":{"pin":"tpm2"}}`) + `.a.b","` + pin(`{"clevis":{"pin":"tang"}}`) + `.c"]}}}`)
	b := luks2(`{"keyslots":{"0":{"type":"luks2","kdf":{"type":"argon2id","salt":"SECRETSALT"}},"1":{"type":"luks2","kdf":{"type":"pbkdf2"}},"2":{"type":"luks2","kdf":{"type":"pbkdf2"}},"3":{"type":"reencrypt"}},
	 "tokens":{"0":{"type":"systemd-tpm2","keyslots":["1"],"tpm2-blob":"SECRETBLOB"},"1":{"type":"clevis","keyslots":["2"],"jwe":{"ciphertext":"SECRETCT","protected":"` + sss + `"}}},
	 "segments":{"0":{"type":"crypt","encryption":"aes-xts-plain64"}},"digests":{},"config":{"requirements":{"mandatory":["online-reencrypt"]}}}`)
	l, err := ReadLUKS(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := LUKS{Version: 2, Cipher: "aes-xts-plain64", Slots: []LUKSSlot{{"0", "argon2id"}, {"1", "pbkdf2"}, {"2", "pbkdf2"}},
		Tokens:       []LUKSToken{{"systemd-tpm2", []string{"1"}, nil}, {"clevis", []string{"2"}, []string{"sss", "tang", "tpm2"}}},
		Requirements: []string{"online-reencrypt"}}
	if d := cmp.Diff(want, l); d != "" {
		t.Error(d)
	}
	if typed := l.Typed(); !slices.Equal(typed, []string{"0"}) {
		t.Errorf("typed: %v", typed)
	}
	if strings.Contains(fmt.Sprintf("%+v", l), "SECRET") {
		t.Error("a secret is kept")
	}
	// The second header stands in for a damaged first one.
	second := make([]byte, 128<<10)
	copy(second, "LUKS\xba\xbe\x00\x02")
	copy(second[16384:], luks2(`{"keyslots":{"0":{"type":"luks2"}}}`))
	copy(second[16384:], "SKUL")
	if l, err := ReadLUKS(bytes.NewReader(second), int64(len(second))); err != nil || len(l.Slots) != 1 {
		t.Errorf("%+v %v", l, err)
	}
	for name, b := range map[string][]byte{"nothing": make([]byte, 64<<10), "short": []byte("LUKS\xba\xbe\x00\x02"), "no JSON": luks2("{"), "huge": func() []byte { b := luks2("{}"); b[8] = 0xff; return b }()} {
		if l, err := ReadLUKS(bytes.NewReader(b), int64(len(b))); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestLUKS1(t *testing.T) {
	b := make([]byte, 2<<20)
	copy(b, "LUKS\xba\xbe\x00\x01aes")
	copy(b[40:], "xts-plain64")
	binary.BigEndian.PutUint32(b[104:], 4096)
	for i := range 8 {
		binary.BigEndian.PutUint32(b[208+48*i:], 0x0000DEAD)
	}
	binary.BigEndian.PutUint32(b[208+48*3:], 0x00AC71F3)
	copy(b[1<<20:], "LUKSMETA")
	copy(b[1<<20+16+32:], []byte{0xcb, 0x6e, 0x89, 0x04, 0x81, 0xff, 0x40, 0xda, 0xa8, 0x4a, 0x07, 0xab, 0x9a, 0xb5, 0x71, 0x5e})
	l, err := ReadLUKS(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := LUKS{Version: 1, Cipher: "aes-xts-plain64", Slots: []LUKSSlot{{"3", "pbkdf2"}}, Tokens: []LUKSToken{{"clevis", []string{"1"}, []string{"?"}}}}
	if d := cmp.Diff(want, l); d != "" {
		t.Error(d)
	}
}

func FuzzConf(f *testing.F) {
	for _, s := range []string{"devices { filter = [ \"a|x|\", 'r|.*|' ] }", "a{b{c=1}}", "IDTYPE=sys_wwid IDNAME=x PVID=y", "ARRAY /dev/md0 uuid=1\n  x=\"a b\"\nDEV a", "defaults {\n x \"y\"\"z\"\n}\nmultipaths {\nmultipath {\nwwid a\n}\n}",
		"cryptroot UUID=1 /key:UUID=2 luks,tpm2-device=auto,key-slot=1", "a = [", "a|[|", "a|\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, _ := ParseLVMConf(s)
		for _, v := range c {
			_, _ = ParseLVMFilter(v.Words)
		}
		if p, err := ParseLVMFilter([]string{s}); err == nil {
			p.Accepts("/dev/vda1", s)
		}
		ParseLVMDevices(s)
		ParseMDConf(s)
		var m Multipath
		m.Parse("", s)
		m.Greedy()
		ParseWWIDs(s)
		for _, e := range ParseCrypttab(s).Entries {
			e.Hardware()
			if dev, file, ok := e.KeyDevice(); ok && (dev == "" || file == "") {
				t.Errorf("%+v", e)
			}
		}
	})
}

func FuzzLUKS(f *testing.F) {
	f.Add(luks2(`{"keyslots":{"0":{"type":"luks2"}},"tokens":{"0":{"type":"clevis","jwe":"eyJ.a"}}}`)[:20480])
	f.Add(append([]byte("LUKS\xba\xbe\x00\x01"), make([]byte, 8192)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ReadLUKS(bytes.NewReader(b), int64(len(b)))
		if err == nil && l.Version == 0 {
			t.Error("a header without a version")
		}
		_, _ = ReadLUKS(io.NewSectionReader(bytes.NewReader(b), 0, 1<<40), 1<<40) // a volume that is shorter than it says
	})
}
