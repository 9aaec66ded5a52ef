// Package ext4 finds the free space of ext2, ext3 and ext4 filesystems.
//
// A filesystem is cut into groups of blocks. Each group has a bitmap of its
// blocks (of its clusters, with bigalloc); where it lies says the group's
// descriptor. A zero bit in a bitmap that can be believed is free space; all
// else is carried. Before a bitmap is believed, everything that can be
// checked is: checksums of superblock, descriptors and bitmaps, the counts of
// free blocks, the journal being empty, the feature bits being known. Where
// anything fails, the volume is carried whole and the report says why.
//
// The facts are those of the kernel's Documentation/filesystems/ext4 and, where
// that is silent, of fs/ext4 and of e2fsprogs' lib/ext2fs.
package ext4

import (
	"context"
	"fmt"

	"migimg/blockmap"
)

// Scanner reads ext2, ext3 and ext4. Its zero value is ready, and safe on a
// device whose filesystems are mounted: those that the kernel is writing to are
// marked as such until they are frozen, and are carried whole. It has no state.
type Scanner struct {
	// Replay maps also filesystems whose journal was not replayed, after a crash:
	// the journal is read and its blocks are put in their places in memory. It
	// must be set only where nothing can write to the volume, for a mounted
	// filesystem looks the same.
	Replay bool

	frozen bool // see WhenFrozen
}

var _ blockmap.StillScanner = Scanner{}

// WhenStill replays journals.
func (Scanner) WhenStill() blockmap.Scanner { return Scanner{Replay: true} }

// Name is "ext4", for all three.
func (Scanner) Name() string { return "ext4" }

// Probe looks for a plausible superblock at byte 1024.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := readSuper(v)
	return err
}

// Scan frees the blocks that the filesystem's bitmaps say are free, but never
// one of its fixed metadata, and then the ends of inode tables that were never
// used, and what an empty journal has held. What lies behind the filesystem's end is carried.
func (sc Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	sb, err := readSuper(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := sb.report()
	if sc.frozen {
		if warning := sb.thawedMark(); warning != "" {
			r.Warnings = append(r.Warnings, warning)
		}
	}
	if r.Whole = sb.check(v.Size()); r.Whole != "" {
		return r, nil
	}
	f := &fsys{v: v, sb: sb}
	j, err := f.openJournal()
	if err != nil {
		return r, err
	}
	if sb.incompat&incompatRecover != 0 || j != nil && j.start != 0 {
		if why, err := f.dirty(j, sc.Replay); why != "" || err != nil {
			r.Whole = why
			return r, err
		}
		r.Warnings = append(r.Warnings, "the journal was not replayed: the copy replays it when it is mounted, and what was deleted shortly before is in it still")
	}
	t, err := readTable(ctx, f)
	if err != nil {
		return r, err
	}
	static, apart := t.static(nil)
	if j != nil {
		alone := static.blocks() + j.static().blocks()
		static = append(static, j.static()...).clusters(sb)
		apart = apart && static.blocks() == alone
	}
	e := &emitter{sink: s, blockSize: sb.blockSize, ratio: sb.ratio, static: static}
	if err := f.freeClusters(ctx, t, e); err != nil {
		return r, err
	}
	for _, u := range append(f.unusedTables(t, apart), f.emptyJournal(j, apart)...) {
		if err := s.Free(u.from*sb.blockSize, (u.to-u.from)*sb.blockSize); err != nil {
			return r, err
		}
	}
	if n := e.clash - e.expected; n > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d blocks of metadata are marked free; they are carried: run e2fsck -f", n))
	}
	if sc.frozen {
		warnings, err := f.files(ctx, t, static, s)
		r.Warnings = append(r.Warnings, warnings...)
		return r, err
	}
	return r, nil
}

// dirty prepares f for a filesystem whose bitmaps on the disk are stale because
// the journal j holds newer ones, or says why it cannot.
func (f *fsys) dirty(j *journal, replay bool) (string, error) {
	const advice = ": mount and unmount it once, or run e2fsck"
	switch {
	case j == nil:
		return "the journal was not replayed, and is not in the filesystem" + advice, nil
	case f.sb.incompat&incompatRecover == 0:
		// The kernel throws such a journal away, e2fsck replays it.
		return "the journal holds transactions, but the filesystem is marked as not needing them: run e2fsck", nil
	case !replay:
		return "the filesystem is mounted and not frozen, or its journal was not replayed after a crash: freeze or unmount it; after a crash mount and unmount it once, or run e2fsck", nil
	case f.sb.compat&compatFastCommit != 0:
		return "the journal was not replayed, and may hold fast commits" + advice, nil
	}
	return f.recovered(j)
}

// fsys is a filesystem whose superblock has been checked.
type fsys struct {
	v   blockmap.Volume
	sb  *superblock
	log *log // what the journal will write; nil where it is empty
}

// readSuper reads the superblock, or answers blockmap.ErrNotMine.
func readSuper(v blockmap.Volume) (*superblock, error) {
	if v.Size() < superOffset+superSize {
		return nil, blockmap.ErrNotMine
	}
	b := make([]byte, superSize)
	if err := blockmap.ReadFull(v, b, superOffset); err != nil {
		return nil, fmt.Errorf("ext4: superblock at byte %d: %w", superOffset, err)
	}
	if !looksLike(b) {
		return nil, blockmap.ErrNotMine
	}
	return parseSuper(b), nil
}

// read fills p from block at on with what is there, or will be there when the
// journal is replayed. what names it in the error.
func (f *fsys) read(p []byte, at int64, what string) error {
	if err := f.readHome(p, at, what); err != nil || f.log == nil {
		return err
	}
	return f.log.replay(p, at)
}

// readHome fills p from block at on with what is on the disk.
func (f *fsys) readHome(p []byte, at int64, what string) error {
	off := at * f.sb.blockSize
	if err := blockmap.ReadFull(f.v, p, off); err != nil {
		return fmt.Errorf("ext4: %s at byte %d: %w", what, off, err)
	}
	return nil
}
