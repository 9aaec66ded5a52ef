package blockmap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// magic is how a format that no scanner reads, or that may lie under another,
// is known. The offsets are those of libblkid's probers (util-linux,
// libblkid/src/superblocks), read for facts.
type magic struct {
	name  string
	off   int64
	bytes string
}

var magics = []magic{
	{"crypto_LUKS", 0, "LUKS\xba\xbe"},
	{"crypto_LUKS", 16384, "SKUL\xba\xbe"}, // the second header of LUKS2, at its default place
	{"BitLocker", 3, "-FVE-FS-"},
	{"xfs", 0, "XFSB"},
	{"ntfs", 3, "NTFS    "},
	{"exfat", 3, "EXFAT   "},
	{"squashfs", 0, "hsqs"},
	{"erofs", 1024, "\xe2\xe1\xf5\xe0"},
	{"f2fs", 1024, "\x10\x20\xf5\xf2"},
	{"btrfs", 65536 + 64, "_BHRfS_M"},
	{"reiserfs", 65536 + 52, "ReIsEr"},
	{"jfs", 32768, "JFS1"},
	{"iso9660", 32769, "CD001"},
	{"bcache", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{"bcachefs", 4096 + 24, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"},
	{"linux_raid_member", 0, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00"},    // 1.1
	{"linux_raid_member", 4096, "\xfc\x4e\x2b\xa9\x01\x00\x00\x00"}, // 1.2
	{"VMFS", 1 << 20, "\x0d\xd0\x01\xc0"},
	{"ceph_bluestore", 0, "bluestore block device"},
	{"DRBD", -4096 + 60, "\x83\x74\x02\x6b"}, // from the end
	{"swap", 4096 - 10, "SWAPSPACE2"},
	{"swap", 8192 - 10, "SWAPSPACE2"},
	{"swap", 16384 - 10, "SWAPSPACE2"},
	{"swap", 65536 - 10, "SWAPSPACE2"},
	{"swsuspend", 4096 - 10, "S1SUSPEND"},
	{"swsuspend", 4096 - 10, "S2SUSPEND"},
}

// Signatures names the formats whose marks a volume bears, most likely first.
// It recognises more than the scanners read, so that a volume can be named, and
// so that the marks of two formats in one volume are noticed.
func Signatures(v Volume) ([]string, error) {
	var names []string
	add := func(n string) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	head := make([]byte, 132<<10)
	n, err := v.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading the start: %w", err)
	}
	head = head[:n]
	for _, m := range magics {
		off := m.off
		if off < 0 {
			off += v.Size()
		}
		if off < 0 || off+int64(len(m.bytes)) > v.Size() {
			continue
		}
		b := make([]byte, len(m.bytes))
		if off+int64(len(b)) <= int64(len(head)) {
			copy(b, head[off:])
		} else if _, err := v.ReadAt(b, off); err != nil {
			return nil, fmt.Errorf("reading at %d: %w", off, err)
		}
		if string(b) == m.bytes {
			add(m.name)
		}
	}
	if lvm(head) {
		add("LVM2_member")
	}
	if fat(head) {
		add("vfat")
	}
	if ext(head) {
		add("ext4")
	}
	for _, probe := range []func(Volume) (string, error){mdAtEnd, zfs, fakeraid} {
		name, err := probe(v)
		if err != nil {
			return nil, err
		}
		if name != "" {
			add(name)
		}
	}
	return names, nil
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
	return le.Uint16(sb[56:]) == 0xef53 && le.Uint32(sb[4:]) != 0 && le.Uint32(sb[24:]) <= 6 &&
		le.Uint32(sb[32:]) != 0 && le.Uint32(sb[40:]) != 0 && le.Uint32(sb[76:]) <= 1
}

// mdAtEnd finds the md superblocks that lie at a volume's end: 0.90, in the
// last whole 64 KiB before the last 64 KiB, and 1.0, 8 KiB to 12 KiB from the
// end (kernel, include/uapi/linux/raid/md_p.h).
func mdAtEnd(v Volume) (string, error) {
	sectors := v.Size() / 512
	for _, off := range []int64{v.Size()&^(64<<10-1) - 64<<10, ((sectors - 16) &^ 7) * 512} {
		if off < 0 {
			continue
		}
		var b [4]byte
		if _, err := v.ReadAt(b[:], off); err != nil && err != io.EOF {
			return "", fmt.Errorf("reading at %d: %w", off, err)
		}
		if binary.LittleEndian.Uint32(b[:]) == 0xa92b4efc || binary.BigEndian.Uint32(b[:]) == 0xa92b4efc {
			return "linux_raid_member", nil
		}
	}
	return "", nil
}

// zfs looks for uberblocks in the first label, whose first 16 KiB zpool leaves
// alone, older signatures included (OpenZFS, include/sys/uberblock_impl.h).
func zfs(v Volume) (string, error) {
	const from, n, step = 128 << 10, 128 << 10, 1 << 10
	if v.Size() < from+n {
		return "", nil
	}
	b := make([]byte, n)
	if _, err := v.ReadAt(b, from); err != nil && err != io.EOF {
		return "", fmt.Errorf("reading at %d: %w", from, err)
	}
	found := 0
	for off := 0; off < n; off += step {
		const magic = 0x00bab10c
		if binary.LittleEndian.Uint64(b[off:]) == magic || binary.BigEndian.Uint64(b[off:]) == magic {
			found++
		}
	}
	if found >= 4 { // as libblkid: a stray block of an old pool is no pool
		return "zfs_member", nil
	}
	return "", nil
}

// fakeraid finds the metadata that BIOS RAIDs keep in a disk's last sectors:
// Intel's and DDF's.
func fakeraid(v Volume) (string, error) {
	if v.Size() < 1<<20 {
		return "", nil
	}
	var b [1024]byte
	if _, err := v.ReadAt(b[:], v.Size()-int64(len(b))); err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the end: %w", err)
	}
	switch {
	case string(b[:24]) == "Intel Raid ISM Cfg Sig. ":
		return "isw_raid_member", nil
	case binary.BigEndian.Uint32(b[512:]) == 0xde11de11:
		return "ddf_raid_member", nil
	}
	return "", nil
}
