// Package ntfs finds the free space of NTFS volumes.
//
// Everything on an NTFS volume is a file, and each file is a record of the
// master file table $MFT, whose place is in the boot sector. Record 6 is
// $Bitmap: one bit a cluster, lowest bit first, zero for free. It lies wherever
// its runs say, as every file's contents do. What lies behind the last whole
// cluster (the copy of the boot sector, in the volume's last sector) is in no
// bitmap and is carried.
//
// Before the bitmap is believed, everything that can be checked is: the boot
// sector's geometry, the update sequence of each record that is read, $MFT
// against its mirror, the version and the flags of the volume, $LogFile being
// closed, Windows not being hibernated, no shadow copies (they read what they
// keep out of clusters that are free), the clusters of $Boot, $MFT, $MFTMirr,
// $LogFile and $Bitmap being marked used. Where anything fails, the volume is
// carried whole and the report says why.
//
// The facts are those of ntfs-3g (include/ntfs-3g/layout.h, logfile.h and
// libntfs-3g), and for shadow copies those of libvshadow's description of the
// format.
package ntfs

import (
	"context"
	"errors"
	"fmt"

	"migimg/blockmap"
)

// Scanner reads NTFS 1.2, 3.0 and 3.1. Its zero value carries every volume whole;
// it has no state.
type Scanner struct {
	// Still says that nothing can write to the volume. Without it nothing is freed:
	// not every driver marks a volume that it has mounted for writing.
	Still bool
}

var _ blockmap.StillScanner = Scanner{}

// WhenStill maps.
func (Scanner) WhenStill() blockmap.Scanner { return Scanner{Still: true} }

const mayBeMounted = "the volume may be mounted and written to, which cannot be seen on the disk: unmount it or mount it read-only, and what may be stacked on it, too"

// Name is "ntfs".
func (Scanner) Name() string { return "ntfs" }

// Probe looks for the name of the format in the boot sector. That of a volume
// of BitLocker is another one.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := readBoot(v)
	return err
}

// Scan frees the clusters whose bit in $Bitmap is zero.
func (sc Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	b, err := readBoot(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := blockmap.Report{Type: "ntfs", UUID: b.serial()}
	if r.Whole = b.check(v.Size()); r.Whole != "" {
		return r, nil
	}
	r.BlockSize = b.cluster
	f := &fsys{v: v, boot: b}
	if err := f.openMFT(); err != nil {
		return r, err
	}
	label, why, err := f.volume()
	r.Label, r.Whole = label, why
	if why != "" || err != nil {
		return r, err
	}
	if err := f.checkMirror(); err != nil {
		return r, err
	}
	for _, look := range []func() (string, error){f.logState, f.hibernated, f.shadows} {
		if r.Whole, err = look(); r.Whole != "" || err != nil {
			return r, err
		}
	}
	if !sc.Still {
		r.Whole = mayBeMounted
		return r, nil
	}
	bitmap, err := f.bitmap()
	if err != nil {
		return r, err
	}
	static, err := f.static()
	if err != nil {
		return r, err
	}
	e := &emitter{sink: s, cluster: b.cluster, static: static}
	if err := f.freeClusters(ctx, bitmap, e); err != nil {
		return r, err
	}
	// $Bitmap has no checksum: this is what shows that it is stale, or not the
	// bitmap at all.
	if e.clash > 0 {
		return r, damaged("$Bitmap marks %d clusters of metadata free", e.clash)
	}
	return r, nil
}

// errDamaged marks what is read and makes no sense.
var errDamaged = errors.New("damaged: run chkdsk /f")

// damaged says what is wrong with the volume.
func damaged(format string, a ...any) error {
	return fmt.Errorf("ntfs: %s: %w", fmt.Sprintf(format, a...), errDamaged)
}

// fsys is a volume whose boot sector has been checked.
type fsys struct {
	v    blockmap.Volume
	boot *boot
	mft  *stream // the contents of $MFT; while it is being opened, its first part
}

// read fills p from byte off of the volume on. what names it in the error.
func (f *fsys) read(p []byte, off int64, what string) error {
	if err := blockmap.ReadFull(f.v, p, off); err != nil {
		return fmt.Errorf("ntfs: %s at byte %d: %w", what, off, err)
	}
	return nil
}
