package facts

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// Place is where something named in a configuration is.
type Place int

// Where a device specification leads.
const (
	Unsure    Place = iota // cannot be told
	OnDisk                 // a volume of this disk
	Elsewhere              // not on this disk
	NoDisk                 // no disk: tmpfs, proc, a network filesystem
)

// Spec is a resolved device specification: the first field of an fstab line,
// or a root= argument.
type Spec struct {
	// Kind is "UUID", "LABEL", "PARTUUID", "PARTLABEL", "device" (a kernel name),
	// "by-path", "by-id", "mapper" (LVM and other device mapper names), "file",
	// or "none" (no disk).
	Kind, Value string
	Place       Place
	// Volume is the volume's index in Disk.Volumes when Place is OnDisk, else -1.
	Volume int
	// Why explains Unsure and Elsewhere.
	Why string
}

var tagKinds = []string{"UUID", "LABEL", "PARTUUID", "PARTLABEL"}

// ParseSpec splits a device specification without looking at a disk. fstype may
// be empty.
func ParseSpec(s, fstype string) Spec {
	sp := Spec{Volume: -1, Value: s, Kind: "none", Place: NoDisk}
	if tag, v, ok := strings.Cut(s, "="); ok && slices.Contains(tagKinds, strings.ToUpper(tag)) {
		// Quotes are allowed (fstab(5), "the tags are in quotes").
		return Spec{Kind: strings.ToUpper(tag), Value: strings.Trim(v, `"'`), Volume: -1}
	}
	if networkType(fstype) || virtualType(fstype) {
		return sp
	}
	if !strings.HasPrefix(s, "/") {
		return sp
	}
	s = path.Clean(s)
	if !strings.HasPrefix(s, "/dev/") {
		sp.Kind = "file" // a swap file, a bind mount, an image
		return sp
	}
	sp.Place = Unsure
	name := strings.TrimPrefix(s, "/dev/")
	for kind, dir := range map[string]string{"UUID": "disk/by-uuid/", "LABEL": "disk/by-label/", "PARTUUID": "disk/by-partuuid/",
		"PARTLABEL": "disk/by-partlabel/", "by-id": "disk/by-id/", "by-path": "disk/by-path/"} {
		if v, ok := strings.CutPrefix(name, dir); ok {
			return Spec{Kind: kind, Value: unescapeUdev(v), Volume: -1}
		}
	}
	switch {
	case strings.HasPrefix(name, "mapper/"), strings.HasPrefix(name, "dm-"):
		sp.Kind = "mapper"
	case strings.HasPrefix(name, "md"):
		sp.Kind = "md"
	case kernelName(name):
		sp.Kind = "device"
	case strings.Count(name, "/") == 1 && !strings.HasPrefix(name, "cciss/"):
		sp.Kind = "mapper" // /dev/VG/LV
	default:
		sp.Kind, sp.Place = "none", NoDisk // /dev/shm, /dev/pts, /dev/cdrom, /dev/fd0
	}
	return sp
}

// mapperName makes one name of the two that a logical volume has: /dev/VG/LV is
// a link to /dev/mapper/VG-LV, with the dashes of each part doubled (lvm(8)).
// Anything else stays as it is.
func mapperName(s string) string {
	if ParseSpec(s, "").Kind != "mapper" || strings.HasPrefix(path.Clean(s), "/dev/mapper/") {
		return s
	}
	vg, lv, ok := strings.Cut(strings.TrimPrefix(path.Clean(s), "/dev/"), "/")
	if !ok {
		return s
	}
	return "/dev/mapper/" + strings.ReplaceAll(vg, "-", "--") + "-" + strings.ReplaceAll(lv, "-", "--")
}

// kernelDisks are the prefixes of the kernel's names of disks; the number says
// whether a partition's number follows a "p".
var kernelDisks = []struct {
	prefix string
	p      bool
}{{"sd", false}, {"hd", false}, {"vd", false}, {"xvd", false}, {"nvme", true}, {"mmcblk", true}, {"cciss/", true}}

func kernelName(name string) bool {
	return slices.ContainsFunc(kernelDisks, func(k struct {
		prefix string
		p      bool
	}) bool {
		return strings.HasPrefix(name, k.prefix)
	})
}

// DiskOf splits a kernel device name ("/dev/sda2", "/dev/nvme0n1p2") into the
// disk's and the partition's number, 0 for a whole disk.
func DiskOf(dev string) (disk string, number int) {
	name := strings.TrimPrefix(dev, "/dev/")
	digits := len(name) - len(strings.TrimRight(name, "0123456789"))
	n, _ := strconv.Atoi(name[len(name)-digits:])
	head := name[:len(name)-digits]
	for _, k := range kernelDisks {
		if !strings.HasPrefix(name, k.prefix) {
			continue
		}
		if k.p {
			if digits > 0 && strings.HasSuffix(head, "p") && len(head) > 1 && strings.ContainsAny(head[len(head)-2:len(head)-1], "0123456789") {
				return "/dev/" + strings.TrimSuffix(head, "p"), n
			}
			return "/dev/" + name, 0
		}
		return "/dev/" + head, n
	}
	return dev, 0
}

func unescapeUdev(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if v, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func networkType(t string) bool {
	return slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "smbfs", "glusterfs", "ceph", "lustre", "fuse.sshfs", "sshfs", "davfs", "9p",
		"vboxsf", "fuse.vmhgfs-fuse", "vmhgfs", "prl_fs", "afs", "ncpfs", "fuse.glusterfs", "beegfs", "gpfs"}, t)
}

// NetworkType says whether an fstab type is a network or host-shared filesystem.
func NetworkType(t string) bool { return networkType(t) }

func virtualType(t string) bool {
	return slices.Contains([]string{"proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "ramfs", "cgroup", "cgroup2", "debugfs", "tracefs",
		"securityfs", "hugetlbfs", "mqueue", "binfmt_misc", "configfs", "efivarfs", "fusectl", "overlay", "autofs", "usbfs", "bpf", "pstore",
		"rpc_pipefs", "nfsd", "selinuxfs", "none", "fuse.lxcfs", "squashfs", "iso9660", "udf"}, t)
}
