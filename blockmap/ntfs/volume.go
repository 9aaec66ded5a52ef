package ntfs

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Flags of the volume (ntfs-3g, include/ntfs-3g/layout.h, VOLUME_FLAGS). Those
// in mustCheck say that the volume is not as it should be left behind, or that
// something in it is about to be changed at the next mount.
const (
	flagDirty      = 0x0001
	flagResizeLog  = 0x0002
	flagUpgrade    = 0x0004
	flagNT4        = 0x0008
	flagDeleteUSN  = 0x0010
	flagRepairIDs  = 0x0020
	flagChkdsk     = 0x4000
	flagByChkdsk   = 0x8000
	flagsHarmless  = flagNT4 | flagDeleteUSN | flagRepairIDs
	flagsMustMount = flagResizeLog | flagUpgrade | flagByChkdsk
)

// volume reads $Volume: the label, and why the volume must be carried whole.
func (f *fsys) volume() (label, why string, err error) {
	r, err := f.baseRecord(fileVolume)
	if err != nil {
		return "", "", err
	}
	attrs, err := r.attrs()
	if err != nil {
		return "", "", err
	}
	var info []byte
	for _, a := range attrs {
		switch v, ok := a.value(); {
		case ok && a.kind() == typeVolumeName:
			label, _, _ = strings.Cut(text(v), "\x00")
			label = strings.TrimRight(label, " \t\n") // as blkid does
		case ok && a.kind() == typeVolumeInfo:
			info = v
		}
	}
	if len(info) < 12 {
		return label, "", damaged("$Volume does not say what version it is")
	}
	major, minor, flags := info[8], info[9], binary.LittleEndian.Uint16(info[10:])
	known := major == 1 && minor == 2 || major == 3 && minor <= 1
	switch {
	case !known:
		return label, fmt.Sprintf("NTFS of version %d.%d, which is not known", major, minor), nil
	case flags&flagDirty != 0:
		return label, "the volume is marked dirty: run chkdsk /f in Windows and shut it down (ntfsfix does not check the allocation)", nil
	case flags&flagChkdsk != 0:
		return label, "chkdsk was interrupted: run chkdsk /f in Windows and let it end", nil
	case flags&flagsMustMount != 0:
		return label, fmt.Sprintf("Windows is to change the volume when it mounts it next (flags %#04x): start Windows once and shut it down", flags), nil
	case flags&^flagsHarmless != 0:
		return label, fmt.Sprintf("flags of the volume that are not known: %#04x", flags), nil
	}
	return label, "", nil
}
