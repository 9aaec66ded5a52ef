package facts

import (
	"errors"
	"io/fs"

	"migimg/preflight/guestfs"
)

// initramfsFiles are the configurations of what builds an initramfs, in the order
// in which they are read: dracut.conf(5), initramfs.conf(5), mkinitcpio.conf(5),
// SUSE's /etc/sysconfig/kernel.
var initramfsFiles = []struct{ file, dir, suffix string }{
	{"etc/dracut.conf", "usr/lib/dracut/dracut.conf.d", ".conf"},
	{"", "etc/dracut.conf.d", ".conf"},
	{"etc/initramfs-tools/initramfs.conf", "etc/initramfs-tools/conf.d", ""},
	{"etc/mkinitcpio.conf", "etc/mkinitcpio.conf.d", ".conf"},
	{"etc/sysconfig/kernel", "", ""},
}

// initramfsKeys decide which modules get into the next initramfs, and which kernel
// is the default.
var initramfsKeys = map[string]bool{"hostonly": true, "hostonly_mode": true, "add_drivers": true, "force_drivers": true, "omit_drivers": true,
	"drivers": true, "filesystems": true, "add_dracutmodules": true, "omit_dracutmodules": true, "MODULES": true, "RESUME": true, "HOOKS": true,
	"INITRD_MODULES": true, "DEFAULTKERNEL": true, "UPDATEDEFAULT": true}

// initramfsConf reads how the guest builds its initramfs. What cannot be read is
// left out: these settings are evidence, and no check passes because of them.
func (g *gatherer) initramfsConf() {
	read := func(name string) {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) && !g.masked(name) {
				g.f.Kernels.Problems = append(g.f.Kernels.Problems, err.Error())
			}
			return
		}
		for _, s := range ParseShellFile("/"+name, string(b)).Settings {
			if initramfsKeys[s.Key] && len(g.f.Kernels.Initramfs) < maxSettings {
				g.f.Kernels.Initramfs = append(g.f.Kernels.Initramfs, s)
			}
		}
	}
	for _, x := range initramfsFiles {
		if x.file != "" {
			read(x.file)
		}
		if x.dir == "" {
			continue
		}
		names, err := g.dropIns(x.dir, x.suffix)
		if err != nil {
			g.f.Kernels.Problems = append(g.f.Kernels.Problems, err.Error())
		}
		for _, n := range names {
			read(n)
		}
	}
}
