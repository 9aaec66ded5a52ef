// Package f2fs finds the free space of F2FS filesystems.
//
// F2FS writes in logs. Its main area is cut into segments of 512 blocks, and
// the segment information table (SIT) has a bitmap of the valid blocks of each.
// The table has two halves; each block of it is in one or the other, and a
// bitmap in the checkpoint says in which. The latest changes are not in the
// table at all but in a journal of a few entries beside the checkpoint, of
// which there are two, too, the newer being the one that counts. A block that
// is not valid then is free; all but the main area is carried whole.
//
// A filesystem that was not unmounted cleanly is carried whole: what fsync wrote
// after the checkpoint lies in blocks that the table calls free, and is found
// again at the next mount. Before the table is believed, everything that can be
// checked is: the superblock against its copy, checksums, the order and the
// sizes of the areas, known features, no second device, both checkpoints, the
// counts in the checkpoint against those of the table.
//
// The facts are those of the kernel's Documentation/filesystems/f2fs.rst and of
// f2fs-tools (include/f2fs_fs.h and fsck/mount.c).
package f2fs

import (
	"context"
	"errors"
	"fmt"

	"migimg/blockmap"
)

// Scanner reads F2FS with blocks of 4 KiB. Its zero value carries every volume
// whole; it has no state.
type Scanner struct {
	// Still says that nothing can write to the volume. Without it nothing is freed:
	// a mounted filesystem stays marked as unmounted until its first checkpoint.
	Still bool
}

var _ blockmap.StillScanner = Scanner{}

// WhenStill maps.
func (Scanner) WhenStill() blockmap.Scanner { return Scanner{Still: true} }

const mayBeMounted = "the filesystem may be mounted and written to, and F2FS is not marked so at once: unmount it or mount it read-only, and what may be stacked on it, too"

const (
	// blockSize is in bytes. Kernels with larger pages can make larger blocks,
	// which are not read here.
	blockSize = 4096
	// segmentBlocks is how many blocks a segment has, always.
	segmentBlocks = 512
)

// Name is "f2fs".
func (Scanner) Name() string { return "f2fs" }

// Probe looks for the magic number of the first superblock.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := readSuper(v)
	return err
}

// Scan frees the blocks of the main area that the SIT calls not valid.
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
	if err := f.checkCopy(); err != nil {
		return r, err
	}
	c, err := f.readCheckpoint()
	if err != nil {
		return r, err
	}
	if r.Whole = c.check(sb); r.Whole != "" {
		return r, nil
	}
	if r.Whole, err = f.rollForward(c); r.Whole != "" || err != nil {
		return r, err
	}
	if !sc.Still {
		r.Whole = mayBeMounted
		return r, nil
	}
	j, err := f.readJournal(c)
	if err != nil {
		return r, err
	}
	return r, f.freeBlocks(ctx, c, j, s)
}

// errDamaged marks what is read and makes no sense.
var errDamaged = errors.New("damaged: run fsck.f2fs")

// damaged says what is wrong with the filesystem.
func damaged(format string, a ...any) error {
	return fmt.Errorf("f2fs: %s: %w", fmt.Sprintf(format, a...), errDamaged)
}

// fsys is a filesystem whose superblock has been checked.
type fsys struct {
	v  blockmap.Volume
	sb *super
}

// read fills p from block at on. what names it in the error.
func (f *fsys) read(p []byte, at int64, what string) error {
	if err := blockmap.ReadFull(f.v, p, at*blockSize); err != nil {
		return fmt.Errorf("f2fs: %s at byte %d: %w", what, at*blockSize, err)
	}
	return nil
}
