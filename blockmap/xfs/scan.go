// Package xfs finds the free space of XFS filesystems, version 4 and 5.
//
// A filesystem is cut into allocation groups. Each begins with four sectors of
// headers: a copy of the superblock, the AGF (free space), the AGI (inodes) and
// the AGFL (a few blocks set aside for the free-space trees to grow into). The
// AGF names the roots of two B-trees of the group's free extents, one sorted by
// place, one by length. The records of the first are free space; all else is
// carried: the headers, the blocks of all trees, those of the AGFL, the log.
//
// Before a record is believed, everything that can be checked is: that the
// log's last record is that of an unmounting, for else the trees on the disk
// are older than the log; the feature bits; checksums, UUIDs and the places
// that blocks say they lie at (version 5); the trees' levels, siblings, keys
// and order; that no record touches what is known to be in use; the counters
// in the AGF and their sum in the superblock. Where anything fails, the volume
// is carried whole and the report says why.
//
// The facts are those of the kernel's fs/xfs (libxfs/xfs_format.h,
// xfs_log_recover.c) and of xfsprogs.
package xfs

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"golang.org/x/sync/errgroup"

	"migimg/blockmap"
)

// Scanner reads XFS. Its zero value is safe on a device whose filesystems are
// mounted: it carries them whole. It has no state.
type Scanner struct {
	// Still says that nothing can write to the volume. It has to be told: unlike
	// ext4, XFS leaves no mark on the disk when it is mounted, and until the first
	// change the log still ends with the last unmounting. What is free then need
	// not be free when it is read.
	Still bool
	// Frozen says that the filesystem is mounted and frozen: see WhenFrozen.
	Frozen bool
}

var _ blockmap.StillScanner = Scanner{}

// WhenStill maps.
func (Scanner) WhenStill() blockmap.Scanner { return Scanner{Still: true} }

// Name is "xfs".
func (Scanner) Name() string { return "xfs" }

// Probe looks for the superblock's magic number in the volume's first bytes.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := readMagic(v)
	return err
}

const mayBeMounted = "the filesystem may be mounted and written to, and XFS has no mark that says so: unmount it or mount it read-only, and what may be stacked on it, too"

// groupsAtOnce is how many allocation groups have their headers read together.
const groupsAtOnce = 32

// Scan frees the extents in the free-space trees. What lies behind the
// filesystem's end is carried.
func (sc Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	sb, err := readSuper(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := sb.report()
	if r.Whole = sb.check(v.Size()); r.Whole != "" {
		return r, nil
	}
	f := &fsys{v: v, sb: sb}
	if sc.Frozen {
		if f.inodes, r.Whole = sb.inodeLayout(); r.Whole != "" {
			return r, nil
		}
		err := f.scanFrozen(ctx, s, &r)
		return r, err
	}
	if r.Whole, err = f.openLog().dirt(ctx); r.Whole != "" || err != nil {
		return r, err
	}
	if !sc.Still {
		r.Whole = mayBeMounted
		return r, nil
	}
	var t totals
	for first := int64(0); first < sb.groups; first += groupsAtOnce {
		groups, err := f.openGroups(ctx, first, min(groupsAtOnce, sb.groups-first))
		if err != nil {
			return r, err
		}
		for _, g := range groups {
			if err := f.freeGroup(ctx, g, s); err != nil {
				return r, err
			}
			t.add(g)
		}
	}
	return r, t.check(sb)
}

// fsys is a filesystem whose superblock has been checked.
type fsys struct {
	v      blockmap.Volume
	sb     *superblock
	inodes *inodeLayout // only where inodes are read
}

// read fills p from byte off of the volume on. what names it in the error.
func (f *fsys) read(p []byte, off int64, what string) error {
	if err := blockmap.ReadFull(f.v, p, off); err != nil {
		return fmt.Errorf("xfs: %s at byte %d: %w", what, off, err)
	}
	return nil
}

// readers is how many reads are on their way at once: a disk sorts them.
const readers = 8

// reads returns a group of goroutines that read, and the context that ends
// when one of them fails.
func reads(ctx context.Context) (*errgroup.Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	return g, ctx
}

// sumOf is the CRC-32C that b must have at byte at: over all of b, with the
// four bytes of the checksum itself as zeros (libxfs/xfs_cksum.h).
func sumOf(b []byte, at int) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli)
	c := crc32.Update(0, t, b[:at])
	c = ^c
	for range 4 { // zeros, without memory to be had for them
		c = t[byte(c)] ^ c>>8
	}
	return crc32.Update(^c, t, b[at+4:])
}

// sumIsWrong says that the checksum at byte at of b is, in words, or nothing.
func sumIsWrong(b []byte, at int) string {
	// Alone of all fields checksums are little-endian.
	got, want := binary.LittleEndian.Uint32(b[at:]), sumOf(b, at)
	if got == want {
		return ""
	}
	return fmt.Sprintf("checksum is %#08x, must be %#08x", got, want)
}
