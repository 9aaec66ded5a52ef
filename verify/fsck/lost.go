package fsck

import (
	"encoding/binary"
	"io"

	"migimg/verify"
	"migimg/verify/decoder"
)

// unknown is the aspect of a volume that bears no mark of anything.
func (v *Volume) unknown() verify.Aspect {
	kind, at := lost(v.Reader, v.Size)
	if kind == "" {
		return skip(v.Name, "unknown contents: there is no checker for them")
	}
	ps := &decoder.Problems{}
	ps.Unknownf(-1, "there is nothing at its start that is known, but at byte %d lies the backup of a superblock of %s: its first one is damaged, or these are remains of an older filesystem", at, kind)
	return verify.NewAspect(v.Name, "not checked", ps)
}

// place is where a backup superblock may lie, and what is there.
type place struct {
	kind   string
	at     int64
	is     func(b []byte, at int64) bool
	length int
}

// lost looks for the backup of a superblock whose original is gone, in the places where
// the programs that make filesystems put it, and returns what kind it is and the byte of
// the volume at which it lies.
func lost(r io.ReaderAt, size int64) (kind string, at int64) {
	for _, p := range places(size) {
		b := make([]byte, p.length)
		if n, _ := r.ReadAt(b, p.at); n == len(b) && p.is(b, p.at) {
			return p.kind, p.at
		}
	}
	return "", -1
}

func places(size int64) (out []place) {
	le := binary.LittleEndian
	// ext2/3/4: the second group's, of 8 times the block size in blocks (kernel,
	// Documentation/filesystems/ext4/super.rst).
	for log := range int64(3) {
		block := int64(1024) << log
		at := 8 * block * block
		if log == 0 {
			at += block // the first block is no group's
		}
		out = append(out, place{"ext4", at, func(b []byte, _ int64) bool {
			return le.Uint16(b[0x38:]) == 0xef53 && le.Uint32(b[0x18:]) == uint32(log) && le.Uint16(b[0x5a:]) == 1
		}, 128})
	}
	// XFS: of 4 allocation groups, as mkfs makes most; sb_blocksize and sb_agblocks.
	for _, at := range []int64{size / 4 / 4096 * 4096, (size/4 + 4095) / 4096 * 4096} {
		out = append(out, place{"xfs", at, func(b []byte, at int64) bool {
			be := binary.BigEndian
			return string(b[:4]) == "XFSB" && int64(be.Uint32(b[4:]))*int64(be.Uint32(b[84:])) == at
		}, 128})
	}
	// btrfs: the mirrors say where they are (bytenr).
	for _, at := range []int64{64 << 20, 256 << 30} {
		out = append(out, place{"btrfs", at, func(b []byte, at int64) bool {
			return string(b[64:72]) == "_BHRfS_M" && le.Uint64(b[48:]) == uint64(at)
		}, 128})
	}
	oem := func(name string) func([]byte, int64) bool {
		return func(b []byte, _ int64) bool { return string(b[3:11]) == name && b[510] == 0x55 && b[511] == 0xaa }
	}
	return append(out,
		place{"ntfs", (size/512 - 1) * 512, oem("NTFS    "), 512},
		place{"exfat", 12 * 512, oem("EXFAT   "), 512},
		place{"exfat", 12 * 4096, oem("EXFAT   "), 512},
		place{"vfat", 6 * 512, func(b []byte, _ int64) bool {
			return string(b[82:87]) == "FAT32" && b[510] == 0x55 && b[511] == 0xaa
		}, 512},
		place{"f2fs", 4096 + 1024, func(b []byte, _ int64) bool { return le.Uint32(b) == 0xf2f52010 }, 128},
	)
}
