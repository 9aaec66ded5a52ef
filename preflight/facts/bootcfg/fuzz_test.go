package bootcfg

import (
	"testing"
	"testing/fstest"

	"migimg/internal/need"
)

// check is what holds for every configuration.
func check(t *testing.T, g fstest.MapFS) {
	cs, err := Read(g, Env{})
	if err != nil {
		t.Fatalf("an error without one of the file system: %v", err)
	}
	for _, c := range cs {
		n := 0
		for _, e := range c.Entries {
			if e.Default {
				n++
			}
			if e.Kernel != "" && e.Kernel[0] != '/' || e.Source == "" || e.Source[0] != '/' {
				t.Fatalf("not a guest path: %+v", e)
			}
		}
		if n > 1 || c.DefaultWhy == "" {
			t.Fatalf("%d defaults, %q", n, c.DefaultWhy)
		}
	}
}

func FuzzGrub(f *testing.F) {
	need.Seeds(f, 64<<10, "u-root/grub/*/boot/grub*/grub.cfg", "u-root/iso/*/boot/grub*/*.cfg", "grubby/grub2.*", "grubby/grub2-support_files/grubenv.*")
	f.Add([]byte(menuHead))
	f.Add([]byte("if [ -s $prefix/grubenv ]; then load_env; fi\nset default=\"${saved_entry}\"\nblscfg\nfor i in a b; do source $i; done\n"))
	f.Add([]byte("function f { while [ $1 -lt 3 ]; do shift; done }\nf 1 2\nsubmenu x { configfile /boot/grub/grub.cfg }\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		check(t, fstest.MapFS{
			"boot/grub/grub.cfg":         {Data: b},
			"boot/grub/grubenv":          {Data: b},
			"boot/grub/menu.lst":         {Data: b},
			"boot/loader/entries/a.conf": {Data: []byte("title a\nlinux /a\noptions $kernelopts\n")},
		})
	})
}

func FuzzBLS(f *testing.F) {
	need.Seeds(f, 64<<10, "u-root/bls/*/loader/entries/*", "u-root/bls/*/loader/loader.conf", "u-root/bls/typeone/*")
	f.Add([]byte("title x\nlinux /a\ninitrd /b\noptions root=x\nsort-key a\nversion 1~2^3-4\nmachine-id b\n"))
	f.Add([]byte("default a*\nlinux\t/a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		check(t, fstest.MapFS{
			"efi/EFI/systemd/systemd-bootx64.efi": {},
			"efi/loader/loader.conf":              {Data: b},
			"efi/loader/entries/a+3.conf":         {Data: b},
			"efi/loader/entries/b-1.0.conf":       {Data: b},
		})
		half := string(b[:len(b)/2])
		rest := string(b[len(b)/2:])
		for _, order := range []func(a, b string) int{compareVersion, compareRPM} {
			if order(half, half) != 0 || sign(order(half, rest)) != -sign(order(rest, half)) {
				t.Fatalf("no order between %q and %q", half, rest)
			}
		}
	})
}

func sign(n int) int { return max(-1, min(1, n)) }

func FuzzSyslinux(f *testing.F) {
	need.Seeds(f, 64<<10, "u-root/syslinux/*/isolinux/*.cfg", "grubby/extlinux.*")
	f.Add([]byte("DEFAULT a\nLABEL a\nMENU LABEL ^A\nKERNEL mboot.c32\nAPPEND xen.gz --- vmlinuz ro --- initrd\nINCLUDE isolinux.cfg\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		check(t, fstest.MapFS{"isolinux/isolinux.cfg": {Data: b}, "boot/extlinux/extlinux.conf": {Data: b}})
	})
}
