package btrfs

import (
	"cmp"
	"context"
	"slices"
)

// Objects and kinds of items (kernel, include/uapi/linux/btrfs_tree.h).
const (
	rootTree       = 1
	extentTree     = 2
	chunkTree      = 3
	deviceTree     = 4
	blockGroupTree = 11

	devicesObject = 1
	chunkObject   = 256

	balanceObject = 1<<64 - 4
	logTree       = 1<<64 - 6
	relocTree     = 1<<64 - 8

	extentData    = 108
	rootItem      = 132
	extentItem    = 168
	metadataItem  = 169
	extentOwner   = 172
	treeBlockRef  = 176
	dataRef       = 178
	sharedBlock   = 182
	sharedData    = 184
	blockGroup    = 192
	deviceExtent  = 204
	deviceItem    = 216
	chunkItem     = 228
	temporaryItem = 248
	deviceReplace = 250
)

// maxChunks bounds the memory that a chunk tree may take: 256 TiB in chunks of 1
// GiB.
const maxChunks = 1 << 18

// readChunkTree reads the devices and the chunks.
func (f *fsys) readChunkTree(ctx context.Context) error {
	p := pointer{logical: f.sb.chunkRoot, generation: f.sb.chunkGeneration, level: f.sb.chunkLevel, owner: chunkTree}
	if err := f.readTreeID(p); err != nil {
		return err
	}
	var chunks []chunk
	arrayed := 0
	err := f.walk(ctx, p, nil, func(k key, b []byte) error {
		switch {
		case k.kind == deviceItem && k.id == devicesObject && len(b) == deviceItemSize && len(f.devices) < maxChunks:
			d := parseDevice(b)
			if d.id != k.off {
				return refuse("the chunk tree has device %d as device %d: run btrfs check", d.id, k.off)
			}
			f.devices = append(f.devices, d)
		case k.kind == chunkItem && k.id == chunkObject && k.off <= maxSize && len(chunks) < maxChunks:
			c, err := f.sb.parseChunk(int64(k.off), b)
			if err != nil {
				return err
			}
			if f.sameChunk(c.start, b) {
				arrayed++
			}
			chunks = append(chunks, c)
		default:
			return refuse("the chunk tree has an item %v that is not known, or too many items", k)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if arrayed != len(f.chunks) {
		return refuse("the superblock and the chunk tree do not agree on the system chunks: run btrfs check")
	}
	f.chunks = chunks
	if err := checkApart(chunks); err != nil {
		return err
	}
	return f.checkDevices()
}

// readTreeID takes the chunk tree's UUID from its root, as the kernel does.
func (f *fsys) readTreeID(p pointer) error {
	p.root, p.below = true, lastKey()
	b := make([]byte, f.sb.nodeSize)
	if err := f.readBlock(b, p); err != nil {
		return err
	}
	f.treeID = [16]byte(b[0x40:])
	return nil
}

// Offsets in a root item (kernel, struct btrfs_root_item), which starts with an
// inode item of 160 bytes.
const (
	rootGeneration = 160
	rootAddress    = 176
	rootLevel      = 238
	rootSize       = 239 // of the shortest that there is
)

// parseRoot reads a root item. owner is that of the tree's blocks.
func (f *fsys) parseRoot(k key, b []byte, owner, newest uint64) (pointer, error) {
	if len(b) < rootSize {
		return pointer{}, refuse("root item %v is too short: run btrfs check", k)
	}
	p := pointer{
		logical:    size(b[rootAddress:]),
		generation: le.Uint64(b[rootGeneration:]),
		level:      b[rootLevel],
		owner:      owner,
	}
	if p.logical <= 0 || p.logical%f.sb.sectorSize != 0 || p.level > maxLevel || p.generation > newest {
		return p, refuse("root item %v is damaged: run btrfs check", k)
	}
	return p, nil
}

// roots are the trees that a map is made from.
type roots struct {
	extent, device pointer
	groups         *pointer // nil where block groups are in the extent tree
}

// readRoots looks the trees up in the root tree, which also tells of work in
// progress.
func (f *fsys) readRoots(ctx context.Context) (r roots, err error) {
	found := map[uint64]pointer{}
	p := pointer{logical: f.sb.root, generation: f.sb.generation, level: f.sb.rootLevel, owner: rootTree}
	err = f.walk(ctx, p, nil, func(k key, b []byte) error {
		switch {
		case k.id == balanceObject && k.kind == temporaryItem:
			return refuse("a balance is running or paused: let it end, or cancel it with btrfs balance cancel")
		case k.kind != rootItem:
			return nil
		case k.id == relocTree:
			return refuse("a balance was interrupted: mount the filesystem and let the balance end, or cancel it")
		case k.id != extentTree && k.id != deviceTree && k.id != blockGroupTree:
			return nil
		case k.off != 0:
			return refuse("the filesystem has more than one tree %d, which is not known", k.id)
		}
		p, err := f.parseRoot(k, b, k.id, f.sb.generation)
		found[k.id] = p
		return err
	})
	if err != nil {
		return r, err
	}
	var haveExtent, haveDevice bool
	r.extent, haveExtent = found[extentTree]
	r.device, haveDevice = found[deviceTree]
	groups, haveGroups := found[blockGroupTree]
	if haveGroups {
		r.groups = &groups
	}
	switch {
	case !haveExtent || !haveDevice:
		return r, refuse("the root tree has no extent tree or no device tree: run btrfs check")
	case haveGroups != (f.sb.roCompat&roCompatBlockGroupTree != 0):
		return r, refuse("there is a block group tree without its feature, or the feature without the tree: run btrfs check")
	}
	return r, nil
}

// States of a device replacement, at byte 32 of its item (kernel, struct
// btrfs_dev_replace_item).
const (
	replaceState     = 32
	replaceStarted   = 1
	replaceSuspended = 4
)

// checkDeviceTree compares what the device tree says is allocated of this device
// with the chunks' stripes.
func (f *fsys) checkDeviceTree(ctx context.Context, p pointer) error {
	type place struct{ off, length, chunk int64 }
	var want []place
	for i := range f.chunks {
		for _, s := range f.chunks[i].stripes {
			want = append(want, place{s.off, s.length, f.chunks[i].start})
		}
	}
	slices.SortFunc(want, func(a, b place) int { return cmp.Compare(a.off, b.off) })
	sum := int64(0)
	for i, w := range want {
		if i > 0 && w.off < want[i-1].off+want[i-1].length {
			return refuse("chunks %d and %d overlap on the device: run btrfs check", want[i-1].chunk, w.chunk)
		}
		sum += w.length
	}
	if sum != f.sb.device.allocated {
		return refuse("the chunks take %d bytes of the device, which counts %d: run btrfs check", sum, f.sb.device.allocated)
	}
	err := f.walk(ctx, p, nil, func(k key, b []byte) error {
		switch {
		case k.kind == deviceReplace:
			if len(b) < replaceState+8 {
				return refuse("the item of device replacement is too short: run btrfs check")
			}
			if s := le.Uint64(b[replaceState:]); s == replaceStarted || s >= replaceSuspended {
				return refuse("a device is being replaced: let it end, or cancel it with btrfs replace cancel")
			}
		case k.kind == deviceExtent && k.id == f.sb.device.id:
			if len(b) < 32 || k.off > maxSize {
				return refuse("the device tree's item %v is damaged: run btrfs check", k)
			}
			if len(want) == 0 || want[0] != (place{int64(k.off), size(b[24:]), size(b[16:])}) {
				return refuse("the device tree and the chunk tree do not agree on byte %d of the device: run btrfs check", k.off)
			}
			want = want[1:]
		}
		return nil
	})
	if err == nil && len(want) > 0 {
		return refuse("the device tree lacks chunk %d: run btrfs check", want[0].chunk)
	}
	return err
}
