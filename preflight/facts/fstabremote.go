package facts

import (
	"slices"
	"strings"
)

// remoteTypes are the filesystems that systemd takes for remote ones
// (src/basic/mount-util.c, fstype_is_network); "fuse." in front does not matter.
// Shares of a hypervisor are not among them: local-fs.target requires those.
var remoteTypes = []string{"afs", "ceph", "cifs", "davfs", "gfs", "gfs2", "glusterfs", "lustre", "ncp", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs",
	"pvfs2", "smb3", "smbfs", "sshfs"}

// Remote says that the entry belongs to remote-fs.target: where it fails, the
// boot goes on after the time it is given, and no emergency mode follows.
func (l FstabLine) Remote() bool {
	return l.Has("_netdev") || slices.Contains(remoteTypes, strings.TrimPrefix(l.FSType, "fuse."))
}

// localTypes are filesystems of the kernel, besides those of the lists for the
// network and without a device.
var localTypes = []string{"auto", "swap", "none", "ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "msdos", "umsdos", "exfat", "ntfs", "ntfs3", "ntfs-3g", "f2fs",
	"jfs", "reiserfs", "reiser4", "nilfs2", "hfs", "hfsplus", "apfs", "iso9660", "udf", "squashfs", "erofs", "cramfs", "romfs", "minix", "ufs", "sysv", "affs", "adfs",
	"befs", "bfs", "efs", "hpfs", "qnx4", "qnx6", "zfs", "bcachefs", "zonefs", "jffs2", "ubifs", "gfs", "gfs2", "ocfs2", "overlay", "aufs", "overlayfs", "unionfs", "bind",
	"ecryptfs", "tmpfs", "shm", "selinuxfs", "openpromfs", "nsfs", "functionfs", "cpuset", "fuse", "virtiofs", "ncp", "orangefs", "pvfs2", "omfs", "xenfs", "spufs",
	"ibmasmfs", "oprofilefs", "smackfs", "devfs", "usbdevfs", "nfs", "nfs4", "coda", "panfs", "quobyte", "cvmfs", "vxfs", "stnfs", "acfs", "daxfs"}

// KnownType says whether a filesystem type is one that is known here. Types may
// be listed, and be a helper's after a dot ("fuse.sshfs").
func KnownType(t string) bool {
	for one := range strings.SplitSeq(t, ",") {
		head, _, dotted := strings.Cut(one, ".")
		if !dotted && !slices.Contains(localTypes, head) && !networkType(head) && !virtualType(head) && !slices.Contains(remoteTypes, head) {
			return false
		}
	}
	return true
}
