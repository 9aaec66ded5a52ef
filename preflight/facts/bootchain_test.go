package facts

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/efi/efitest"
)

func TestKernelVersion(t *testing.T) {
	for release, want := range map[string][3]int{"5.14.0-70.el9.x86_64": {5, 14, 0}, "2.6.18-398.el5xen": {2, 6, 18}, "6.1-rc1": {6, 1, 0}, "6.9.arch": {6, 9, 0}, "x": {}, "": {}, "99999999999.1": {999999, 1, 0}} {
		if got, _ := KernelVersion(release); got != want {
			t.Errorf("%s: %v, want %v", release, got, want)
		}
	}
}

func TestDebconf(t *testing.T) {
	lines := []string{"Name: a", "Value: /dev/x", "", "Name: grub-pc/install_devices", "Template: x", "Value: /dev/disk/by-id/a, /dev/sdb", "Owners: grub-pc", "", "Name: b", "Value: y"}
	want := []Line{{"/f", 6, "/dev/disk/by-id/a"}, {"/f", 6, "/dev/sdb"}}
	if d := cmp.Diff(want, debconf(lines, "grub-pc/install_devices", "/f")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCmdlineRules(t *testing.T) {
	var got []string
	for _, r := range cmdlineRules(BootEntry{Cmdline: "root=x modprobe.blacklist=a-b,c module-blacklist=d rd.driver.blacklist=e,, rdblacklist=f"}) {
		got = append(got, r.Kind+" "+r.Where+" "+r.Module)
	}
	want := []string{"blacklist cmdline a_b", "blacklist cmdline c", "forbid cmdline d", "blacklist initramfs e", "blacklist initramfs f"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCompareReleases(t *testing.T) {
	for _, c := range [][2]string{{"6.1.0-9-amd64", "6.1.0-13-amd64"}, {"5.14.0-70.el9", "5.14.0-70.1.el9"}, {"2.6.32-5", "3.0.0"}} {
		if bootcfg.CompareReleases(c[0], c[1]) >= 0 || bootcfg.CompareReleases(c[1], c[0]) <= 0 {
			t.Errorf("%s is not older than %s", c[0], c[1])
		}
	}
}

func TestRootSpec(t *testing.T) {
	d := Disk{Volumes: []Volume{{Name: "1", Number: 1, PartUUID: "aa"}, {Name: "3", Number: 3, UUID: "u"}}}
	for arg, want := range map[string]Place{"block:UUID=u": OnDisk, "PARTUUID=aa/PARTNROFF=2": OnDisk, "PARTUUID=aa/PARTNROFF=9": Elsewhere, "PARTUUID=bb/PARTNROFF=1": Unsure, "PARTUUID=aa/PARTNROFF=x": Unsure} {
		if got := d.rootSpec(arg); got.Place != want {
			t.Errorf("%s: %+v", arg, got)
		}
	}
}

func TestKernelArch(t *testing.T) {
	put := func(n int, at map[int]string) []byte {
		b := make([]byte, n)
		for i, s := range at {
			copy(b[i:], s)
		}
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"x86-64", put(1024, map[int]string{0x202: "HdrS\x0f\x02", 0x236: "\x01"}), "x86_64"},
		{"i386", put(1024, map[int]string{0x202: "HdrS\x0f\x02"}), "i686"},
		{"too old to tell", put(1024, map[int]string{0x202: "HdrS\x04\x02"}), ""},
		{"arm64", put(1024, map[int]string{56: "ARM\x64"}), "aarch64"},
		{"EFI stub", efitest.Program(efitest.Section{Name: ".text"}), "x86_64"},
		{"ppc64le", put(64, map[int]string{0: "\x7fELF\x02\x01", 18: "\x15\x00"}), "ppc64le"},
		{"s390x", put(64, map[int]string{0: "\x7fELF\x02\x02", 18: "\x00\x16"}), "s390x"},
		{"nothing", nil, ""},
	} {
		if got := kernelArch(bytes.NewReader(c.b), int64(len(c.b))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzBootSector(f *testing.F) {
	f.Add(append([]byte("\xeb\x63"), make([]byte, 700)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := readSector(bytes.NewReader(b), "", 0)
		if (s.Err == "") != (len(b) >= bootSectorSize) || s.Err == "" && s.Code == "" {
			t.Errorf("%+v of %d bytes", s, len(b))
		}
	})
}
