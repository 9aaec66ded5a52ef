package bootcfg

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestVersions has the examples of the two specifications: UAPI.10 and
// rpm-version(7), the lesser first.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		name  string
		order func(a, b string) int
		list  []string
	}{
		{"uapi", compareVersion, []string{"~1", "", "ab", "abb", "abc", "0001", "002", "12", "122", "122.9", "123~rc1", "123", "123-a", "123-a.1", "123-a1", "123-a1.1", "123-3", "123-3.1", "123^patch1", "123^1", "123.a-1", "123.1-1", "123a-1", "124"}},
		{"rpm", compareRPM, []string{"1.0~rc1", "1.0", "1.0^git1", "1.0.1", "1.1", "1.10", "5.14.0-70.el9", "5.14.0-70.1.el9", "5.14.0-162.el9"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, a := range c.list {
				for j, b := range c.list {
					if got := sign(c.order(a, b)); got != sign(i-j) {
						t.Errorf("%q and %q: %d", a, b, got)
					}
				}
			}
		})
	}
}

func entryFile(title, kernel, more string) string {
	return "title " + title + "\nlinux /" + kernel + "\ninitrd /i-" + kernel + "\noptions root=UUID=1 ro\n" + more
}

// TestSystemdBoot is about the order and the default.
func TestSystemdBoot(t *testing.T) {
	entries := map[string]string{
		"boot/loader/entries/a-5.9.conf":       entryFile("old", "k9", ""),
		"boot/loader/entries/a-5.10.conf":      entryFile("new", "k10", ""),
		"boot/loader/entries/spent+0-3.conf":   entryFile("spent", "k11", "sort-key a\n"),
		"boot/loader/entries/no-kernel.conf":   "title nothing\n",
		"boot/EFI/systemd/systemd-bootx64.efi": "",
		"boot/k9":                              "", "boot/k10": "", "boot/k11": "",
	}
	for _, c := range []struct{ name, conf, uki, want string }{
		{"newest", "timeout 3\n", "", "new"},
		{"pattern", "default a-5.9*\n", "", "old"},
		{"id with suffix", "default a-5.9.conf\n", "", "old"},
		{"last of two", "default x\ndefault a-5.9\n", "", "old"},
		{"no such entry", "default b-*\n", "", "new"},
		{"kept in the firmware", "default @saved\n", "", "?"},
		{"unified image", "", "boot/EFI/Linux/x.efi", "?"},
		{"unified image and a pattern", "default a-5.9.conf\n", "boot/EFI/Linux/x.efi", "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guest(entries)
			g["boot/loader/loader.conf"] = &fstest.MapFile{Data: []byte(c.conf)}
			if c.uki != "" {
				g[c.uki] = &fstest.MapFile{}
			}
			cfg := first(t, g, Env{Firmware: "uefi"})
			if cfg.Loader != SystemdBoot || len(cfg.Entries) != 3 {
				t.Fatalf("%+v", cfg)
			}
			var titles []string
			for _, e := range cfg.Entries {
				titles = append(titles, e.Title)
			}
			if d := cmp.Diff([]string{"new", "old", "spent"}, titles); d != "" {
				t.Errorf("order (-want +got):\n%s", d)
			}
			e, ok := cfg.DefaultEntry()
			if !ok {
				e.Title = "?"
			} else if e.Kernel != "/boot/k9" && e.Kernel != "/boot/k10" {
				t.Errorf("kernel %q", e.Kernel)
			}
			if e.Title != c.want {
				t.Errorf("default %q (%s), want %q", e.Title, cfg.DefaultWhy, c.want)
			}
			if uki := strings.Contains(strings.Join(cfg.Problems, "\n"), "UKI: not read"); uki != (c.uki != "") {
				t.Errorf("problems %q", cfg.Problems)
			}
		})
	}
}

// TestBLSCfg: GRUB's own order, grubenv and the entries without a loader.
func TestBLSCfg(t *testing.T) {
	files := map[string]string{
		"boot/loader/entries/m-5.14.0-70.el9.conf":   entryFile("Linux 70", "vmlinuz-70", "options second\n"),
		"boot/loader/entries/m-5.14.0-70.1.el9.conf": strings.Replace(entryFile("Linux 70.1", "vmlinuz-701", ""), "options root=UUID=1 ro", "options $kernelopts $tuned_params", 1),
		"boot/loader/entries/m-0-rescue.conf":        entryFile("rescue", "vmlinuz-0", ""),
		"boot/vmlinuz-70":                            "", "boot/vmlinuz-701": "", "boot/vmlinuz-0": "",
	}
	cfg := first(t, guest(files), Env{})
	if _, ok := cfg.DefaultEntry(); cfg.Loader != BLS || ok || len(cfg.Entries) != 3 {
		t.Fatalf("without a loader: %+v", cfg)
	}
	files["boot/grub2/grub.cfg"] = "load_env\nset default=\"${saved_entry}\"\nset boot=x\nblscfg\n"
	files["boot/grub2/grubenv"] = env("kernelopts=root=/dev/mapper/vg-root ro")
	cs, err := Read(guest(files), Env{})
	if err != nil || len(cs) != 1 {
		t.Fatalf("%v, %+v", err, cs)
	}
	e, ok := cs[0].DefaultEntry()
	if !ok || e.Title != "Linux 70.1" || e.Cmdline != "root=/dev/mapper/vg-root ro" || e.ID != "m-5.14.0-70.1.el9" || e.Kernel != "/boot/vmlinuz-701" {
		t.Errorf("%+v (%s)", e, cs[0].DefaultWhy)
	}
	files["boot/grub2/grubenv"] = env("saved_entry=m-0-rescue")
	if e, _ := first(t, guest(files), Env{}).DefaultEntry(); e.Title != "rescue" || e.Initrds[0] != "/boot/i-vmlinuz-0" {
		t.Errorf("%+v", e)
	}
}

// TestLegacy is about GRUB 0.97.
func TestLegacy(t *testing.T) {
	const menu = "timeout 5\nhiddenmenu\n%\ntitle A (2.6.18)\n\troot (hd0,0)\n\tkernel /vmlinuz-a ro root=LABEL=/ rhgb\n\tinitrd /initrd-a\n" +
		"title Xen\n\troot (hd0,0)\n\tkernel /xen.gz dom0_mem=1G\n\tmodule /vmlinuz-x ro root=/dev/vg/root\n\tmodule /initrd-x\n" +
		"title Windows\n\trootnoverify (hd0,1)\n\tchainloader +1\n"
	for _, c := range []struct{ name, def, saved, want string }{
		{"none", "", "", "A (2.6.18)"}, {"equals", "default=1", "", "Xen"}, {"space", "default 2", "", "Windows"},
		{"too large", "default=7", "", "A (2.6.18)"}, {"saved", "default saved", "1\n#\n#\n", "Xen"}, {"saved, no file", "default saved", "", "A (2.6.18)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"boot/grub/menu.lst": strings.Replace(menu, "%", c.def, 1), "boot/vmlinuz-a": "", "boot/vmlinuz-x": ""}
			if c.saved != "" {
				files["boot/grub/default"] = c.saved
			}
			cfg := first(t, guest(files), Env{})
			if e, _ := cfg.DefaultEntry(); e.Title != c.want {
				t.Errorf("default %q (%s), want %q", e.Title, cfg.DefaultWhy, c.want)
			}
			x := cfg.Entries[1]
			if x.Hypervisor != "/boot/xen.gz" || x.Kernel != "/boot/vmlinuz-x" || x.Cmdline != "ro root=/dev/vg/root" || len(x.Initrds) != 1 {
				t.Errorf("%+v", x)
			}
		})
	}
}

// TestSyslinux is about defaults and paths, as Alpine and installers write them.
func TestSyslinux(t *testing.T) {
	const labels = "LABEL one\n  MENU LABEL ^One\n  KERNEL vmlinuz-lts\n  INITRD initramfs-lts\n  APPEND root=UUID=1 quiet\n" +
		"LABEL two\n  LINUX /vmlinuz.img\n  APPEND initrd=/i1,/i2 ro\nLABEL hd\n  LOCALBOOT 0x80\nLABEL three\n  KERNEL k\n  APPEND -\n"
	for _, c := range []struct{ name, head, tail, want string }{
		{"first", "", "", "One"}, {"default", "DEFAULT two\n", "", "two"}, {"menu program", "default menu.c32\n", "", "One"},
		{"ontimeout", "DEFAULT two\nONTIMEOUT one\n", "", "One"}, {"menu default", "UI menu.c32\n", "  MENU DEFAULT\n", "three"},
		{"in a submenu", "", "MENU BEGIN x\nLABEL y\nKERNEL y\nMENU DEFAULT\nMENU END\n", "One"}, {"localboot", "DEFAULT hd\n", "", "hd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guest(map[string]string{"boot/extlinux.conf": "APPEND global\n" + c.head + labels + c.tail})
			cfg := first(t, g, Env{})
			e, _ := cfg.DefaultEntry()
			if e.Title != c.want {
				t.Errorf("default %q (%s), want %q", e.Title, cfg.DefaultWhy, c.want)
			}
			two := cfg.Entries[1]
			if d := cmp.Diff([]string{"/boot/i1", "/boot/i2"}, two.Initrds); d != "" || two.Cmdline != "ro" || two.Kernel != "/boot/vmlinuz.img" {
				t.Errorf("%+v", two)
			}
			if one := cfg.Entries[0]; one.Kernel != "/boot/vmlinuz-lts" || one.Initrds[0] != "/boot/initramfs-lts" || one.Cmdline != "root=UUID=1 quiet" {
				t.Errorf("%+v", one)
			}
			if cfg.Entries[3].Cmdline != "" {
				t.Errorf("APPEND - keeps %q", cfg.Entries[3].Cmdline)
			}
		})
	}
}

type noESP struct{ fs.FS }

var errDevice = errors.New("input/output error")

func (n noESP) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "boot/efi") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errDevice}
	}
	return n.FS.Open(name)
}

// TestUnreadable: what cannot be read is not taken for what is not there, but
// a BIOS does not look at the EFI system partition.
func TestUnreadable(t *testing.T) {
	g := noESP{guest(map[string]string{"boot/grub/grub.cfg": menuHead})}
	for fw, bad := range map[string]bool{"bios": false, "uefi": true, "": true} {
		cs, err := Read(g, Env{Firmware: fw})
		if errors.Is(err, errDevice) != bad || len(cs) != 1 {
			t.Errorf("%q: %v, %d configurations", fw, err, len(cs))
		}
	}
}
