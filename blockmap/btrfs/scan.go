// Package btrfs finds the free space of btrfs filesystems.
//
// A btrfs addresses its blocks in a space of its own, the logical one. The
// chunk tree maps pieces of it to one device or more; the extent tree has an
// item for each range of it that is in use. So the free space of a device is
// what lies in none of its chunks, and what lies in a chunk and in no extent.
// The free space tree and the free space cache are not asked: they repeat, for
// speed, what the extent tree says.
//
// Before anything is believed, everything that can be checked is: the checksum,
// address, owner, generation and layout of each tree block that is read; that
// the chunk tree, the superblock's copy of its first chunks and the device tree
// say the same of the device; that each chunk has its block group, with as many
// bytes in it as its extents have, and that all of them together are what the
// superblock says is in use. Where anything fails, the volume is carried whole
// and the report says why. The first MiB and the superblocks are always
// carried.
//
// What is fsynced between two commits is in the log tree, whose blocks and whose
// files' new extents are in no extent tree yet: they are looked up, and carried.
//
// Of a filesystem on several devices the volume's share is found, if the
// metadata can be read from the volume alone.
//
// The facts are those of the kernel's include/uapi/linux/btrfs_tree.h and
// fs/btrfs, and of the on-disk format in btrfs-progs' documentation.
package btrfs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"migimg/blockmap"
)

var le = binary.LittleEndian

// Scanner reads btrfs. Its zero value is ready, and safe on a device whose
// filesystems are mounted. It has no state.
type Scanner struct {
	// Still says that nothing can write to the volume. Without it the volume is
	// carried whole: a mounted btrfs looks like any other, and with its next
	// commit everything new, from the superblock down, lies in what is free now.
	Still bool
	// Frozen says that the filesystem is mounted and frozen; see WhenFrozen.
	Frozen bool
}

var _ blockmap.StillScanner = Scanner{}

// WhenStill maps.
func (Scanner) WhenStill() blockmap.Scanner { return Scanner{Still: true} }

// Name is "btrfs".
func (Scanner) Name() string { return "btrfs" }

// Probe looks for the magic of the superblock at 64 KiB.
func (Scanner) Probe(v blockmap.Volume) error {
	_, err := readSuper(v)
	return err
}

// Scan frees what is in no chunk, and what is in no extent.
func (sc Scanner) Scan(ctx context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	raw, err := readSuper(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	sb := parseSuper(raw)
	r := sb.report()
	f := &fsys{v: v, sb: sb}
	if err = sb.check(v); err == nil && !sc.Still && !sc.Frozen {
		err = refuse("the filesystem may be mounted and written to, which cannot be seen on the disk, and what it will write lies in what is free now: unmount it or mount it read-only, and what may be stacked on it, too")
	}
	if err == nil {
		err = f.scan(ctx, s, sc.Frozen)
	}
	r.Warnings = f.warnings()
	if why := refusal(""); errors.As(err, &why) {
		r.Whole, err = string(why), nil
	}
	return r, err
}

// fsys is a filesystem whose superblock has been checked.
type fsys struct {
	v       blockmap.Volume
	sb      *superblock
	chunks  []chunk  // by their logical address
	treeID  [16]byte // of the chunk tree; that of all tree blocks
	devices []device
	pinned  []blockmap.Range // logical, ascending: what only the log tree knows of
	log     bool
	repairs repairs
	batches [2]*batch // of leaves, in turns
}

// scan reads the trees in the order in which they lead to each other. With data,
// it names what is the data of files.
func (f *fsys) scan(ctx context.Context, s blockmap.Sink, data bool) error {
	if err := f.bootstrap(); err != nil {
		return err
	}
	if err := f.readChunkTree(ctx); err != nil {
		return err
	}
	roots, err := f.readRoots(ctx)
	if err != nil {
		return err
	}
	if err := f.checkDeviceTree(ctx, roots.device); err != nil {
		return err
	}
	if err := f.readLog(ctx); err != nil {
		return err
	}
	if roots.groups != nil {
		if err := f.readGroups(ctx, *roots.groups); err != nil {
			return err
		}
	}
	e := &emitter{f: f, sink: s, pinned: f.pinned}
	var o *owners
	if data {
		o = &owners{sink: s}
	}
	if err := f.readExtents(ctx, roots.extent, e, o); err != nil {
		return err
	}
	if err := f.checkTotals(e.total); err != nil {
		return err
	}
	if err := e.unallocated(); err != nil {
		return err
	}
	// Last of all: were it mounted against all that was said, what was read may
	// have been overwritten with blocks that are as good.
	now, err := readSuper(f.v)
	if err != nil {
		return err
	}
	if string(now) != string(f.sb.raw) {
		return refuse("the filesystem was written to while it was read: unmount it")
	}
	return nil
}

// warnings is what the owner should know besides.
func (f *fsys) warnings() (w []string) {
	if f.sb.numDevices > 1 {
		w = append(w, f.otherDevices())
	}
	if f.log {
		w = append(w, "what was fsynced last is in the log tree, after a crash: the copy replays it when it is mounted")
	}
	if n := f.repairs.count.Load(); n > 0 {
		w = append(w, fmt.Sprintf("%d blocks of metadata have a bad copy, one of them at byte %d, and were read from another: run btrfs scrub", n, f.repairs.at.Load()))
	}
	return w
}

// refusal is why a volume is carried whole, as an error on its way up.
type refusal string

func (r refusal) Error() string { return "btrfs: " + string(r) }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }
