package blockmap

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// mark is a format's mark in a volume.
type mark struct {
	name string
	// off is a byte of the mark, or the last one of those that it was looked for in.
	off int64
	// atEnd says that its place is counted from the volume's end.
	atEnd bool
}

// Signatures names the formats whose marks a volume bears, most likely first.
// It recognises more than the scanners read, so that a volume can be named, and
// so that the marks of two formats in one volume are noticed.
func Signatures(v Volume) ([]string, error) {
	marks, err := findMarks(v)
	var names []string
	for _, m := range marks {
		if !slices.Contains(names, m.name) {
			names = append(names, m.name)
		}
	}
	return names, err
}

// findMarks finds the marks that Signatures names.
func findMarks(v Volume) ([]mark, error) {
	e, err := readEnds(v)
	if err != nil {
		return nil, err
	}
	var found []mark
	add := func(name string, off int64) { found = append(found, mark{name, off, false}) }
	for _, m := range magics {
		b, err := e.bytes(m.off, int64(len(m.bytes)))
		if err != nil {
			return nil, err
		}
		if string(b) == m.bytes {
			add(m.name, m.off)
		}
	}
	if suspended(e.head) {
		add("swsuspend", headLen-1)
	}
	if swap(e.head) {
		add("swap", headLen-1)
	}
	if lvm(e.head) {
		add("LVM2_member", headLen-1)
	}
	if fat(e.head) {
		add("vfat", headLen-1)
	}
	if ext(e.head) {
		add("ext4", headLen-1)
	}
	pool, err := zfs(e)
	if err != nil {
		return nil, err
	}
	if pool {
		add("zfs_member", zfsEnd-1)
	}
	members, err := raidMembers(e)
	if err != nil {
		return nil, err
	}
	return append(found, members...), nil
}

// pageSizes are those of Linux; a swap area's mark ends its first page (kernel,
// include/linux/swap.h).
var pageSizes = []int{4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10}

func swap(head []byte) bool { return pageMark(head, "SWAPSPACE2", "SWAP-SPACE") }

// suspended: a hibernated system lies in the swap area. TuxOnIce leaves the swap
// area's own mark in place.
func suspended(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\xed\xc3\x02\xe9\x98\x56\xe5\x0c")) ||
		pageMark(head, "S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001")
}

func pageMark(head []byte, marks ...string) bool {
	for _, size := range pageSizes {
		for _, m := range marks {
			if size <= len(head) && bytes.HasPrefix(head[size-10:size], []byte(m)) {
				return true
			}
		}
	}
	return false
}

// lvm: the label may lie in any of the first four sectors (lvm2,
// lib/label/label.h).
func lvm(head []byte) bool {
	for s := 0; s < 4 && s*512+32 <= len(head); s++ {
		if sector := head[s*512:]; string(sector[:8]) == "LABELONE" && string(sector[24:32]) == "LVM2 001" {
			return true
		}
	}
	return false
}

// fat: the type strings are not authoritative, so the boot sector's geometry
// must make sense too (Microsoft FAT specification, section 3).
func fat(head []byte) bool {
	if len(head) < 512 || head[510] != 0x55 || head[511] != 0xaa {
		return false
	}
	bps := binary.LittleEndian.Uint16(head[11:])
	spc, nfats := head[13], head[16]
	return bps >= 512 && bps <= 4096 && bps&(bps-1) == 0 && spc != 0 && spc&(spc-1) == 0 &&
		(nfats == 1 || nfats == 2) && (head[21] >= 0xf8 || head[21] == 0xf0) &&
		(bytes.HasPrefix(head[54:], []byte("FAT")) || bytes.HasPrefix(head[82:], []byte("FAT")) || bytes.HasPrefix(head[54:], []byte("MSDOS")))
}

// ext: two bytes of magic are too few to tell a superblock from a boot loader's
// code in the same place, so the fields around them must make sense (kernel,
// Documentation/filesystems/ext4/super.rst).
func ext(head []byte) bool {
	if len(head) < 2048 {
		return false
	}
	sb := head[1024:]
	le := binary.LittleEndian
	if le.Uint16(sb[56:]) != 0xef53 || le.Uint32(sb[4:])|le.Uint32(sb[0x150:]) == 0 || le.Uint32(sb[24:]) > 6 || le.Uint32(sb[76:]) > 1 {
		return false
	}
	const journalDev = 0x8 // an external journal has no groups
	return le.Uint32(sb[32:]) != 0 && le.Uint32(sb[40:]) != 0 || le.Uint32(sb[0x60:])&journalDev != 0
}

// zfsEnd is the end of the first label.
const zfsEnd = 256 << 10

// zfs looks for uberblocks in the first label, whose first 16 KiB zpool leaves
// alone, older signatures included (OpenZFS, include/sys/uberblock_impl.h).
func zfs(e *ends) (bool, error) {
	const from, n, step = 128 << 10, zfsEnd - 128<<10, 1 << 10
	const magic = 0x00bab10c
	b, err := e.bytes(from, n)
	if len(b) < n || err != nil {
		return false, err
	}
	found := 0
	for off := 0; off < n; off += step {
		if binary.LittleEndian.Uint64(b[off:]) == magic || binary.BigEndian.Uint64(b[off:]) == magic {
			found++
		}
	}
	return found >= 4, nil // as libblkid: a stray block of an old pool is no pool
}
