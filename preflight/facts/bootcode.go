package facts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Boot code, as BootSector.Code names it.
const (
	CodeNone       = "none"        // no code at all
	CodeGRUB2      = "grub2"       // boot.img of GRUB 2
	CodeGRUBLegacy = "grub-legacy" // stage1 of GRUB 0.9x
	CodeLILO       = "lilo"
	CodeSyslinux   = "syslinux" // the boot sector of syslinux or extlinux
	CodeWindows    = "windows"  // a Windows volume's boot sector
	CodeActive     = "active"   // code that starts the active partition's boot sector
	CodeOther      = "other"    // code that is not known
)

// BootSector is a sector that a BIOS, or boot code, starts.
type BootSector struct {
	// Volume is the volume's name, "" for the disk's first sector. Active is the
	// partition's flag in the table.
	Volume string
	Active bool
	Code   string
	// NextAt is the byte on the disk where the loader's next part lies, -1 where
	// the sector does not say. Next is "core" where GRUB's core image is there,
	// "empty" where only zeros are, "gpt" where a GPT was written over it, "" where
	// it cannot be told.
	NextAt int64
	Next   string
	// Err is why the sector could not be read.
	Err string
}

// Sector is how many bytes a BIOS loads of a boot sector, and the unit in which
// boot code counts.
const bootSectorSize = 512

// readSector reads and classifies one boot sector.
func readSector(view io.ReaderAt, volume string, at int64) BootSector {
	s := BootSector{Volume: volume, NextAt: -1}
	b := make([]byte, bootSectorSize)
	if err := readAll(view, b, at); err != nil {
		s.Err = err.Error()
		return s
	}
	s.Code = codeOf(b)
	switch s.Code {
	case CodeGRUB2: // grub-core/boot/i386/pc: GRUB_BOOT_MACHINE_KERNEL_SECTOR, 8 bytes
		s.NextAt = sectors(binary.LittleEndian.Uint64(b[0x5c:]))
	case CodeGRUBLegacy: // stage1/stage1.h: STAGE1_STAGE2_SECTOR, 4 bytes
		s.NextAt = sectors(uint64(binary.LittleEndian.Uint32(b[0x44:])))
	}
	if s.NextAt > 0 {
		s.Next = nextPart(view, s.NextAt)
	}
	return s
}

func sectors(n uint64) int64 {
	if n >= 1<<54 {
		return -1
	}
	return int64(n) * bootSectorSize
}

func readAll(view io.ReaderAt, b []byte, at int64) error {
	if view == nil {
		return errors.New("no access to its bytes")
	}
	if n, err := view.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("byte %d: %w", at, or2(err, io.ErrUnexpectedEOF))
	}
	return nil
}

func or2(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// nextPart tells GRUB's core image by the messages of its first sector
// (grub-core/boot/i386/pc/diskboot.S; stage2/start.S of GRUB 0.9x).
func nextPart(view io.ReaderAt, at int64) string {
	b := make([]byte, bootSectorSize)
	switch err := readAll(view, b, at); {
	case err != nil:
		return ""
	case bytes.Contains(b, []byte("Read")) && bytes.Contains(b, []byte("Error")):
		return "core"
	case len(bytes.Trim(b, "\x00")) == 0:
		return "empty"
	case string(b[:8]) == "EFI PART":
		return "gpt"
	}
	return ""
}

// codeOf tells the boot code of a sector by the texts and jumps that each loader's
// source has there: GRUB (boot.S, stage1.S: the word GRUB, a jump behind its
// parameters), LILO (first.S: its name at byte 6), syslinux (the OEM name that its
// installer writes), the generic codes by their messages.
func codeOf(b []byte) string {
	code := b[:440]
	has := func(s string) bool { return bytes.Contains(code, []byte(s)) }
	switch {
	case len(bytes.Trim(code, "\x00")) == 0:
		return CodeNone
	case string(b[6:10]) == "LILO":
		return CodeLILO
	case has("GRUB ") || has("Geom\x00Hard Disk\x00Read\x00"):
		if b[0] == 0xeb && b[1] == 0x48 {
			return CodeGRUBLegacy
		}
		return CodeGRUB2
	case string(b[3:11]) == "SYSLINUX", string(b[3:11]) == "EXTLINUX":
		return CodeSyslinux
	case has("BOOTMGR") || has("NTLDR"):
		return CodeWindows
	case has("Missing operating system") || has("Invalid partition table") || has("No active partition") || has("Missing OS") || has("MBR Error"):
		return CodeActive
	case string(b[:4]) == "XFSB", has("This is not a bootable disk"):
		// XFS has its superblock here; mkfs.fat writes code that only says so.
		return CodeNone
	}
	return CodeOther
}
