package qcow2

import (
	"fmt"

	"migimg/encoders"
)

const (
	entryLen = 8 // of an L1, L2 or refcount table entry, in bytes

	refcountOrder = 4 // refcounts of 16 bits: what readers other than QEMU expect
	refcountLen   = 1 << refcountOrder / 8

	maxL1       = 32 << 20 // QEMU's limit of the L1 table, in bytes (spec, "size")
	maxRefTable = 8 << 20  // QEMU's limit of the refcount table (spec, "Host cluster management")
)

// geometry is how many clusters each piece of the file has; the pieces lie in
// this order. It is pure arithmetic over the counts.
type geometry struct {
	cluster int64 // bytes
	virtual int64 // the disk as the guest sees it, in bytes
	entries int64 // of the L1 table: one for each L2 range of the disk

	refTable  int64 // clusters, as all that follow
	refBlocks int64
	l1        int64
	l2        int64
	data      int64
}

// newGeometry counts the clusters of an image of a disk of size bytes that has
// data clusters of cs bytes in l2 ranges of the disk.
func newGeometry(size, cs, l2, data int64) (geometry, error) {
	g := geometry{cluster: cs, virtual: ceil(size, sector) * sector, l2: l2, data: data}
	// At least one, for a disk of no bytes: readers want an L1 table.
	g.entries = max(1, ceil(size, cs*(cs/entryLen)))
	g.l1 = ceil(g.entries*entryLen, cs)
	if g.entries*entryLen > maxL1 {
		return g, g.tooLarge(size, "the L1 table")
	}
	// Refcount blocks count themselves and the table, so their number is the
	// smallest that is enough for all that is there.
	fixed := 1 + g.l1 + l2 + data
	for {
		blocks := ceil(fixed+g.refTable+g.refBlocks, cs/refcountLen)
		table := ceil(blocks*entryLen, cs)
		if blocks == g.refBlocks && table == g.refTable {
			break
		}
		g.refBlocks, g.refTable = blocks, table
	}
	if g.refTable*cs > maxRefTable {
		return g, g.tooLarge(size, "the refcount table")
	}
	return g, nil
}

func (g geometry) tooLarge(size int64, what string) error {
	return fmt.Errorf("qcow2: a disk of %d bytes in clusters of %d: %s would be larger than QEMU reads; choose a larger cluster size (up to %d): %w",
		size, g.cluster, what, maxCluster, encoders.ErrLimit)
}

// The offsets of the pieces in the file, in bytes.

func (g geometry) refTableOffset() int64  { return g.cluster }
func (g geometry) refBlocksOffset() int64 { return g.refTableOffset() + g.refTable*g.cluster }
func (g geometry) l1Offset() int64        { return g.refBlocksOffset() + g.refBlocks*g.cluster }
func (g geometry) l2Offset() int64        { return g.l1Offset() + g.l1*g.cluster }
func (g geometry) dataOffset() int64      { return g.l2Offset() + g.l2*g.cluster }

// size is the length of the file in bytes.
func (g geometry) size() int64 { return g.dataOffset() + g.data*g.cluster }

func ceil(a, b int64) int64 { return (a + b - 1) / b }
