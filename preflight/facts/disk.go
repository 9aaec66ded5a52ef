package facts

import (
	"fmt"
	"strings"

	"migimg/blockmap/ptable"
)

// Disk is what is known of the disk without an operating system; of several, of the one
// that the machine starts from.
type Disk struct {
	// Name is the disk's among several; empty alone.
	Name             string
	At               int64 // where it begins in the places of Volumes, which are of all disks
	Device           string
	Image            bool
	Size, SectorSize int64
	// Table is never nil once gathered; its Kind says that there is none.
	Table   *ptable.Table
	Volumes []Volume
	// LeftOut are volumes of the device that the image does not have.
	LeftOut []Volume
	Carried int64
	// Picture is how much of each part of the disk is carried: Cells hex digits,
	// "0" nothing, "f" all; empty where it is not known.
	Picture     string
	Outputs     []Output
	Mounts      []Mount
	Consistency string
	Drift       *Drift
	// BootCode is what the first 440 bytes hold: "grub", "other", "none", or ""
	// where they could not be read (BootCode of an MBR; GRUB writes its name in).
	BootCode string

	// Others are the machine's further disks, each with its own volumes; Volumes are those
	// of all.
	Others []Disk
	// Data says that it is one of those.
	Data bool

	// known are specifications of the running system's fstab whose mounts are on
	// this disk, with the volume's index: what LVM and the like hide from the
	// scan, the kernel has found out.
	known map[string]int
}

// Volume is a filesystem, or what else lies in a partition, with all that can
// name it in a configuration.
type Volume struct {
	// Name is the volume's in the tree ("1", "2/root", "" for the whole disk);
	// Number the partition's, 0 where it is none.
	Name   string
	Number int
	// Disk is the name of the disk that it lies on; empty where there is one disk, or it
	// lies on several. Parts are the volumes that it lies in, where these are several.
	Disk  string
	Parts []string
	// Start is the first byte on the device, -1 where the volume is not one run;
	// Size is in bytes.
	Start, Size int64
	// Carried is how many of its bytes the image carries.
	Carried             int64
	Type, UUID, Label   string
	PartUUID, PartLabel string
	PartType            string
	Features            []string
	// Whole is why nothing of it could be freed.
	Whole string
	// Container: volumes lie inside (a partition table, LVM).
	Container bool
	// Clean is "clean", "recover" (a journal to replay), "errors", or "" where
	// it is not known.
	Clean string
}

// Resolve says where a specification leads.
func (d *Disk) Resolve(s, fstype string) Spec {
	sp := ParseSpec(s, fstype)
	if i, ok := d.known[mapperName(s)]; ok {
		sp.Place, sp.Volume = OnDisk, i
		return sp
	}
	switch sp.Kind {
	case "UUID", "LABEL", "PARTUUID", "PARTLABEL":
		d.tag(&sp)
	case "device":
		d.device(&sp)
	case "by-id", "by-path":
		sp.Why = "the name is made of the hardware's own identity, which does not travel"
	case "mapper", "md":
		d.stacked(&sp)
	}
	return sp
}

// tag looks a tag up among the volumes. That it is on none of them can be said
// only when all volumes' tags are known.
func (d *Disk) tag(sp *Spec) {
	field := func(v Volume) string {
		return map[string]string{"UUID": v.UUID, "LABEL": v.Label, "PARTUUID": v.PartUUID, "PARTLABEL": v.PartLabel}[sp.Kind]
	}
	for i, v := range d.Volumes {
		f := field(v)
		if f != "" && (f == sp.Value || sp.Kind != "LABEL" && sp.Kind != "PARTLABEL" && strings.EqualFold(f, sp.Value)) {
			sp.Place, sp.Volume = OnDisk, i
			return
		}
	}
	sp.Place, sp.Why = Elsewhere, fmt.Sprintf("no volume of %s has %s=%s", d.Device, sp.Kind, sp.Value)
	if strings.HasPrefix(sp.Kind, "PART") {
		if d.Table != nil && d.Table.Broken != "" {
			sp.Place, sp.Why = Unsure, "the partition table is broken"
		}
		return
	}
	for _, v := range d.Volumes {
		if why := v.opaque(); why != "" {
			sp.Place = Unsure
			sp.Why = fmt.Sprintf("%s=%s is on no volume that was understood, but %s %s", sp.Kind, sp.Value, v.Title(), why)
			return
		}
	}
}

// opaque says why a volume may hold filesystems, or have tags, that are not
// known.
func (v Volume) opaque() string {
	switch v.Type {
	case "LVM2_member", "crypto_LUKS", "linux_raid_member", "bcache", "zfs_member", "DRBD", "BitLocker", "VDO", "ddf_raid_member", "isw_raid_member":
		if v.Container {
			return ""
		}
		return "holds " + v.Type + ", whose inside was not read"
	case "empty":
		return ""
	case "":
		if v.Container || v.isBare() {
			return ""
		}
		return "has contents that were not recognised"
	}
	return ""
}

// isBare: partitions that hold boot code and no filesystem.
func (v Volume) isBare() bool { return v.PartType == biosBootGUID || v.PartType == prepGUID }

// GPT partition types (UEFI specification 2.10, table 5.7; GNU GRUB manual,
// "BIOS installation"; IEEE 1275 PReP boot).
const (
	biosBootGUID = "21686148-6449-6e6f-744e-656564454649"
	espGUID      = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	prepGUID     = "9e1a2d38-c612-4316-aa26-8b49521e5a8b"
)

// Title names the volume for people.
func (v Volume) Title() string {
	switch {
	case v.Name == "":
		return "the whole disk"
	case v.Name == v.Disk:
		return fmt.Sprintf("the disk %s", v.Name)
	}
	return "partition " + v.Name
}

// device resolves a kernel name. The guest knew this disk under a name that
// only the live machine can tell; offline, the partition's number is all there
// is.
func (d *Disk) device(sp *Spec) {
	disk, n := DiskOf(sp.Value)
	if d.Image || len(d.Mounts) == 0 {
		sp.Why = "kernel names depend on the machine, and this disk is not the running one's"
		return
	}
	at := d.called(disk)
	if at == nil {
		sp.Place, sp.Why = Elsewhere, fmt.Sprintf("%s is another disk than %s", disk, d.Device)
		return
	}
	for i, v := range d.Volumes {
		if v.Disk == at.Name && len(v.Parts) == 0 && v.Number == n && (n != 0 || v.Name == at.Name) {
			sp.Place, sp.Volume = OnDisk, i
			return
		}
	}
	sp.Place, sp.Why = Elsewhere, fmt.Sprintf("%s has no partition %d", at.Device, n)
}

// called is the disk with a kernel name; nil where none of the machine's has it.
func (d *Disk) called(name string) *Disk {
	if own, _ := DiskOf(d.Device); own == name {
		return d
	}
	for i := range d.Others {
		if x := d.Others[i].called(name); x != nil {
			return x
		}
	}
	return nil
}

// Of is the disk that a volume lies on.
func (d *Disk) Of(v Volume) *Disk {
	for i := range d.Others {
		if d.Others[i].Name == v.Disk {
			return &d.Others[i]
		}
	}
	return d
}

// stacked resolves device mapper and md names: with what is mounted, if it is
// this machine's, else only whether such a stack can be on the disk.
func (d *Disk) stacked(sp *Spec) {
	for _, m := range d.Mounts {
		if m.Device != sp.Value {
			continue
		}
		for i, v := range d.Volumes {
			if v.Name == m.Partition {
				sp.Place, sp.Volume = OnDisk, i
				return
			}
		}
	}
	for _, v := range d.Volumes {
		if v.opaque() != "" || v.Container && v.Type == "LVM2_member" {
			sp.Why = fmt.Sprintf("%s %s", v.Title(), or(v.opaque(), "holds LVM"))
			return
		}
	}
	sp.Place, sp.Why = Elsewhere, "the disk holds no LVM, RAID or encrypted volume"
}
