package facts

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
)

// maxVolumes bounds the volumes of a disk.
const maxVolumes = 1024

// gatherDisk makes the facts of the disk itself. It reads a few sectors.
func gatherDisk(s *Source) Disk {
	d := Disk{Name: s.Name, At: s.At, Device: s.Device, Image: s.Image, Size: s.Size, SectorSize: s.SectorSize, Table: s.Table,
		Carried: s.Carried, Outputs: s.Outputs, Mounts: s.Mounts, Consistency: s.Consistency, Drift: s.Drift, Picture: picture(s)}
	if d.Table == nil {
		d.Table = &ptable.Table{Kind: ptable.KindNone, Broken: "the partition table was not read"}
	}
	parts := map[string]placed{}
	name := func(t *ptable.Table, disk string) {
		for _, p := range t.Partitions {
			parts[strings.TrimPrefix(disk+"/"+strconv.Itoa(p.Number), "/")] = placed{p, disk}
		}
		parts[disk] = placed{disk: disk}
	}
	name(d.Table, d.Name)
	for _, o := range s.Others {
		x := Disk{Name: o.Name, At: o.At, Device: o.Device, Image: o.Image, Size: o.Size, SectorSize: o.SectorSize, Table: o.Table,
			Carried: o.Carried, Outputs: o.Outputs, Consistency: s.Consistency, Data: true}
		if x.Table == nil {
			x.Table = &ptable.Table{Kind: ptable.KindNone, Broken: "the partition table was not read"}
		}
		name(x.Table, x.Name)
		d.Others = append(d.Others, x)
	}
	if s.Volumes != nil {
		for v := range s.Volumes.All() {
			if len(d.Volumes) == maxVolumes {
				break
			}
			if v == s.Volumes && len(s.Others) > 0 {
				continue // all of the disks, which is no volume
			}
			d.Volumes = append(d.Volumes, volume(s, v, parts))
		}
	}
	for _, v := range s.LeftOut[:min(len(s.LeftOut), maxVolumes)] {
		d.LeftOut = append(d.LeftOut, volume(s, v, parts))
	}
	for i := range d.Others {
		for _, v := range d.Volumes {
			if v.Disk == d.Others[i].Name {
				d.Others[i].Volumes = append(d.Others[i].Volumes, v)
			}
		}
	}
	// A partition that the scan did not descend into (a broken table) is not a
	// volume: nothing is read out of it.
	d.BootCode = bootCode(s.own())
	return d
}

// placed is a partition, or a whole disk, with the disk's name.
type placed struct {
	ptable.Partition
	disk string
}

func volume(s *Source, v *blockmap.VolumeInfo, parts map[string]placed) Volume {
	x := Volume{Name: v.Name, Start: v.Start, Size: v.Size, Carried: v.Carried, Type: v.Type, UUID: v.UUID, Label: v.Label,
		Features: v.Features, Whole: v.Whole, Container: v.Container(), Parts: v.Parts}
	if p, ok := parts[v.Name]; ok {
		x.Number, x.PartUUID, x.PartLabel, x.PartType, x.Disk = p.Number, p.UUID, p.Name, p.Type, p.disk
	} else if disk, _, ok := strings.Cut(v.Name, "/"); ok {
		x.Disk = parts[disk].disk
	}
	switch ptable.Kind(x.Type) {
	case ptable.KindMBR, ptable.KindGPT, ptable.KindHybrid, ptable.KindNone:
		x.Container, x.Type = true, ""
	}
	if x.Start >= 0 && s.View != nil && !x.Container {
		identify(io.NewSectionReader(s.View, x.Start, x.Size), &x)
	}
	return x
}

// identify fills in what the scan's report leaves open: tags of formats that no
// scanner reads, and whether the filesystem is clean. Where the bytes say
// nothing, nothing is filled in.
func identify(r *io.SectionReader, v *Volume) {
	at := func(off int64, n int) []byte {
		b := make([]byte, n)
		if off < 0 || off+int64(n) > v.Size {
			return nil
		}
		if k, err := r.ReadAt(b, off); k < n || err != nil && err != io.EOF {
			return nil
		}
		return b
	}
	switch v.Type {
	case "ext2", "ext3", "ext4":
		identifyExt(at(1024, 1024), v)
	case "xfs": // struct xfs_dsb: sb_uuid at 32, sb_fname at 108, 12 bytes
		if b := at(0, 512); b != nil {
			v.setTags(uuidString(b[32:48]), cString(b[108:120]))
		}
	case "btrfs": // struct btrfs_super_block at 64 KiB: fsid at 0x20, label at 0x12B
		if b := at(65536, 0x12b+256); b != nil {
			v.setTags(uuidString(b[0x20:0x30]), cString(b[0x12b:]))
		}
	case "crypto_LUKS": // LUKS1: uuid at 168; LUKS2: uuid at 168, label at 24
		if b := at(0, 512); b != nil {
			v.setTags(cString(b[168:208]), "")
			if b[7] == 2 {
				v.setTags("", cString(b[24:72]))
			}
		}
	case "vfat":
		identifyFAT(at(0, 512), v)
	case "":
		if b := at(0, int(min(v.Size, 1<<20))); b != nil && len(bytes.Trim(b, "\x00")) == 0 && zeroTail(at, v.Size) {
			v.Type = "empty"
		}
	}
}

// zeroTail looks at the last 64 KiB, where RAID and ZFS leave their marks.
func zeroTail(at func(int64, int) []byte, size int64) bool {
	n := min(size, 64<<10)
	b := at(size-n, int(n))
	return b != nil && len(bytes.Trim(b, "\x00")) == 0
}

func (v *Volume) setTags(uuid, label string) {
	if v.UUID == "" {
		v.UUID = uuid
	}
	if v.Label == "" {
		v.Label = label
	}
}

// identifyExt reads s_state (58), s_feature_incompat (96), s_uuid (104) and
// s_volume_name (120); Linux, Documentation/filesystems/ext4/super.rst.
func identifyExt(b []byte, v *Volume) {
	if b == nil || b[56] != 0x53 || b[57] != 0xEF {
		return
	}
	v.setTags(uuidString(b[104:120]), cString(b[120:136]))
	switch {
	case b[58]&2 != 0:
		v.Clean = "errors"
	case b[96]&4 != 0:
		v.Clean = "recover"
	case b[58]&1 == 0:
		v.Clean = "dirty"
	default:
		v.Clean = "clean"
	}
}

// identifyFAT reads the serial number and label of a FAT boot sector (Microsoft,
// FAT32 File System Specification: BS_VolID at 67 or 39, BS_VolLab after it).
func identifyFAT(b []byte, v *Volume) {
	if b == nil || b[510] != 0x55 || b[511] != 0xAA {
		return
	}
	at := 39
	if b[22] == 0 && b[23] == 0 { // BPB_FATSz16 is 0: FAT32
		at = 67
	}
	if b[at-1] != 0x29 { // BS_BootSig: the fields are there
		return
	}
	label := strings.TrimRight(string(b[at+4:at+15]), " \x00")
	if label == "NO NAME" {
		label = ""
	}
	v.setTags(fmt.Sprintf("%02X%02X-%02X%02X", b[at+3], b[at+2], b[at+1], b[at]), label)
}

func uuidString(b []byte) string {
	if len(bytes.Trim(b, "\x00")) == 0 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// bootCode tells what the boot sector's code area is: GRUB's boot.img holds the
// word GRUB (grub-core/boot/i386/pc/boot.S prints it).
func bootCode(view io.ReaderAt) string {
	b := make([]byte, 440)
	if view == nil {
		return ""
	}
	if n, err := view.ReadAt(b, 0); n < len(b) || err != nil && err != io.EOF {
		return ""
	}
	switch {
	case bytes.Contains(b, []byte("GRUB")):
		return "grub"
	case len(bytes.Trim(b, "\x00")) == 0:
		return "none"
	}
	return "other"
}
