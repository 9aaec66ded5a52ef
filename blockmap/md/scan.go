// Package md follows what is inside of a member of a Linux software RAID1.
//
// A member (kernel, include/uapi/linux/raid/md_p.h and drivers/md/md.c) holds a
// superblock, whose version says where it lies, and one run of data. Beside them
// may lie a bitmap of what is being written and a list of bad blocks. Of a RAID1
// the data is all of the array, so it is handed on to be scanned, as the volume
// "md". Everything around it is carried. md itself knows nothing of free space.
//
// A RAID1 is followed only where this member alone can be the array: it is active
// and not being recovered, reshaped or replaced, has no bad blocks, and is in sync
// with the others. While an array is written to, or after a crash, the members
// may differ; then the one that the kernel would copy to the others is followed:
// the first, if the array has no bitmap (see checkSync). Other levels spread their data
// over the members and are carried whole, as is what has features that are not known.
// The superblock's checksum is verified, and that nothing of md's own overlaps the data.
//
// Where all active members are there and agree, the array is assembled (see Assemble):
// a RAID1, a RAID0 whose members have one size, or a linear one. Levels with parity stay
// whole: their free space counts for the parity of what is in use.
package md

import (
	"context"
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// Scanner reads members with superblocks of version 0.90, in either byte order,
// 1.0, 1.1 and 1.2. Its zero value is ready; it has no state.
type Scanner struct{}

var (
	_ blockmap.Assembler = Scanner{}
	_ blockmap.Container = Scanner{}
)

// Name is "linux_raid_member".
func (Scanner) Name() string { return "linux_raid_member" }

// Probe looks for superblocks. A damaged one counts where it is at the volume's
// start; at the end it may be that of a partition, or nobody's.
func (Scanner) Probe(v blockmap.Volume) error {
	found, err := find(v)
	if err == nil && len(found) == 0 {
		err = blockmap.ErrNotMine
	}
	return err
}

// Scan hands on the data of a RAID1. It frees nothing itself.
func (Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	m, err := read(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := blockmap.Report{Type: "linux_raid_member", UUID: m.uuid, Label: m.name, Features: m.features(), Whole: m.whole}
	if r.Whole != "" {
		return r, nil
	}
	data, err := blockmap.Section(v, m.data.Off, m.data.Len)
	if err != nil {
		return r, fmt.Errorf("md: %w", err)
	}
	if m.disks > 1 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("one of %d members of a RAID1: an image of it alone starts as a degraded array, and may need mdadm --run; afterwards add a disk, or mdadm --grow --raid-devices=1 --force", m.disks))
	}
	if err := s.Nested("md", data); err != nil {
		return r, err
	}
	return r, ctx.Err()
}

// Holds says that the byte at off belongs to the array's data, if that can be
// followed. See [blockmap.Container].
func (Scanner) Holds(v blockmap.Volume, off int64) bool {
	m, err := read(v)
	return err == nil && m.whole == "" && m.data.Off <= off && off < m.data.End()
}

// read finds the superblock and all that depends on other parts of v.
func read(v blockmap.Volume) (*member, error) {
	found, err := find(v)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, blockmap.ErrNotMine
	}
	m := found[0]
	if len(found) > 1 {
		m.refuse("there are RAID superblocks of versions %s and %s: erase the one that is not in use (mdadm --zero-superblock --metadata=VERSION)", m.version, found[1].version)
	}
	if m.apart == "" {
		m.check(v.Size())
	}
	if m.apart == "" && m.bitmap.Len > 0 {
		if err := m.readBitmap(v); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// find reads the superblocks that v has, in all places.
func find(v blockmap.Volume) (found []*member, err error) {
	sectors := v.Size() / sectorSize
	if v.Size() < minSize {
		return nil, nil
	}
	read := func(b []byte, version string, at int64) error {
		err := blockmap.ReadFull(v, b, at)
		if err == nil {
			return nil
		}
		return fmt.Errorf("md: superblock %s at byte %d: %w", version, at, err)
	}
	for _, p := range []struct {
		version string
		at      int64
		parse   func(b []byte, at int64) *member
	}{
		{"1.1", 0, parse1},
		{"1.2", 4096, parse1},
		// As the kernel computes them: super_1_load and calc_dev_sboffset.
		{"1.0", (sectors - 16) &^ 7 * sectorSize, parse1},
		{"0.90", v.Size()&^(reserved-1) - reserved, parse0},
	} {
		// The magic alone first: a bad sector beside it is nothing to a volume that
		// holds something else.
		b := make([]byte, superSize)
		if err := read(b[:4], p.version, p.at); err != nil {
			return nil, err
		}
		if binary.LittleEndian.Uint32(b) != magic && binary.BigEndian.Uint32(b) != magic {
			continue
		}
		if err := read(b, p.version, p.at); err != nil {
			return nil, err
		}
		m := p.parse(b, p.at)
		if m == nil || m.damaged && p.at > 4096 {
			continue
		}
		m.version = p.version
		found = append(found, m)
	}
	return found, nil
}
