package facts

import "migimg/preflight/guestfs"

// LockedFile is a file whose inode flags keep it from being changed.
type LockedFile struct {
	Path              string
	Immutable, Append bool
	// Unknown is why its flags could not be read.
	Unknown string
}

// changedFiles are what importers and cloud-init change.
var changedFiles = []string{
	"etc", "etc/passwd", "etc/shadow", "etc/group", "etc/gshadow", "etc/sudoers", "etc/sudoers.d", "etc/fstab", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/machine-id",
	"etc/ssh", "etc/ssh/*", "root/.ssh", "root/.ssh/authorized_keys", "home/*/.ssh/authorized_keys",
	"etc/cloud", "etc/cloud/cloud.cfg.d", "etc/network/interfaces", "etc/netplan/*", "etc/sysconfig/network-scripts/ifcfg-*", "etc/default/grub",
	"boot", "boot/grub", "boot/grub2", "boot/grub/grub.cfg", "boot/grub2/grub.cfg", "boot/grub/menu.lst", "boot/loader/entries", "boot/vmlinuz-*", "boot/initr*",
}

// locked looks for chattr +i and +a (chattr(1)). Only files with a flag, or
// whose flags are unknown, are on the list.
func (g *gatherer) locked() {
	for _, pattern := range changedFiles {
		names, err := g.find(pattern)
		if err != nil {
			g.f.State.Locked = append(g.f.State.Locked, LockedFile{Path: "/" + pattern, Unknown: err.Error()})
		}
		for _, n := range names {
			fi, err := g.fs.Stat(n) // a link has no flags of its own
			if notThere(err) == nil && err != nil {
				continue // a link to nowhere, as resolv.conf's to /run
			}
			if err == nil && !fi.Mode().IsRegular() && !fi.IsDir() {
				continue
			}
			f, err := guestfs.FlagsOf(g.fs, n)
			l := LockedFile{Path: "/" + n, Immutable: f.Immutable, Append: f.Append}
			if err != nil {
				l.Unknown = err.Error()
			}
			if l.Immutable || l.Append || err != nil {
				g.f.State.Locked = append(g.f.State.Locked, l)
			}
		}
	}
}
