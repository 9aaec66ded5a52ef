package blockmap

// magic is how a format that no scanner reads, or that may lie under another,
// is known. The offsets, in bytes, are those of libblkid's probers (util-linux,
// libblkid/src/superblocks), read for facts. Formats whose mark is two bytes
// where others keep counters are left out: alone in a volume they are unknown
// anyway, and such a mark proves nothing.
type magic struct {
	name  string
	off   int64
	bytes string
}

var magics = []magic{
	{"crypto_LUKS", 0, "LUKS\xba\xbe"},
	{"crypto_LUKS", 16384, "SKUL\xba\xbe"}, // the second header of LUKS2, at its default place
	{"BitLocker", 3, "-FVE-FS-"},
	{"DM_verity_hash", 0, "verity\x00\x00"},
	{"DM_integrity", 0, "integrt\x00"},
	{"DM_snapshot_cow", 0, "SnAp"},
	{"vdo", 0, "dmvdo001"},
	{"stratis", 512 + 4, "!Stra0tis\x86\xff\x02^\x41rh"},
	{"stratis", 9*512 + 4, "!Stra0tis\x86\xff\x02^\x41rh"},
	{"xfs", 0, "XFSB"},
	{"xfs_external_log", 0, "\xfe\xed\xba\xbe"},
	{"ntfs", 3, "NTFS    "},
	{"exfat", 3, "EXFAT   "},
	{"squashfs", 0, "hsqs"},
	{"cramfs", 0, "\x45\x3d\xcd\x28"},
	{"romfs", 0, "-rom1fs-"},
	{"ubi", 0, "UBI#"},
	{"zonefs", 0, "SFOZ"},
	{"erofs", 1024, "\xe2\xe1\xf5\xe0"},
	{"f2fs", 1024, "\x10\x20\xf5\xf2"},
	{"vxfs", 1024, "\xf5\xfc\x01\xa5"},
	{"vxfs", 8192, "\xa5\x01\xfc\xf5"},
	{"btrfs", 65536 + 64, "_BHRfS_M"},
	{"reiserfs", 65536 + 52, "ReIsEr"},
	{"reiserfs", 8192 + 52, "ReIsEr"},
	{"reiser4", 65536, "ReIsEr4"},
	{"gfs2", 65536, "\x01\x16\x19\x70"},
	{"ocfs2", 1024, "OCFSV2"},
	{"ocfs2", 2048, "OCFSV2"},
	{"ocfs2", 4096, "OCFSV2"},
	{"ocfs2", 8192, "OCFSV2"},
	{"ocfs", 8192, "OracleCFS"},
	{"oracleasm", 32, "ORCLDISK"},
	{"ufs", 65536 + 1372, "\x19\x01\x54\x19"},
	{"ufs", 65536 + 1372, "\x19\x54\x01\x19"},
	{"apfs", 32, "NXSB"},
	{"jfs", 32768, "JFS1"},
	{"iso9660", 32769, "CD001"},
	{"udf", 32769, "BEA01"},
	{"bcache", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{"bcachefs", 4096 + 24, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"},
	{"linux_raid_member", 0, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00"},    // 1.1
	{"linux_raid_member", 4096, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00"}, // 1.2
	{"hpt37x_raid_member", 9*512 + 32, "\xf0\x16\x78\x5a"},
	{"hpt37x_raid_member", 9*512 + 32, "\xfd\x16\x78\x5a"},
	{"VMFS", 1 << 20, "\x0d\xd0\x01\xc0"},
	{"VMFS", 2 << 20, "\x5e\xf1\xab\x2f"},
	{"ceph_bluestore", 0, "bluestore block device"},
}
