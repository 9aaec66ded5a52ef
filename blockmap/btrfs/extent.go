package btrfs

import "context"

// Flags of an extent item, at its byte 16 (kernel, struct btrfs_extent_item).
const (
	extentFlags     = 16
	extentItemSize  = 24
	extentIsData    = 1 << 0
	extentIsBlock   = 1 << 1
	blockGroupSize  = 24
	blockGroupFlags = 16
)

// readExtents walks the extent tree and frees what is between its extents. The
// owners of data are named if o is set.
func (f *fsys) readExtents(ctx context.Context, p pointer, e *emitter, o *owners) error {
	err := f.walk(ctx, p, nil, func(k key, b []byte) error {
		switch k.kind {
		case extentItem, metadataItem:
			return f.extent(k, b, e, o)
		case blockGroup:
			if f.sb.roCompat&roCompatBlockGroupTree != 0 {
				return refuse("block group %d is not in the block group tree: run btrfs check", k.id)
			}
			return f.group(k, b)
		case extentOwner, treeBlockRef, dataRef, sharedBlock, sharedData:
			o.item(k, b)
			return nil
		}
		return refuse("the extent tree has an item %v that is not known: a newer migimg may know it", k)
	})
	if err != nil {
		return err
	}
	if err := o.flush(); err != nil {
		return err
	}
	return e.finish()
}

// extent takes an extent, whose length is in its key, or that of a tree block,
// whose length is known.
func (f *fsys) extent(k key, b []byte, e *emitter, o *owners) error {
	if len(b) < extentItemSize || k.id > maxSize || k.off > maxSize {
		return refuse("extent %v is damaged, or of a format before 2009: run btrfs check", k)
	}
	flags, n := le.Uint64(b[extentFlags:]), int64(k.off)
	wrong := false
	switch {
	case k.kind == metadataItem:
		n = f.sb.nodeSize
		wrong = flags&extentIsBlock == 0 || k.off > maxLevel || f.sb.incompat&incompatSkinny == 0
	case flags&extentIsBlock != 0:
		wrong = n != f.sb.nodeSize
	}
	if wrong || (flags&extentIsBlock != 0) == (flags&extentIsData != 0) || n <= 0 || (int64(k.id)|n)%f.sb.sectorSize != 0 {
		return refuse("extent %v is damaged: run btrfs check", k)
	}
	kinds := uint64(groupData)
	if flags&extentIsBlock != 0 {
		kinds = groupMetadata | groupSystem
	}
	if err := e.used(int64(k.id), n, kinds); err != nil || o == nil || flags&extentIsData == 0 {
		return err
	}
	return o.extent(&f.chunks[e.chunk], int64(k.id), n, b)
}

// readGroups reads the tree of block groups.
func (f *fsys) readGroups(ctx context.Context, p pointer) error {
	return f.walk(ctx, p, nil, func(k key, b []byte) error {
		if k.kind != blockGroup {
			return refuse("the block group tree has an item %v that is not known: a newer migimg may know it", k)
		}
		return f.group(k, b)
	})
}

// group takes the item of a block group, of which each chunk has one (kernel,
// struct btrfs_block_group_item):
//
//	0 bytes used   8 owner of the chunk   16 type
func (f *fsys) group(k key, b []byte) error {
	if k.id > maxSize || len(b) < blockGroupSize {
		return refuse("block group %v is damaged: run btrfs check", k)
	}
	i := f.chunkOf(int64(k.id), 1)
	if i < 0 || f.chunks[i].start != int64(k.id) || f.chunks[i].length != int64(min(k.off, maxSize)) || f.chunks[i].kind != le.Uint64(b[blockGroupFlags:]) {
		return refuse("block group %d has no chunk like it: run btrfs check", k.id)
	}
	f.chunks[i].group = size(b)
	return nil
}

// checkTotals compares the extents with what is counted of them elsewhere. total
// is all of them, in bytes.
func (f *fsys) checkTotals(total int64) error {
	for i := range f.chunks {
		switch c := &f.chunks[i]; {
		case c.group < 0:
			return refuse("chunk %d has no block group: run btrfs check", c.start)
		case c.group != c.used:
			return refuse("block group %d counts %d used bytes, its extents have %d: run btrfs check", c.start, c.group, c.used)
		}
	}
	if total != f.sb.used {
		return refuse("the superblock counts %d used bytes, the extents have %d: run btrfs check", f.sb.used, total)
	}
	return nil
}
