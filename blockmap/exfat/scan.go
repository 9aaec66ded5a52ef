// Package exfat finds the free space of exFAT filesystems.
//
// The allocation bitmap, a file that the root directory names, has a bit for
// each cluster: a cluster is freed where it is zero. The file allocation table
// does not tell: files in one piece leave no trace in it. Everything outside the
// clusters (both boot regions, the tables, what lies behind the last cluster) is
// carried.
//
// Before the bitmap is believed, the checksums of the boot regions and of the
// up-case table are verified, the geometry is, the directory entries of the root
// have to be known ones, the bitmap has to have the size that the clusters need
// and to lie in one piece, and the clusters of bitmap, up-case table and root
// directory have to be in use. Where one fails, the volume is carried whole and
// the report says why.
//
// The facts are those of Microsoft's "exFAT file system specification", revision
// 1.00, below called the specification, and of the kernel's fs/exfat.
package exfat

import (
	"context"
	"fmt"
	"io"

	"migimg/blockmap"
)

// Scanner reads exFAT. Its zero value carries every filesystem whole; it has no
// state.
type Scanner struct {
	// Still says that nothing can write to the volume. Without it nothing is
	// freed: a filesystem that is mounted for writing need not be marked as such.
	// The kernel sets the mark when it first changes something and, but for the
	// newest, takes it away at each sync (exfat_sync_fs in fs/exfat/super.c).
	Still bool
}

var _ blockmap.StillScanner = Scanner{}

// WhenStill maps.
func (Scanner) WhenStill() blockmap.Scanner { return Scanner{Still: true} }

// Name is "exfat".
func (Scanner) Name() string { return "exfat" }

// Probe looks for the name and the mark at the end of the boot sector.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := readBoot(v)
	return err
}

const (
	inUse = "other parts of the disk are mounted for writing, and it cannot be seen in an exFAT whether it is, too: unmount them, or remount them read-only"

	dirty = "it is mounted for writing, or was not unmounted: unmount it, or run fsck.exfat"
)

// Scan frees the clusters whose bit is zero.
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
	var warning string
	if r.Whole, warning, err = f.checkRegions(); r.Whole != "" || err != nil {
		return r, err
	}
	if warning != "" {
		r.Warnings = append(r.Warnings, warning)
	}
	root, why, err := f.readRoot(ctx)
	r.Label = root.label
	if why != "" || err != nil {
		r.Whole = why
		return r, err
	}
	switch {
	case b.volumeFlags&flagDirty != 0:
		r.Whole = dirty
		return r, nil
	case !sc.Still:
		r.Whole = inUse
		return r, nil
	case b.volumeFlags&flagMediaFailure != 0:
		r.Warnings = append(r.Warnings, "a driver has noted errors of the disk: run fsck.exfat")
	}
	return r, f.freeClusters(ctx, root, s)
}

// fsys is a filesystem whose boot sector has been checked.
type fsys struct {
	v blockmap.Volume
	*boot
}

// readFull is ReadAt that takes a short read for an error.
func readFull(r io.ReaderAt, p []byte, off int64, what string) error {
	err := blockmap.ReadFull(r, p, off)
	if err == nil {
		return nil
	}
	return fmt.Errorf("exfat: %s at byte %d: %w", what, off, err)
}
