package initramfs

import (
	"path"
	"strings"
)

// wanted says whether the contents of a file are kept: what decides which
// modules are loaded and how the root is found. The folders are those of
// initramfs-tools, dracut, mkinitcpio, mkinitrd and booster.
func wanted(p string) bool {
	p = strings.TrimPrefix(p, "usr/")
	switch p {
	case "init", // the whole program of RHEL 5 (nash) and SUSE 11
		"conf/modules", "conf/initramfs.conf", "conf/param.conf", "conf/arch.conf",
		"config", "buildconfig", // mkinitcpio
		"etc/booster.init.yaml",
		"etc/modprobe.conf", "etc/modules", "etc/cmdline",
		"etc/crypttab", "cryptroot/crypttab", "conf/conf.d/cryptroot",
		"etc/fstab", "etc/mdadm.conf", "etc/mdadm/mdadm.conf", "etc/multipath.conf",
		"etc/lvm/lvm.conf", "etc/initrd-release",
		"etc/udev/rules.d/70-persistent-net.rules",
		"lib/dracut/modules.txt", "lib/dracut/build-parameter.txt", "lib/dracut/hostonly-files":
		return true
	}
	switch path.Dir(p) {
	case "etc/modprobe.d", "lib/modprobe.d", "etc/cmdline.d", "etc/conf.d", "conf/conf.d",
		"etc/modules-load.d", "lib/modules-load.d", "etc/lvm/devices", "etc/multipath",
		"lib/dracut/hooks/cmdline", "etc/udev/rules.d", "etc/systemd/network":
		return true
	}
	return false
}
