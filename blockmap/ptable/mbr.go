package ptable

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// The master boot record (UEFI specification, section 5.2.1): boot code from 0,
// the disk's signature at 440, four entries of 16 bytes at 446, 55 AA at 510.
// All numbers are little-endian.
const (
	offSignature = 440
	offEntries   = 446
	entryLen     = 16
)

// entry is one of the four entries of a boot record: flag at 0, type at 4,
// first sector at 8, sectors at 12; the CHS addresses between them mean nothing
// on disks of today.
type entry struct {
	flag, kind     byte
	start, sectors int64
}

// extended: the three types that the kernel follows (msdos.c).
func (e entry) extended() bool { return e.kind == 0x05 || e.kind == 0x0f || e.kind == 0x85 }

// kindProtective is the type of the entry that hides a GPT from MBR tools.
const kindProtective = 0xee

// boot is what sector 0 says.
type boot struct {
	magic      bool   // 55 AA
	aix        bool   // an AIX disk, whose 55 AA means nothing
	filesystem string // whose boot sector it is, too
	signature  uint32
	entries    [4]entry
}

func parseBoot(s []byte) boot {
	b := boot{
		magic:      s[510] == 0x55 && s[511] == 0xaa,
		aix:        bytes.HasPrefix(s, []byte("\xc9\xc2\xd4\xc1")), // IBMA in EBCDIC
		filesystem: bootFilesystem(s),
		signature:  binary.LittleEndian.Uint32(s[offSignature:]),
	}
	for i := range b.entries {
		e := s[offEntries+i*entryLen:]
		b.entries[i] = entry{
			flag: e[0], kind: e[4],
			start:   int64(binary.LittleEndian.Uint32(e[8:])),
			sectors: int64(binary.LittleEndian.Uint32(e[12:])),
		}
	}
	return b
}

// bootFilesystem names the filesystem that sector 0 is the boot sector of. Such
// a sector ends in 55 AA as well. FAT is judged by its geometry, not by its type
// string, which is not authoritative (Microsoft FAT specification, section 3).
func bootFilesystem(s []byte) string {
	switch string(s[3:11]) {
	case "NTFS    ":
		return "ntfs"
	case "EXFAT   ":
		return "exfat"
	case "-FVE-FS-":
		return "BitLocker"
	}
	sector := binary.LittleEndian.Uint16(s[11:])
	cluster, reserved, fats, media := s[13], binary.LittleEndian.Uint16(s[14:]), s[16], s[21]
	if sector >= 512 && sector <= 4096 && sector&(sector-1) == 0 &&
		cluster != 0 && cluster&(cluster-1) == 0 && reserved != 0 && fats != 0 && (media >= 0xf8 || media == 0xf0) {
		return "vfat"
	}
	return ""
}

// used says that some entry has a size: the kernel's test, which does not look
// at the type.
func (b boot) used() bool {
	for _, e := range b.entries {
		if e.sectors > 0 {
			return true
		}
	}
	return false
}

// flagsValid: flags are 0 or 0x80 in a table. That is how the kernel and
// libblkid (dos.c) tell it from the boot sector of a filesystem, whose code or
// messages lie there.
func (b boot) flagsValid() bool {
	for _, e := range b.entries {
		if e.flag&0x7f != 0 {
			return false
		}
	}
	return true
}

// isTable says whether the sector is an MBR. The boot sector that mkfs.fat
// writes has zeros where a table's entries would be, that of mtools an entry
// that begins in sector 0; so a filesystem's boot sector must name a partition
// that begins behind it.
func (b boot) isTable() bool {
	if !b.magic || b.aix || !b.flagsValid() {
		return false
	}
	if b.filesystem == "" {
		return true
	}
	for _, e := range b.entries {
		if e.sectors > 0 && e.start > 0 {
			return true
		}
	}
	return false
}

// protective says that an entry declares a GPT. The kernel wants it to begin at
// block 1; libblkid does not, and checkProtective tells them apart. Neither
// looks at the flags, but in a filesystem's boot sector they matter.
func (b boot) protective() bool {
	if !b.magic || (b.filesystem != "" && !b.flagsValid()) {
		return false
	}
	for _, e := range b.entries {
		if e.kind == kindProtective {
			return true
		}
	}
	return false
}

// readMBR fills t from an MBR.
func (t *Table) readMBR(v blockmap.Volume, b boot) error {
	t.Kind = KindMBR
	if b.signature != 0 {
		t.ID = fmt.Sprintf("%08x", b.signature)
	}
	if b.filesystem != "" {
		t.broken("sector 0 is the boot sector of %s and a partition table at once; if the partitions are in use, wipe the filesystem's signature with wipefs", b.filesystem)
	}
	if err := t.mbrSectorSize(v, b); err != nil {
		return err
	}
	t.own = []blockmap.Range{{Off: 0, Len: t.SectorSize}}
	for i, e := range b.entries {
		if e.sectors > 0 {
			t.Partitions = append(t.Partitions, t.mbrPartition(i+1, 0, e))
		}
	}
	t.checkRegion("the disk", blockmap.Range{Off: 0, Len: v.Size()}, t.Partitions, t.own)
	// A primary that leaves the disk or overlaps says nothing about where the
	// chain of logical partitions would be, but reading it is harmless.
	next := 5
	for _, p := range t.Partitions {
		if p.Extended {
			n, err := t.readLogicals(v, p, next)
			if err != nil {
				return err
			}
			next = n
		}
	}
	for _, p := range t.Partitions {
		if p.Type == "0x00" {
			t.problem("partition %d has a size but type 0 (empty); Linux uses it, other tools do not see it", p.Number)
		}
	}
	return nil
}

// mbrPartition is an entry as a partition; base is what its start counts from,
// in bytes.
func (t *Table) mbrPartition(number int, base int64, e entry) Partition {
	p := Partition{
		Number:   number,
		Start:    base + e.start*t.SectorSize,
		Size:     e.sectors * t.SectorSize,
		Type:     fmt.Sprintf("0x%02x", e.kind),
		TypeName: mbrTypes[e.kind],
		Bootable: e.flag == 0x80,
		Extended: e.extended(),
	}
	if t.ID != "" {
		p.UUID = fmt.Sprintf("%s-%02x", t.ID, number)
	}
	return p
}
