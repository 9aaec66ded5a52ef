// Package fat finds the free space of FAT12, FAT16 and FAT32 filesystems.
//
// A file allocation table has one entry of 12, 16 or 32 bits for each cluster:
// zero says that the cluster is free, anything else that it is in use, bad, or
// reserved. There usually are two copies of the table. A cluster is freed where
// its entry is zero in all copies and no entry of any copy leads to it; the
// sectors before the first cluster (boot sector, FSInfo, backup, tables, the
// root directory of FAT12 and FAT16) and those behind the last are carried.
//
// The format has no checksums. What is checked is that the geometry is possible
// and that of the backup boot sector, that each table begins as one and has room
// for the clusters, that every entry is a value that an entry can have, that the
// root directory is in use, and that the filesystem was unmounted. Where one
// fails, the volume is carried whole and the report says why.
//
// The facts are those of Microsoft's "FAT32 File System Specification" 1.03
// (fatgen103), below called the specification, and of the kernel's fs/fat.
package fat

import (
	"context"
	"fmt"

	"migimg/blockmap"
)

// Scanner reads FAT12, FAT16 and FAT32. Its zero value is ready, and safe on a
// device whose filesystems are mounted: while Linux has one mounted for writing
// it is marked as not unmounted, and is carried whole. It has no state.
type Scanner struct {
	// Still maps also filesystems that are marked as not unmounted: then the mark
	// is what a crash left behind, and stays until a repair takes it away. It must
	// be set only where nothing can write to the volume.
	Still bool
}

var _ blockmap.StillScanner = Scanner{}

// WhenStill maps what is marked as in use, too.
func (Scanner) WhenStill() blockmap.Scanner { return Scanner{Still: true} }

// Name is "vfat", for all three.
func (Scanner) Name() string { return "vfat" }

// Probe looks for a boot sector with a possible geometry and, because boot code
// of other systems can look like one, for either a name of the format in it or
// the beginning of a table where it says that there is one.
func (Scanner) Probe(v blockmap.Volume) error {
	b, err := readBoot(v)
	if err != nil {
		return err
	}
	if b.named() {
		return nil
	}
	head := make([]byte, 3)
	off := b.fatStart()
	if v.Size() < off+int64(len(head)) {
		return blockmap.ErrNotMine
	}
	if err := blockmap.ReadFull(v, head, off); err != nil {
		return fmt.Errorf("vfat: FAT at byte %d: %w", off, err)
	}
	if head[0] != b.media || head[1] != 0xff || head[2] != 0xff {
		return blockmap.ErrNotMine
	}
	return nil
}

const (
	// A FAT that is mounted cannot be frozen (the kernel's driver does not support
	// it), and it is written lazily, cluster and table in any order. But a server
	// does not need the one that it nearly always has, the EFI system partition,
	// while it runs, and remounting it read-only writes everything and takes the
	// mark away (fat_remount in fs/fat/inode.c).
	notUnmounted = "it is mounted for writing, or was not unmounted after a crash: if it is mounted, unmount it or remount it read-only while copying (mount -o remount,ro /boot/efi); if it is not, run fsck.fat -a"

	notUnmountedStill = "it was not unmounted after a crash: the copy is as crashed as the disk; run fsck.fat -a"
)

// Scan frees the clusters that nothing refers to.
func (sc Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	b, err := readBoot(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := b.report()
	if r.Whole = b.check(v.Size()); r.Whole != "" {
		return r, nil
	}
	f := &fsys{v: v, boot: b}
	if r.Whole, err = f.checkBackup(); r.Whole != "" || err != nil {
		return r, err
	}
	if r.Label, err = f.label(); err != nil {
		return r, err
	}
	dirty := b.state&stateDirty != 0
	if dirty && !sc.Still {
		r.Whole = notUnmounted
		return r, nil
	}
	t, why, err := f.readTable(ctx)
	if why != "" || err != nil {
		r.Whole = why
		return r, err
	}
	if t.dirty && !sc.Still {
		r.Whole = notUnmounted
		return r, nil
	}
	if b.bits == 32 && !t.carried.get(b.rootCluster) {
		r.Whole = fmt.Sprintf("the root directory's first cluster, %d, is marked free: run fsck.fat", b.rootCluster)
		return r, nil
	}
	if r.Warnings, err = f.warnings(t); err != nil {
		return r, err
	}
	if dirty || t.dirty {
		if r.Whole, err = f.reach(ctx, t); r.Whole != "" || err != nil {
			return r, err
		}
		r.Warnings = append(r.Warnings, notUnmountedStill)
	}
	return r, f.freeClusters(t.carried, s)
}

// fsys is a filesystem whose boot sector has been checked.
type fsys struct {
	v blockmap.Volume
	*boot
}

// freeClusters frees what is not carried, run after run.
func (f *fsys) freeClusters(carried bitset, s blockmap.Sink) error {
	end := f.clusters + firstCluster
	for c := carried.next(firstCluster, end, false); c < end; {
		to := carried.next(c, end, true)
		if err := s.Free(f.offset(c), (to-c)*f.cluster); err != nil {
			return err
		}
		c = carried.next(to, end, false)
	}
	return nil
}
