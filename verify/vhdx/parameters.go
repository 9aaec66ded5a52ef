package vhdx

import (
	"encoding/binary"
	"math/bits"

	"migimg/verify/decoder"
)

const (
	minBlock, maxBlock = mib, 256 * mib // 2.6.2.1
	maxDisk            = 64 << 40       // 2.6.2.2

	// chunkSectors is how many sectors of the disk belong to one sector bitmap
	// block (2.4).
	chunkSectors = 1 << 23

	parameterFixed  = 1 << 0 // LeaveBlockAllocated
	parameterParent = 1 << 1 // HasParent
)

// parameters are what the metadata says of the disk. All is in bytes.
type parameters struct {
	block  int64
	size   int64
	sector int64 // the logical one
	fixed  bool  // the file is to have room for every block
}

// blocks is how many payload blocks the disk has, chunk how many of them share a
// sector bitmap block, and entries how many entries the block table has for both
// (2.4, 2.5).
func (p *parameters) blocks() int64  { return (p.size + p.block - 1) / p.block }
func (p *parameters) chunk() int64   { return chunkSectors * p.sector / p.block }
func (p *parameters) entries() int64 { return p.blocks() + (p.blocks()-1)/p.chunk() }

func (p *parameters) kind() string {
	if p.fixed {
		return "fixed"
	}
	return "dynamic"
}

// loadParameters reads the metadata items (2.6.2). It is not ok where the disk
// cannot be made sense of.
func loadParameters(f decoder.File, r extent, ps *decoder.Problems) (p parameters, ok bool) {
	v, ok := metadataTable(f, r, ps)
	if !ok {
		return p, false
	}
	missing(v, r.off, ps)
	le := binary.LittleEndian
	bad := func(item int, format string, a ...any) (parameters, bool) {
		ps.Failf(v[item].at, "vhdx: metadata: "+format, a...)
		return p, false
	}
	if id := v[itemID]; id.b != nil && allZero(id.b) {
		ps.Failf(id.at, "vhdx: metadata: the virtual disk ID is zero")
	}
	if x := v[itemPhysical]; x.b != nil && !sectorSize(le.Uint32(x.b)) {
		ps.Failf(x.at, "vhdx: metadata: physical sectors of %d bytes, must be 512 or 4096", le.Uint32(x.b))
	}
	if v[itemParameters].b == nil || v[itemSize].b == nil || v[itemLogical].b == nil {
		return p, false
	}
	flags := le.Uint32(v[itemParameters].b[4:])
	if flags&^(parameterFixed|parameterParent) != 0 {
		ps.Failf(v[itemParameters].at+4, "vhdx: metadata: file parameters: reserved bits %#x are not zero", flags&^(parameterFixed|parameterParent))
	}
	if flags&parameterParent != 0 {
		return bad(itemParameters, "file parameters: the disk has a parent: a differencing disk is not complete in itself")
	}
	p.fixed = flags&parameterFixed != 0
	p.block = int64(le.Uint32(v[itemParameters].b))
	if p.block < minBlock || p.block > maxBlock || bits.OnesCount64(uint64(p.block)) != 1 {
		return bad(itemParameters, "file parameters: blocks of %d bytes; they are a power of two from 1 MiB to 256 MiB", p.block)
	}
	if n := le.Uint32(v[itemLogical].b); !sectorSize(n) {
		return bad(itemLogical, "logical sectors of %d bytes, must be 512 or 4096", n)
	}
	p.sector = int64(le.Uint32(v[itemLogical].b))
	size := le.Uint64(v[itemSize].b)
	if size == 0 || size > maxDisk {
		return bad(itemSize, "a disk of %d bytes; it has at most %d (64 TiB)", size, int64(maxDisk))
	}
	p.size = int64(size)
	if p.size%p.sector != 0 {
		ps.Failf(v[itemSize].at, "vhdx: metadata: a disk of %d bytes, which is no number of sectors of %d", p.size, p.sector)
	}
	return p, true
}

func sectorSize(n uint32) bool { return n == 512 || n == 4096 }
