package iso9660

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// hybrid says what else the volume is, to be carried whole for it: the system
// area, the volume's first 32 KiB, is left to others by the standard, and images
// that boot from disks have partition tables in it, of partitions that may reach
// beyond the filesystem.
func hybrid(area []byte) string {
	const advice = ": an image that boots from disks, too; where its partitions end is not read"
	if area[510] == 0x55 && area[511] == 0xaa {
		for e := 446; e < 510; e += 16 {
			if binary.LittleEndian.Uint32(area[e+12:]) != 0 {
				return "the ISO 9660 volume has an MBR with partitions" + advice
			}
		}
	}
	for _, at := range []int{512, 2048, 4096} {
		if string(area[at:at+8]) == "EFI PART" {
			return "the ISO 9660 volume has a GPT" + advice
		}
	}
	// Apple: driver descriptor, partition map, HFS and HFS+.
	for at, marks := range map[int][]string{0: {"ER"}, 512: {"PM"}, 2048: {"PM"}, 1024: {"BD", "H+", "HX"}} {
		if slices.Contains(marks, string(area[at:at+2])) {
			return "the ISO 9660 volume is one of Apple's formats, too: where that ends is not read"
		}
	}
	return ""
}

// udfIDs are the standard identifiers of the extended area and of what may lie in
// it (ECMA-167, part 2, sections 9 and 8.3.1).
var udfIDs = []string{"BEA01", "NSR02", "NSR03", "TEA01", "BOOT2", "CDW02"}

// bridge says whether UDF shares the volume's files: its descriptors follow those
// of ISO 9660, whose sectors b begins with.
func bridge(b []byte) bool {
	for at := 0; at+sector <= len(b); at += sector {
		if slices.Contains(udfIDs, string(b[at+idAt:at+idAt+idLen])) {
			return true
		}
	}
	return false
}

// anchors are the sectors that may hold an anchor of UDF, in a volume of n
// sectors (ECMA-167, part 3, section 8.4.2.1; OSTA UDF, section 2.2.3).
func anchors(n int64) []int64 { return []int64{256, 512, n - 257, n - 256, n - 1} }

// isAnchor says whether b, of 16 bytes, begins the anchor volume descriptor in
// sector at: tag 2, with its checksum and its own place (ECMA-167, 3/7.2).
func isAnchor(b []byte, at int64) bool {
	var sum byte
	for i, c := range b[:16] {
		if i != 4 {
			sum += c
		}
	}
	le := binary.LittleEndian
	return le.Uint16(b) == 2 && b[4] == sum && int64(le.Uint32(b[12:])) == at
}

// bootImages says what is wrong with a boot catalog (El Torito 1.0, section 2),
// which is one sector here: entries of 32 bytes; the first validates it, then
// come the default entry and sections. end is the filesystem's end in sectors.
func bootImages(catalog []byte, end int64) string {
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += binary.LittleEndian.Uint16(catalog[i:])
	}
	if catalog[0] != 1 || catalog[30] != 0x55 || catalog[31] != 0xaa || sum != 0 {
		return "the ISO 9660 volume's boot catalog is damaged"
	}
	for at := 32; at+32 <= len(catalog); at += 32 {
		e := catalog[at:]
		switch e[0] {
		case 0x88, 0x00: // an image, to be booted or not
			// How long it is cannot be told: the count is what the firmware loads.
			if rba := int64(binary.LittleEndian.Uint32(e[8:])); rba >= end {
				return fmt.Sprintf("the ISO 9660 volume ends at sector %d, but a boot image begins at sector %d: where it ends cannot be told", end, rba)
			}
		}
	}
	return ""
}
