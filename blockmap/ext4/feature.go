package ext4

import (
	"fmt"
	"strings"
)

// Feature bits that change where things lie or what may be believed (kernel,
// Documentation/filesystems/ext4/super.rst, and fs/ext4/ext4.h).
const (
	compatHasJournal   = 0x4
	compatSparseSuper2 = 0x200
	compatFastCommit   = 0x400

	incompatRecover    = 0x4
	incompatJournalDev = 0x8
	incompatMetaBG     = 0x10
	incompat64Bit      = 0x80
	incompatMMP        = 0x100
	incompatFlexBG     = 0x200
	incompatCsumSeed   = 0x2000

	roCompatSparseSuper  = 0x1
	roCompatGDTCsum      = 0x10
	roCompatBigalloc     = 0x200
	roCompatMetadataCsum = 0x400
)

// feature is a bit's name in dumpe2fs, and whether the maps of a filesystem
// that has it are understood here. Those that are not are old or private to
// other kernels: compressed files, snapshots, groups left out by lazy_bg
// without a checksum, deduplicated blocks.
type feature struct {
	name string
	ok   bool
}

var compatNames = map[int]feature{
	0: {"dir_prealloc", true}, 1: {"imagic_inodes", true}, 2: {"has_journal", true}, 3: {"ext_attr", true},
	4: {"resize_inode", true}, 5: {"dir_index", true}, 6: {"lazy_bg", false}, 8: {"snapshot_bitmap", false},
	9: {"sparse_super2", true}, 10: {"fast_commit", true}, 11: {"stable_inodes", true}, 12: {"orphan_file", true},
}

var incompatNames = map[int]feature{
	0: {"compression", false}, 1: {"filetype", true}, 2: {"needs_recovery", true}, 3: {"journal_dev", false},
	4: {"meta_bg", true}, 6: {"extent", true}, 7: {"64bit", true}, 8: {"mmp", true}, 9: {"flex_bg", true},
	10: {"ea_inode", true}, 12: {"dirdata", false}, 13: {"metadata_csum_seed", true}, 14: {"large_dir", true},
	15: {"inline_data", true}, 16: {"encrypt", true}, 17: {"casefold", true},
}

var roCompatNames = map[int]feature{
	0: {"sparse_super", true}, 1: {"large_file", true}, 3: {"huge_file", true}, 4: {"uninit_bg", true},
	5: {"dir_nlink", true}, 6: {"extra_isize", true}, 7: {"snapshot", false}, 8: {"quota", true},
	9: {"bigalloc", true}, 10: {"metadata_csum", true}, 11: {"replica", false}, 12: {"read-only", true},
	13: {"project", true}, 14: {"shared_blocks", false}, 15: {"verity", true}, 16: {"orphan_present", true},
}

// eachFeature calls f for the features that are set, in dumpe2fs's order, with
// the names that it uses also for bits that have none.
func (s *superblock) eachFeature(f func(feature)) {
	for _, set := range []struct {
		bits   uint32
		names  map[int]feature
		letter string
	}{{s.compat, compatNames, "C"}, {s.incompat, incompatNames, "I"}, {s.roCompat, roCompatNames, "R"}} {
		for i := range 32 {
			if set.bits>>i&1 == 0 {
				continue
			}
			n, known := set.names[i]
			if !known {
				n.name = fmt.Sprintf("FEATURE_%s%d", set.letter, i)
			}
			f(n)
		}
	}
}

// features are the names of the features that are set, as dumpe2fs prints them.
func (s *superblock) features() (names []string) {
	s.eachFeature(func(f feature) { names = append(names, f.name) })
	return names
}

// unknownFeatures names the features because of which nothing may be freed.
// Unknown bits of the compatible set count too, as they do for e2fsck: sparse_super2
// is one of that set, and moves the copies of the superblock.
func (s *superblock) unknownFeatures() string {
	if s.incompat&incompatJournalDev != 0 {
		return "this is the external journal of another filesystem"
	}
	var bad []string
	s.eachFeature(func(f feature) {
		if !f.ok {
			bad = append(bad, f.name)
		}
	})
	if len(bad) == 0 {
		return ""
	}
	return "features whose block maps are not understood: " + strings.Join(bad, ", ")
}

// kind tells the generations of the format apart as libblkid does
// (util-linux, libblkid/src/superblocks/ext.c): by the features that the ext2
// and ext3 drivers knew.
func (s *superblock) kind() string {
	const roExt3, incExt2 = 0x1 | 0x2 | 0x4, 0x2 | incompatMetaBG
	journal := s.compat&compatHasJournal != 0
	switch {
	case s.incompat&incompatJournalDev != 0:
		return "jbd"
	case s.roCompat&^uint32(roExt3) != 0:
		return "ext4"
	case !journal && s.incompat&^uint32(incExt2) == 0:
		return "ext2"
	case journal && s.incompat&^uint32(incExt2|incompatRecover) == 0:
		return "ext3"
	}
	return "ext4"
}
