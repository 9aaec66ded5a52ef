package xfs

import (
	"fmt"
	"strings"
)

// Feature bits that matter here (kernel, fs/xfs/libxfs/xfs_format.h).
const (
	versionMask     = 0x000f // the number of the version is in the same word
	versionDirV2    = 0x2000
	versionLogV2    = 0x0400
	versionMoreBits = 0x8000

	features2LazyCount = 0x2
	features2CRC       = 0x100

	roCompatRmap    = 0x2
	roCompatReflink = 0x4

	incompatMetaUUID    = 0x4
	incompatNeedsRepair = 0x10
)

// word is one of the superblock's words of feature bits.
type word uint8

const (
	inVersion word = iota
	inFeatures2
	inCompat
	inROCompat
	inIncompat
	inLogIncompat
	words
)

// feature is a bit and its name in the command version of xfs_db (xfsprogs,
// db/sb.c, version_string), in the order in which that prints them. ok says
// that the free space of a filesystem which has it is understood here. Those
// that are not need a realtime section, or move the metadata.
type feature struct {
	name string
	word word
	bit  uint32
	ok   bool
}

// features are the known ones. xfs_db has no names for those in log_incompat;
// they are the kernel's.
var features = []feature{
	{"NLINK", inVersion, 0x20, true},
	{"SHARED", inVersion, 0x200, false},
	{"DIRV2", inVersion, versionDirV2, true},
	{"ATTR", inVersion, 0x10, true},
	{"QUOTA", inVersion, 0x40, true},
	{"ALIGN", inVersion, 0x80, true},
	{"DALIGN", inVersion, 0x100, true},
	{"LOGV2", inVersion, versionLogV2, true},
	{"EXTFLG", inVersion, 0x1000, true},
	{"SECTOR", inVersion, 0x800, true},
	{"ASCII_CI", inVersion, 0x4000, true},
	{"MOREBITS", inVersion, versionMoreBits, true},
	{"ATTR2", inFeatures2, 0x8, true},
	{"LAZYSBCOUNT", inFeatures2, features2LazyCount, true},
	{"PROJID32BIT", inFeatures2, 0x80, true},
	{"CRC", inFeatures2, features2CRC, true},
	{"FTYPE", inFeatures2, 0x200, true}, // of version 4
	{"FTYPE", inIncompat, 0x1, true},
	{"FINOBT", inROCompat, 0x1, true},
	{"SPARSE_INODES", inIncompat, 0x2, true},
	{"META_UUID", inIncompat, incompatMetaUUID, true},
	{"RMAPBT", inROCompat, roCompatRmap, true},
	{"REFLINK", inROCompat, roCompatReflink, true},
	{"INOBTCNT", inROCompat, 0x8, true},
	{"BIGTIME", inIncompat, 0x8, true},
	{"NEEDSREPAIR", inIncompat, incompatNeedsRepair, true}, // refused later, with its own advice
	{"NREXT64", inIncompat, 0x20, true},
	{"EXCHANGE", inIncompat, 0x40, true},
	{"PARENT", inIncompat, 0x80, true},
	{"METADIR", inIncompat, 0x100, false},
	{"ZONED", inIncompat, 0x200, false},
	{"ZONE_GAPS", inIncompat, 0x400, false},
	{"LOG_XATTRS", inLogIncompat, 0x1, true},
}

// bits is one of the words of feature bits.
func (s *superblock) bits(w word) uint32 {
	switch w {
	case inVersion:
		return uint32(s.versionNum &^ versionMask)
	case inFeatures2:
		return s.features2
	case inCompat:
		return s.compat
	case inROCompat:
		return s.roCompat
	case inIncompat:
		return s.incompat
	}
	return s.logIncompat
}

// features are the names of the features that are set, as xfs_db prints them.
func (s *superblock) features() []string {
	names := []string{fmt.Sprintf("V%d", s.version)}
	for _, f := range features {
		if s.bits(f.word)&f.bit == 0 {
			continue
		}
		if s.version == 5 && f.name == "FTYPE" && f.word == inFeatures2 {
			continue // means nothing there
		}
		names = append(names, f.name)
	}
	return names
}

// unknownFeatures names the features because of which nothing may be freed.
// Unknown bits of the compatible words count too: which of the structures that
// are read here they leave as they are cannot be known.
func (s *superblock) unknownFeatures() string {
	var bad []string
	var known [words]uint32
	for _, f := range features {
		known[f.word] |= f.bit
		if !f.ok && s.bits(f.word)&f.bit != 0 {
			bad = append(bad, f.name)
		}
	}
	names := [words]string{"versionnum", "features2", "compat", "ro_compat", "incompat", "log_incompat"}
	for w, name := range names {
		if x := s.bits(word(w)) &^ known[w]; x != 0 {
			bad = append(bad, fmt.Sprintf("%s %#x", name, x))
		}
	}
	if len(bad) > 0 {
		return "features that are not understood: " + strings.Join(bad, ", ")
	}
	// The kernel wants these of a filesystem that it mounts (xfs_sb.c,
	// xfs_sb_good_version).
	crc := s.features2&features2CRC != 0
	switch {
	case s.versionNum&versionDirV2 == 0:
		return "directories of version 1, which no kernel of today reads"
	case s.version == 4 && crc, s.version == 5 && !crc,
		s.version == 5 && (s.versionNum&versionLogV2 == 0 || s.versionNum&versionMoreBits == 0):
		return fmt.Sprintf("feature bits %#x and %#x contradict version %d: run xfs_repair", s.versionNum, s.features2, s.version)
	}
	return ""
}
