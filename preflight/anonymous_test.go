package preflight

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"migimg/blockmap"
)

// private are strings that an anonymous report never holds, by what they are.
var private = map[string][]string{
	"hosts":     {"web01", "example-corp", "nas7", "files.example-corp.com", "db-master", "kdc.example-corp.com", "backup.internal"},
	"people":    {"jtanaka", "Jun Tanaka", "lwang"},
	"addresses": {"192.0.2.17", "198.51.100.4", "2001:db8:12::7", "52:54:00:ab:cd:ef", "203.0.113.9"},
	"uuids":     {"77777777-8888-9999-aaaa-bbbbbbbbbbbb", "AB12-CD34", "Yw3kQx-1a2B-3c4D-5e6F-7g8H-9i0J-kLmNoP", "deadbeef-01"},
	"serials": {"WD-WCC4E1234567", "Samsung_SSD_870_S5Y1NJ0R", "0x5000c500a1b2c3d4", "3600508b1001c4a1b2c3d4e5f60718293", "iqn.2001-05.com.equallogic",
		"0123456789abcdef0123456789abcdef", "CZ3201WXYZ"},
	"labels": {"tanaka-data"},
}

func privateGuest() (Source, fstest.MapFS) {
	s := disk()
	s.Device = "/home/jtanaka/web01.img"
	s.Outputs[0].Path = "web01.qcow2"
	s.Volumes.Children[0].UUID, s.Volumes.Children[0].Label = "77777777-8888-9999-aaaa-bbbbbbbbbbbb", "tanaka-data"
	s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "ext4", UUID: "AB12-CD34", Label: "web01-var"}, Name: "2/vg_web01-var", Start: -1, Size: 1 << 20})
	s.Mounts = []Mount{{Partition: "1", Point: "/home/jtanaka/disk", Device: "/dev/loop3"}}
	grub := strings.ReplaceAll(string(debian()["boot/grub/grub.cfg"].Data), rootUUID+" ro", "77777777-8888-9999-aaaa-bbbbbbbbbbbb ro ip=192.0.2.17::192.0.2.1:255.255.255.0:web01:eth0:none netroot=iscsi:@198.51.100.4::3260::iqn.2001-05.com.equallogic:lun0 resume=/dev/disk/by-id/ata-WD-WCC4E1234567-part2")
	tree := with(debian(), map[string]*fstest.MapFile{
		"etc/hostname":    text("web01.example-corp.com\n"),
		"etc/hosts":       text("127.0.0.1 localhost\n192.0.2.17 web01.example-corp.com web01\n192.0.2.20 db-master # the database\n"),
		"etc/resolv.conf": text("search example-corp.com\nnameserver 192.0.2.1\n"),
		"etc/passwd":      text("root:x:0:0:root:/root:/bin/bash\njtanaka:x:1000:1000:Jun Tanaka,,,:/home/jtanaka:/bin/bash\nlwang:x:1001:1001::/home/lwang:/bin/sh\n"),
		"etc/fstab": text("UUID=77777777-8888-9999-aaaa-bbbbbbbbbbbb / ext4 defaults 0 1\n" +
			"LABEL=tanaka-data /srv/tanaka-data xfs defaults 0 2\nUUID=AB12-CD35 /boot/efi vfat defaults 0 2\nPARTUUID=deadbeef-01 /data ext4 defaults 0 2\n" +
			"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4-part1 /wwn ext4 defaults 0 2\n/dev/disk/by-id/ata-Samsung_SSD_870_S5Y1NJ0R-part1 /ssd ext4 defaults 0 2\n" +
			"/dev/mapper/3600508b1001c4a1b2c3d4e5f60718293 /mp ext4 defaults 0 2\n/dev/vg_web01/home /home ext4 defaults 0 2\n" +
			"nas7:/export/lwang /mnt/nas nfs defaults 0 0\n//files.example-corp.com/share /mnt/share cifs username=jtanaka,password=hunter2,domain=EXAMPLE-CORP 0 0\n" +
			"lwang@backup.internal:/x /mnt/ssh fuse.sshfs defaults 0 0\n[2001:db8:12::7]:/x /mnt/six nfs defaults 0 0\n" +
			"broken jtanaka web01 52:54:00:ab:cd:ef Yw3kQx-1a2B-3c4D-5e6F-7g8H-9i0J-kLmNoP serial=CZ3201WXYZ 0123456789abcdef0123456789abcdef\n"),
		"boot/grub/grub.cfg":                       text(grub),
		"etc/network/interfaces":                   text("auto ens3\niface ens3 inet static\n address 192.0.2.17/24\n gateway 192.0.2.1\nauto ens4\niface ens4 inet6 static\n address 2001:db8:12::7/64\n hwaddress ether 52:54:00:ab:cd:ef\n"),
		"etc/cloud/cloud.cfg.d/99":                 text("datasource_list: [ None ]\n"),
		"etc/udev/rules.d/70-persistent-net.rules": text("SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:ab:cd:ef\", NAME=\"eth0\"\n"),
	})
	return s, tree
}

// No private string of the guest comes through, in any form of the report, and
// what is no secret stays.
func TestAnonymise(t *testing.T) {
	s, tree := privateGuest()
	r := judge(t, s, tree, "tencent", "kvm")
	r.Coverage.Unreadable = append(r.Coverage.Unreadable, "cannot reach https://lwang@kdc.example-corp.com:8443/ at 203.0.113.9")
	r.Waive([]Waiver{{Check: "mount.fstab-resolves", Target: "*", Reason: "Jun Tanaka said so", Who: "lwang@example-corp.com", Until: "2026-12-31"}}, noon)
	plain, before := string(bytesOf(t, r)), r.Targets[0].Verdict
	r.Anonymise()
	doc := string(bytesOf(t, r))
	lower, had, kinds := strings.ToLower(doc), 0, 0
	for kind, list := range private {
		kinds++
		for _, p := range list {
			if strings.Contains(plain, p) {
				had++
			}
			if i := strings.Index(lower, strings.ToLower(p)); i >= 0 {
				t.Errorf("%s: %q comes through: ...%s...", kind, p, doc[max(0, i-60):min(len(doc), i+60)])
			}
		}
	}
	t.Logf("%d private strings of %d kinds were in the plain report, none is in the other", had, kinds)
	if had < 20 {
		t.Errorf("only %d private strings were in the plain report", had)
	}
	for _, keep := range []string{"virtio_pci", "/boot/vmlinuz-" + kver, "driver.boot-disk", "Debian GNU/Linux 12 (bookworm)", "cloud-init.service", `"redaction": "full"`, "/etc/fstab",
		"https://cloud.tencent.com/document/", "user-1", "host-1", "address-1", "uuid-1", "serial-1", "nofail,x-systemd.device-timeout=10s"} {
		if !strings.Contains(doc, keep) && strings.Contains(plain+doc, strings.TrimSuffix(keep, "-1")) {
			t.Errorf("%q is gone", keep)
		}
	}
	if r.Targets[0].Verdict != before {
		t.Error("the verdict changed")
	}
}

// Every string of a report is either looked at, or is one of the program's own.
func TestAnonymiseReachesAll(t *testing.T) {
	own := map[string]bool{".Schema": true, ".SchemaVersion": true, ".Tool.Name": true, ".Tool.Version": true, ".Tool.Catalog": true, ".Redaction": true, ".Coverage.Privileges": true,
		".Source.Backend": true, ".Source.Consistency": true, ".Source.Root.FSType": true, ".Source.Scope.Mode": true, ".Source.Outputs[].Format": true, ".Source.Disks[].Outputs[].Format": true, ".Source.Volumes[].Type": true, ".Source.CarriedMap": true,
		".OS.Firmware": true, ".OS.Loader": true, ".Summary.Verdict": true, ".Summary.Headline": true, ".Waivers[].State": true}
	prefixes := []string{".Targets[]", ".Checks[].ID", ".Checks[].Code", ".Checks[].Title", ".Checks[].Category", ".Checks[].Status", ".Checks[].Severity", ".Checks[].Impact", ".Checks[].MapsTo",
		".Checks[].Message[].ID", ".Checks[].MessageBy{}[].ID", ".Checks[].Remedies[].Type", ".Checks[].Remedies[].Where", ".Checks[].Remedies[].URL", ".Checks[].Remedies[].Message.ID",
		".Checks[].Evidence[].Kind", ".Checks[].Waived{}.", ".Waivers[].Waiver."}
	const secret = "user@203.0.113.9"
	r := &Report{names: judge(t, disk(), debian(), "kvm").names}
	fillStrings(reflect.ValueOf(r).Elem(), secret)
	r.Summary.Counts = nil
	r.Anonymise()
	var check func(reflect.Value, string)
	check = func(v reflect.Value, at string) {
		switch v.Kind() {
		case reflect.String:
			if !strings.Contains(v.String(), "203.0.113.9") || own[at] {
				return
			}
			for _, p := range prefixes {
				fixed := strings.HasPrefix(at, p)
				if strings.HasSuffix(p, ".") { // a waiver: who and reason are the owner's
					fixed = fixed && !strings.HasSuffix(at, ".Who") && !strings.HasSuffix(at, ".Reason")
				}
				if fixed {
					return
				}
			}
			t.Errorf("%s is not anonymised", at)
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				check(v.Elem(), at)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[time.Time]() {
					check(v.Field(i), at+"."+f.Name)
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				check(v.Index(i), at+"[]")
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				check(v.MapIndex(k), at+"{}")
			}
		}
	}
	check(reflect.ValueOf(r).Elem(), "")
}

// fillStrings puts s into every string below v.
func fillStrings(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillStrings(v.Elem(), s)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Field(i).Type() != reflect.TypeFor[time.Time]() {
				fillStrings(v.Field(i), s)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillStrings(v.Index(0), s)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fillStrings(e, s)
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), e)
	}
}

// Equal names become equal pseudonyms, unequal ones do not, and what only looks
// like a name stays.
func TestPseudonyms(t *testing.T) {
	a := newAnonymiser([]string{"web01", "web01.example.com"}, []string{"ann"})
	for in, want := range map[string]string{
		"":                                 "",
		"kernel 6.1.0-18-amd64":            "kernel 6.1.0-18-amd64",
		"the annual planning of channels":  "the annual planning of channels",
		"/usr/lib/systemd/system/a.socket": "/usr/lib/systemd/system/a.socket",
		"sshd@foo.service":                 "sshd@foo.service",
		"127.0.0.1 and ::1 and 0.0.0.0":    "127.0.0.1 and ::1 and 0.0.0.0",
		"169.254.169.254":                  "169.254.169.254",
		"virtio-blk and scsi-mod":          "virtio-blk and scsi-mod",
		"12:30:00":                         "12:30:00",
		"nfs: server":                      "nfs: server",
		"grub.cfg, initrd.img, a.d/b.conf": "grub.cfg, initrd.img, a.d/b.conf",
		"3ee3e330255ef3c3c960511c29325c7648b26fc79ef2d7ec095bdd7798e98419": "3ee3e330255ef3c3c960511c29325c7648b26fc79ef2d7ec095bdd7798e98419",
	} {
		if got := a.text(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	x, y, z := a.text("web01 ann"), a.text("WEB01 ann"), a.text("10.0.0.1 10.0.0.2 10.0.0.1")
	if x != y || !strings.Contains(x, "host-") || !strings.Contains(x, "user-") {
		t.Error(x, y)
	}
	if f := strings.Fields(z); len(f) != 3 || f[0] != f[2] || f[0] == f[1] {
		t.Error(z)
	}
	if got := a.text(a.text("web01:/x ann@web01 10.0.0.1")); got != a.text("web01:/x ann@web01 10.0.0.1") {
		t.Errorf("a second run changes it: %s", got)
	}
}

func FuzzAnonymise(f *testing.F) {
	for _, list := range private {
		for _, p := range list {
			f.Add(p)
		}
	}
	f.Add("a@b.c //x/y z:/w UUID=\"q\" /home/ann")
	f.Fuzz(func(t *testing.T, s string) {
		a := newAnonymiser([]string{"web01"}, []string{"ann"})
		if got := a.text(s + " web01 192.0.2.7 "); bytes.Contains([]byte(got), []byte("192.0.2.7")) || strings.Contains(strings.ToLower(strings.TrimPrefix(got, s)), " web01 ") {
			t.Errorf("%q became %q", s, got)
		}
	})
}
