package kmod

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
)

// loadConfig reads the kernel's configuration where distributions keep it:
// Debian, Fedora and SUSE in /boot, Fedora also beside the modules.
func (t *Tree) loadConfig(fsys fs.FS) error {
	names := []string{"boot/config-" + t.Release, "lib/modules/" + t.Release + "/config", "usr/lib/modules/" + t.Release + "/config"}
	for _, name := range names {
		b, err := readFile(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		t.config, t.ConfigFile = parseConfig(b), name
		return nil
	}
	return nil
}

// parseConfig reads "CONFIG_X=value" and "# CONFIG_X is not set".
func parseConfig(b []byte) map[string]string {
	m := map[string]string{}
	for line := range bytes.Lines(b) {
		s := strings.TrimSpace(string(line))
		if off, ok := strings.CutPrefix(s, "# CONFIG_"); ok {
			if k, ok := strings.CutSuffix(off, " is not set"); ok {
				m[k] = "n"
			}
			continue
		}
		if set, ok := strings.CutPrefix(s, "CONFIG_"); ok {
			if k, v, ok := strings.Cut(set, "="); ok && len(m) < maxNames {
				m[k] = strings.Trim(v, `"`)
			}
		}
	}
	return m
}

// Config is the value of a configuration symbol, without its CONFIG_: "y", "m",
// "n" where the configuration says that it is not set, or a text. ok is false
// where it is not named or there is no configuration.
func (t *Tree) Config(symbol string) (value string, ok bool) {
	value, ok = t.config[symbol]
	return value, ok
}

// configured is "y", "m" or "n" for a driver whose symbol is known, or "".
// A symbol that a whole configuration does not name depends on one that is off,
// or the kernel is older than the driver.
func (t *Tree) configured(name string) string {
	sym, ok := symbols[name]
	if !ok || t.config == nil {
		return ""
	}
	switch v := t.config[sym]; v {
	case "y", "m", "n":
		return v
	}
	if len(t.config) < 200 { // not a whole configuration
		return ""
	}
	return "n"
}

// symbols are the configuration symbols of drivers that decide whether a guest
// boots and is reachable (the obj-$(CONFIG_...) lines of the kernel's Makefiles).
var symbols = map[string]string{
	"virtio": "VIRTIO", "virtio_ring": "VIRTIO", "virtio_pci": "VIRTIO_PCI", "virtio_mmio": "VIRTIO_MMIO",
	"virtio_blk": "VIRTIO_BLK", "virtio_scsi": "SCSI_VIRTIO", "virtio_net": "VIRTIO_NET",
	"virtio_balloon": "VIRTIO_BALLOON", "virtio_console": "VIRTIO_CONSOLE", "virtio_rng": "HW_RANDOM_VIRTIO",
	"scsi_mod": "SCSI", "sd_mod": "BLK_DEV_SD", "sr_mod": "BLK_DEV_SR", "cdrom": "CDROM",
	"libata": "ATA", "ahci": "SATA_AHCI", "ata_piix": "ATA_PIIX", "ata_generic": "ATA_GENERIC",
	"nvme": "BLK_DEV_NVME", "nvme_core": "NVME_CORE",
	"hv_vmbus": "HYPERV", "hv_storvsc": "HYPERV_STORAGE", "hv_netvsc": "HYPERV_NET", "hv_utils": "HYPERV_UTILS",
	"xen_blkfront": "XEN_BLKDEV_FRONTEND", "xen_netfront": "XEN_NETDEV_FRONTEND",
	"vmw_pvscsi": "VMWARE_PVSCSI", "vmxnet3": "VMXNET3", "mptspi": "FUSION_SPI", "mptsas": "FUSION_SAS",
	"ena": "ENA_ETHERNET", "gve": "GVE", "mana": "MICROSOFT_MANA", "mlx4_core": "MLX4_CORE", "mlx5_core": "MLX5_CORE",
	"e1000": "E1000", "e1000e": "E1000E", "ixgbevf": "IXGBEVF", "igb": "IGB", "8139cp": "8139CP",
	"ext2": "EXT2_FS", "ext3": "EXT3_FS", "ext4": "EXT4_FS", "jbd2": "JBD2", "xfs": "XFS_FS", "btrfs": "BTRFS_FS",
	"f2fs": "F2FS_FS", "jfs": "JFS_FS", "reiserfs": "REISERFS_FS",
	"vfat": "VFAT_FS", "fat": "FAT_FS", "udf": "UDF_FS", "isofs": "ISO9660_FS", "squashfs": "SQUASHFS", "overlay": "OVERLAY_FS",
	"dm_mod": "BLK_DEV_DM", "dm_crypt": "DM_CRYPT", "dm_multipath": "DM_MULTIPATH", "dm_mirror": "DM_MIRROR", "dm_raid": "DM_RAID",
	"md_mod": "BLK_DEV_MD", "raid1": "MD_RAID1", "raid0": "MD_RAID0", "raid10": "MD_RAID10", "raid456": "MD_RAID456",
	"libcrc32c": "LIBCRC32C", "crc32c_generic": "CRYPTO_CRC32C",
}
