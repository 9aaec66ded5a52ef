package f2fs

import (
	"fmt"
	"strings"
)

const featureChecksum = 0x800

// feature is a bit's name in fsck.f2fs, and whether filesystems that have it
// are understood here (f2fs-tools, include/f2fs_fs.h, F2FS_FEATURE_*).
type feature struct {
	name string
	ok   bool
}

// featureNames are the features by bit. Zoned devices have segments that cannot
// be used to their end; read-only filesystems keep fewer logs; aliased devices
// lie in the main area as files; packed_ssa moves the journal.
var featureNames = []feature{
	{"encrypt", true}, {"blkzoned", false}, {"atomic_write", true}, {"extra_attr", true},
	{"project_quota", true}, {"inode_checksum", true}, {"flexible_inline_xattr", true}, {"quota", true},
	{"inode_crtime", true}, {"lost_found", true}, {"verity", true}, {"sb_checksum", true},
	{"casefold", true}, {"compression", true}, {"ro", false}, {"device_alias", false}, {"packed_ssa", false},
}

func (s *super) eachFeature(f func(feature)) {
	for i := range 32 {
		if s.u32(superFeatures)>>i&1 == 0 {
			continue
		}
		if i < len(featureNames) {
			f(featureNames[i])
		} else {
			f(feature{name: fmt.Sprintf("%#x", 1<<i)})
		}
	}
}

func (s *super) featureNames() (names []string) {
	s.eachFeature(func(f feature) { names = append(names, f.name) })
	return names
}

// features names those because of which nothing may be freed.
func (s *super) features() string {
	var bad []string
	s.eachFeature(func(f feature) {
		if !f.ok {
			bad = append(bad, f.name)
		}
	})
	if len(bad) == 0 {
		return ""
	}
	return "features that are not understood: " + strings.Join(bad, ", ")
}
