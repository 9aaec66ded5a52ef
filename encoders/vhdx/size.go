package vhdx

import (
	"fmt"

	"migimg/encoders"
)

const (
	mib      = 1 << 20
	reserved = 64 << 10 // what each of the first five structures has (MS-VHDX, 2.2)

	logAt      = 1 * mib
	logLen     = 1 * mib
	metadataAt = 2 * mib
	tableAt    = 3 * mib
	entryLen   = 8

	// maxDisk is 64 TiB (2.6.2.2, "Virtual Disk Size").
	maxDisk = 64 << 40

	// Hyper-V takes blocks from 1 to 256 MiB (2.6.2.1); large ones carry more free
	// space along.
	minBlock     = 1 * mib
	maxBlock     = 32 * mib
	defaultBlock = 2 * mib
	// Above this many, the default block is doubled.
	manyBlocks = 1 << 20
)

// geometry is the file's arithmetic.
type geometry struct {
	virtual int64 // bytes of the disk, a multiple of the sector
	sector  int64
	block   int64
	blocks  int64 // of the disk
	chunk   int64 // blocks that one sector bitmap block would stand for
	entries int64 // of the table
}

func newGeometry(size, sector, block int64) (geometry, error) {
	if sector == 0 {
		sector = 512
	}
	g := geometry{virtual: ceil(size, sector) * sector, sector: sector, block: block}
	switch {
	case size == 0:
		return g, fmt.Errorf("vhdx: the disk is empty, and a VHDX holds at least one sector: %w", encoders.ErrLimit)
	case g.virtual > maxDisk:
		return g, fmt.Errorf("vhdx: the disk has %d bytes, a VHDX holds at most %d (64 TiB); use another format: %w", size, int64(maxDisk), encoders.ErrLimit)
	case sector != 512 && sector != 4096:
		return g, fmt.Errorf("vhdx: the disk has sectors of %d bytes, a VHDX of 512 or 4096: %w", sector, encoders.ErrLimit)
	case block == 0:
		g.block = defaultBlock
		for ceil(size, g.block) > manyBlocks && g.block < maxBlock {
			g.block *= 2
		}
	case block < minBlock || block > maxBlock || block&(block-1) != 0:
		return g, fmt.Errorf("vhdx: block size %d: it is a power of two from %d to %d", block, minBlock, maxBlock)
	}
	g.blocks = ceil(size, g.block)
	g.chunk = (1 << 23) * sector / g.block
	g.entries = g.blocks + (g.blocks-1)/g.chunk
	return g, nil
}

// physical is the physical sector in bytes: what disks have today, unless the disk
// is no number of these.
func (g geometry) physical() int64 {
	if g.virtual%4096 != 0 {
		return g.sector
	}
	return 4096
}

// tableLen is the length of the table's region in bytes.
func (g geometry) tableLen() int64 { return ceil(g.entries*entryLen, mib) * mib }

// blockOffset is where the k-th block in the file begins, in MiB.
func (g geometry) blockOffset(k int64) int64 { return (tableAt + g.tableLen() + k*g.block) / mib }

func ceil(a, b int64) int64 { return (a + b - 1) / b }
