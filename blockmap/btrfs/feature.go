package btrfs

import "fmt"

// Feature bits (kernel, include/uapi/linux/btrfs.h).
const (
	incompatMixedGroups  = 1 << 2
	incompatSkinny       = 1 << 8
	incompatMetadataUUID = 1 << 10

	roCompatBlockGroupTree = 1 << 3
)

// feature is a bit, its name in the options of mkfs.btrfs or btrfstune, or in
// the output of btrfs inspect-internal dump-super, and, where the map cannot be
// made, why.
type feature struct {
	bit  int
	name string
	why  string
}

var incompatFeatures = []feature{
	{0, "mixed-backref", ""},
	{1, "default-subvol", ""},
	{2, "mixed-bg", ""},
	{3, "compress-lzo", ""},
	{4, "compress-zstd", ""},
	{5, "big-metadata", ""},
	{6, "extref", ""},
	{7, "raid56", ""},
	{8, "skinny-metadata", ""},
	{9, "no-holes", ""},
	{10, "metadata-uuid", ""},
	{11, "raid1c34", ""},
	{12, "zoned", "a zoned filesystem keeps superblocks and free space in another way"},
	{13, "extent-tree-v2", "an experimental format of the extent tree"},
	{14, "raid-stripe-tree", "chunks are mapped to the device in another way"},
	{16, "squota", ""},
	{17, "remap-tree", "chunks are mapped to the device in another way"},
}

var roCompatFeatures = []feature{
	{0, "free-space-tree", ""},
	{1, "free-space-tree-valid", ""},
	{2, "verity", ""},
	{3, "block-group-tree", ""},
}

// features lists the names of the bits that are set.
func (s *superblock) features() (names []string) {
	for _, f := range incompatFeatures {
		if s.incompat>>f.bit&1 != 0 {
			names = append(names, f.name)
		}
	}
	for _, f := range roCompatFeatures {
		if s.roCompat>>f.bit&1 != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// checkFeatures refuses what is not known to leave the map's sources as they
// are. Bits of compatible features do so by definition.
func (s *superblock) checkFeatures() error {
	for _, set := range []struct {
		kind  string
		bits  uint64
		known []feature
	}{{"incompatible", s.incompat, incompatFeatures}, {"read-only compatible", s.roCompat, roCompatFeatures}} {
		rest := set.bits
		for _, f := range set.known {
			if rest>>f.bit&1 != 0 && f.why != "" {
				return refuse("the feature %s is not supported: %s", f.name, f.why)
			}
			rest &^= 1 << f.bit
		}
		if rest != 0 {
			return refuse("unknown %s features %#x: a newer migimg may know them", set.kind, rest)
		}
	}
	return nil
}

// Flags of the superblock (kernel, include/uapi/linux/btrfs_tree.h and
// fs/btrfs/fs.h). The first is set in all of them.
const superWritten = 1 << 0

var superFlags = []feature{
	{1, "", "a relocation is marked as running"},
	{2, "", "the filesystem is marked as having errors: run btrfs check"},
	{32, "", "it is a seed device: other filesystems may be built on it"},
	{33, "", "it is a metadata dump, not a filesystem with its data"},
	{34, "", "it is a metadata dump, not a filesystem with its data"},
	{35, "", "its UUID is just being changed: run btrfstune again"},
	{36, "", "its UUID is just being changed: run btrfstune again"},
	{38, "", "its block groups are just being converted: run btrfstune again"},
	{39, "", "its checksums are just being converted: run btrfstune again"},
	{40, "", "its checksums are just being converted: run btrfstune again"},
}

func (s *superblock) checkFlags() error {
	for _, f := range superFlags {
		if s.flags>>f.bit&1 != 0 {
			return refusal(f.why)
		}
	}
	if rest := s.flags &^ superWritten; rest != 0 {
		return refuse("unknown flags %#x in the superblock: a newer migimg may know them", rest)
	}
	return nil
}

// uuidString is a UUID as blkid prints it.
func uuidString(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
