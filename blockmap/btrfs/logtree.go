package btrfs

import (
	"cmp"
	"context"
	"slices"

	"migimg/blockmap"
)

// An fsync between two commits writes log trees: one for each subvolume, with
// the items of the inodes that were synced, and one that has their roots, which
// the superblock points to. A commit ends them. Their blocks are of the
// generation after the committed one, they are owned by one object, and they are
// in no extent tree; neither are the extents of the files' new data. When the
// filesystem is mounted after a crash, the kernel first reserves both, then
// replays them (kernel, fs/btrfs/tree-log.c, btrfs_recover_log_trees,
// process_one_buffer and replay_one_extent; fs/btrfs/disk-io.c,
// btrfs_replay_log).

// maxPinned bounds the memory that a log may take, in ranges of 16 bytes.
const maxPinned = 1 << 20

// A file extent's item (kernel, struct btrfs_file_extent_item):
//
//	20 type (8)   21 logical address   29 length on the disk
const (
	fileExtentType = 20
	fileExtentAt   = 21
	fileExtentLen  = 29
	fileExtentSize = 53

	fileInline   = 0
	fileRegular  = 1
	filePrealloc = 2
)

// readLog collects what the log trees take, if there are any.
func (f *fsys) readLog(ctx context.Context) error {
	if f.sb.logRoot == 0 {
		return nil
	}
	f.log = true
	generation := f.sb.generation + 1
	top := pointer{logical: f.sb.logRoot, generation: generation, level: f.sb.logLevel, owner: logTree}
	var trees []pointer
	err := f.walk(ctx, top, f.pinBlock, func(k key, b []byte) error {
		if k.id != logTree || k.kind != rootItem || len(trees) >= maxPinned {
			return refuse("the log tree has an item %v that is not known: mount and unmount the filesystem once", k)
		}
		p, err := f.parseRoot(k, b, logTree, generation)
		trees = append(trees, p)
		return err
	})
	for _, p := range trees {
		if err != nil {
			return err
		}
		err = f.walk(ctx, p, f.pinBlock, f.logged)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(f.pinned, func(a, b blockmap.Range) int { return cmp.Compare(a.Off, b.Off) })
	return nil
}

// logged pins the extent of a file extent item.
func (f *fsys) logged(k key, b []byte) error {
	if k.kind != extentData {
		return nil
	}
	if len(b) < fileExtentAt {
		return refuse("the log tree's item %v is too short: mount and unmount the filesystem once", k)
	}
	switch b[fileExtentType] {
	case fileInline:
		return nil
	case fileRegular, filePrealloc:
		if len(b) == fileExtentSize {
			if le.Uint64(b[fileExtentAt:]) == 0 {
				return nil // a hole
			}
			return f.pin(size(b[fileExtentAt:]), size(b[fileExtentLen:]))
		}
	}
	return refuse("the log tree's item %v is damaged: mount and unmount the filesystem once", k)
}

func (f *fsys) pinBlock(logical int64) error { return f.pin(logical, f.sb.nodeSize) }

// pin adds a logical range to what is carried.
func (f *fsys) pin(at, n int64) error {
	switch {
	case n <= 0 || f.chunkOf(at, n) < 0:
		return refuse("the log tree names an extent at %d that lies in no chunk: mount and unmount the filesystem once", at)
	case len(f.pinned) >= maxPinned:
		return refuse("the log tree has more than %d extents: mount and unmount the filesystem once", maxPinned)
	}
	f.pinned = append(f.pinned, blockmap.Range{Off: at, Len: n})
	return nil
}
