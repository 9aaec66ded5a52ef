package bootcfg

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const menuHead = `
menuentry "one" --id first { linux /vmlinuz-1 root=/dev/sda1 }
submenu "more" --id sub {
  menuentry "two" { linux /vmlinuz-2 root=/dev/sda1; initrd /initrd-2 }
  menuentry "three > x" --id 3rd { linux /vmlinuz-3 }
}
menuentry "windows" { chainloader +1 }
menuentry "5 four" { linux /vmlinuz-4 }
`

func env(vars ...string) string {
	s := envHeader + strings.Join(vars, "\n") + "\n"
	return s + strings.Repeat("#", envSize-len(s))
}

func guest(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for n, s := range files {
		m[n] = &fstest.MapFile{Data: []byte(s)}
	}
	return m
}

func first(t *testing.T, fsys fstest.MapFS, e Env) Config {
	t.Helper()
	cs, err := Read(fsys, e)
	if err != nil {
		t.Fatal(err)
	}
	if len(cs) == 0 {
		t.Fatal("nothing found")
	}
	return cs[0]
}

// TestGRUBDefault is about which entry boots. What one kind of GRUB does was
// tried with grub-emu; see TestGRUBEmu.
func TestGRUBDefault(t *testing.T) {
	for _, c := range []struct{ name, script, env, want string }{
		{"nothing", menuHead, "", "one"},
		{"number", "set default=3\n" + menuHead, "", "5 four"},
		{"number in quotes", "set default=\"3\"\n" + menuHead, "", "5 four"},
		{"submenu", "set default=1\n" + menuHead, "", "two"},
		{"path of numbers", "set default='1>1'\n" + menuHead, "", "three > x"},
		{"path of titles", "set default='more>two'\n" + menuHead, "", "two"},
		{"path of ids", "set default='sub>3rd'\n" + menuHead, "", "?"},
		{"title with a sign", "set default='more>three >> x'\n" + menuHead, "", "three > x"},
		{"no such entry", "set default=nothing\n" + menuHead, "", "one"},
		{"too large", "set default=99\n" + menuHead, "", "one"},
		{"windows", "set default=windows\n" + menuHead, "", "windows"},
		{"digits in front", "set default='5 four'\n" + menuHead, "", "?"},
		{"saved", "load_env\nset default=\"${saved_entry}\"\n" + menuHead, env("saved_entry=more>two"), "two"},
		{"next entry", "load_env\nif [ \"${next_entry}\" ]; then set default=\"${next_entry}\"; set boot_once=true; else set default=\"${saved_entry}\"; fi\n" + menuHead,
			env("saved_entry=0", "next_entry=3"), "5 four"},
		{"env of another file", "load_env --file /boot/grub/other saved_entry\nset default=\"${saved_entry}\"\n" + menuHead, env("saved_entry=3"), "one"},
		{"condition of the machine", "if hashsum --hash sha1 --check x; then set default=3; fi\n" + menuHead, "", "?"},
		{"entry of the machine before", "if cmp a b; then\nmenuentry x { linux /x }\nfi\n" + menuHead, "", "?"},
		{"entry of the machine behind", menuHead + "if cmp a b; then\nmenuentry x { linux /x }\nfi\n", "", "one"},
		{"found at boot", "probe --set=x -u ($root)\nset default=\"$x\"\n" + menuHead, "", "?"},
		{"entry of the machine inside", "menuentry x { if cmp a b; then linux /x; else linux /y; fi }\n" + menuHead, "", "?"},
		{"another entry is unsure", "set default=1\nmenuentry x { if cmp a b; then linux /x; else linux /y; fi }\nmenuentry z { linux /z }\n", "", "z"},
		{"function", "function d { set default=$1; }\nd 3\n" + menuHead, "", "5 four"},
		{"loop", "for i in 0 1 3; do set default=$i; done\n" + menuHead, "", "5 four"},
		{"syntax", "if true && false; then set default=1; fi\n" + menuHead, "", "?"},
		{"empty", "set default=0\n", "", "?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"boot/grub/grub.cfg": c.script}
			if c.env != "" {
				files["boot/grub/grubenv"] = c.env
			}
			cfg := first(t, guest(files), Env{Firmware: "bios"})
			got := "?"
			if e, ok := cfg.DefaultEntry(); ok {
				got = e.Title
			}
			if got != c.want {
				t.Errorf("default is %q, want %q; %s; %q", got, c.want, cfg.DefaultWhy, cfg.Problems)
			}
			if cfg.DefaultWhy == "" {
				t.Error("no reason")
			}
		})
	}
}

// TestGRUBEntry is about what an entry boots.
func TestGRUBEntry(t *testing.T) {
	files := map[string]string{
		"boot/vmlinuz-1": "", "boot/initrd-1": "", "boot/ucode.img": "",
		"sep/vmlinuz-2": "", "boot/xen.gz": "",
	}
	mount := func(kind, v string) (string, bool) {
		switch kind + v {
		case "uuidBOOT":
			return "/boot", true
		case "uuidROOT", "partition2":
			return "/", true
		case "labelSEP":
			return "/sep", true
		}
		return "", false
	}
	for _, c := range []struct {
		name, body string
		want       Entry
		problem    string
	}{
		{"no boot partition", "linux /boot/vmlinuz-1 root=UUID=x ro\ninitrd /boot/ucode.img /boot/initrd-1",
			Entry{Kernel: "/boot/vmlinuz-1", Cmdline: "root=UUID=x ro", Initrds: []string{"/boot/ucode.img", "/boot/initrd-1"}}, ""},
		{"boot partition", "search --no-floppy --fs-uuid --set=root BOOT\nlinux16 /vmlinuz-1 root=UUID=x\ninitrd16 /initrd-1",
			Entry{Kernel: "/boot/vmlinuz-1", Cmdline: "root=UUID=x", Initrds: []string{"/boot/initrd-1"}}, ""},
		{"label", "search -l SEP --set=root\nlinux /vmlinuz-2", Entry{Kernel: "/sep/vmlinuz-2"}, ""},
		{"hints", "search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 --hint 'hd0,msdos1' BOOT\nlinuxefi ($root)/vmlinuz-1",
			Entry{Kernel: "/boot/vmlinuz-1"}, ""},
		{"partition", "set root='hd0,msdos2'\nlinux /boot/vmlinuz-1", Entry{Kernel: "/boot/vmlinuz-1"}, ""},
		{"device in the path", "linux (hd0,gpt2)/boot/vmlinuz-1", Entry{Kernel: "/boot/vmlinuz-1"}, ""},
		{"subvolume", "search --fs-uuid --set=root ROOT\nlinux /@/boot/vmlinuz-1", Entry{Kernel: "/boot/vmlinuz-1"}, ""},
		{"not there", "search --fs-uuid --set=root GONE\nlinux /vmlinuz-1", Entry{Kernel: "/boot/vmlinuz-1"}, "search: no filesystem"},
		{"quotes", `linux /boot/vmlinuz-1 a="b c" 'd"e' x=y\x20z`, Entry{Kernel: "/boot/vmlinuz-1", Cmdline: `"a=b c" d\"e x=y\x20z`}, ""},
		{"continued", "linux /boot/vmlinuz-1 a \\\n b", Entry{Kernel: "/boot/vmlinuz-1", Cmdline: "a b"}, ""},
		{"variables", "set x=\"a b\"\nlinux /boot/vmlinuz-1 $x \"${x}\" $nope c", Entry{Kernel: "/boot/vmlinuz-1", Cmdline: `a b "a b" c`}, ""},
		{"xen", "multiboot2 /boot/xen.gz placeholder dom0\nmodule2 /boot/vmlinuz-1 placeholder root=x\nmodule2 --nounzip /boot/initrd-1",
			Entry{Hypervisor: "/boot/xen.gz", Kernel: "/boot/vmlinuz-1", Cmdline: "placeholder root=x", Initrds: []string{"/boot/initrd-1"}}, ""},
		{"windows", "chainloader /EFI/Microsoft/Boot/bootmgfw.efi", Entry{Action: "chainloader /EFI/Microsoft/Boot/bootmgfw.efi"}, ""},
		{"other menu", "configfile /boot/other.cfg", Entry{Action: "configfile /boot/other.cfg"}, ""},
		{"known at boot", "probe -u --set=u ($root)\nlinux /boot/vmlinuz-1 root=UUID=$u",
			Entry{Kernel: "/boot/vmlinuz-1", Cmdline: "root=UUID=${u}"}, "found out only at boot"},
		{"branch", "if [ \"$grub_platform\" = pc ]; then linux /boot/vmlinuz-1 bios; else linux /boot/vmlinuz-1 efi; fi",
			Entry{Kernel: "/boot/vmlinuz-1", Cmdline: "bios"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guest(files)
			g["boot/grub/grub.cfg"] = &fstest.MapFile{Data: []byte("menuentry 'T' {\n" + c.body + "\n}\n")}
			cfg := first(t, g, Env{Firmware: "bios", Mount: mount})
			if len(cfg.Entries) != 1 {
				t.Fatalf("entries: %+v, problems %q", cfg.Entries, cfg.Problems)
			}
			e := cfg.Entries[0]
			c.want.Title, c.want.Source, c.want.Line, c.want.Default = "T", "/boot/grub/grub.cfg", 1, true
			if d := cmp.Diff(c.want, e); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if all := strings.Join(cfg.Problems, "\n"); !strings.Contains(all, c.problem) || c.problem == "" && all != "" {
				t.Errorf("problems %q, want %q", all, c.problem)
			}
		})
	}
}

// TestGRUBStub follows the small configuration on the EFI system partition.
func TestGRUBStub(t *testing.T) {
	g := guest(map[string]string{
		"boot/efi/EFI/debian/grub.cfg": "search.fs_uuid ROOT root hd0,gpt2\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n",
		"boot/grub/grub.cfg":           "source ${prefix}/inc.cfg\n",
		"boot/grub/inc.cfg":            "menuentry T { linux /boot/vmlinuz }\n",
		"boot/vmlinuz":                 "",
	})
	for _, fw := range []string{"uefi", "bios", ""} {
		cs, err := Read(g, Env{Firmware: fw})
		if err != nil || len(cs) != 1 {
			t.Fatalf("%s: %d configurations, %v: one only hands over to the other", fw, len(cs), err)
		}
		want := "/boot/grub/grub.cfg"
		if fw == "uefi" {
			want = "/boot/efi/EFI/debian/grub.cfg"
		}
		e, ok := cs[0].DefaultEntry()
		if cs[0].File != want || !ok || e.Kernel != "/boot/vmlinuz" || e.Source != "/boot/grub/inc.cfg" {
			t.Errorf("%s: %+v", fw, cs[0])
		}
	}
}

// TestGRUBBounds: a script cannot run for ever or grow without end.
func TestGRUBBounds(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"endless loop", "while true; do x=1; done\n"},
		{"nested loops", "function f { while true; do g; done; }\nfunction g { while true; do x=1; done; }\nf\n"},
		{"recursion", "function f { f; f; }\nf\n"},
		{"file that takes itself in", "source /boot/grub/grub.cfg\nsource /boot/grub/grub.cfg\n"},
		{"configuration that hands over to itself", "configfile /boot/grub/grub.cfg\n"},
		{"doubling", "set x=aaaaaaaaaaaaaaaa\nwhile true; do set x=\"$x$x\"; linux $x $x $x; done\n"},
		{"entries", "while true; do menuentry x { linux /y }; done\n"},
		{"submenus", strings.Repeat("submenu x {\n", 100)},
		{"submenu that takes the file in", "submenu x { source /boot/grub/grub.cfg }\nsubmenu y { source /boot/grub/grub.cfg }\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := first(t, guest(map[string]string{"boot/grub/grub.cfg": c.script}), Env{Firmware: "bios"})
			if e, ok := cfg.DefaultEntry(); ok {
				t.Errorf("a default: %+v", e)
			}
			if len(cfg.Problems) == 0 {
				t.Error("no problem is reported")
			}
		})
	}
}
