// Package vdi checks and decodes VirtualBox's VDI 1.1 images, dynamic and fixed,
// for verify. The format has no specification: what is written here is that of
// VirtualBox's VDICore.h (the structures) and VDI.cpp (what it refuses), and of
// QEMU's block/vdi.c. It shares no code with what writes images.
package vdi

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"migimg/verify/decoder"
)

// Magic is the image signature 0xbeda107f, little endian, and MagicOffset where
// it is: after a text of 64 bytes that is for people only.
const (
	Magic       = "\x7f\x10\xda\xbe"
	MagicOffset = 0x40
)

const (
	sector = 512

	typeDynamic, typeFixed = 1, 2

	headerAt = 0x48 // where the header's size counts from

	// VDIHEADER1 is what VirtualBox asks for at least, and what QEMU writes;
	// VDIHEADER1PLUS has one more geometry.
	headerSize, headerSizePlus = 0x180, 0x190

	// qemuBlock is the only block size that QEMU opens; VirtualBox makes no
	// other, but opens every power of two.
	qemuBlock          = 1 << 20
	minBlock, maxBlock = 4 << 10, 256 << 20

	// maxBlocks bounds the block map: 64 TiB in blocks of 1 MiB.
	maxBlocks = 64 << 20
)

// header is what a reader needs of the first 512 bytes, little endian:
//
//	0 text, 0x40 signature, 0x44 version, 0x48 header size, 0x4c type, 0x50
//	flags, 0x54 comment, 0x154 block map offset, 0x158 data offset, 0x15c
//	geometry (4 each: cylinders, heads, sectors, sector size), 0x16c unused,
//	0x170 disk size, 0x178 block size, 0x17c extra bytes of a block, 0x180
//	blocks, 0x184 blocks allocated, 0x188 UUID, 0x198 UUID of the last change,
//	0x1a8 UUID of the parent, 0x1b8 UUID of the parent's last change, 0x1c8
//	geometry once more
type header struct {
	kind      uint32
	mapOff    int64
	dataOff   int64
	size      int64
	block     int64
	blocks    int64
	allocated int64
}

func (h *header) name() string {
	if h.kind == typeFixed {
		return "fixed"
	}
	return "dynamic"
}

// mapEnd is the first byte after the block map.
func (h *header) mapEnd() int64 { return h.mapOff + 4*h.blocks }

// dataEnd is the first byte after the last block.
func (h *header) dataEnd() int64 { return h.dataOff + h.allocated*h.block }

// parseHeader reads the header. It is not ok where the rest of the image cannot
// be made sense of; then a problem says why.
func parseHeader(f decoder.File, ps *decoder.Problems) (h header, ok bool) {
	b, err := f.Bytes(0, sector)
	if err != nil {
		ps.Err(0, "vdi: header", err)
		return h, false
	}
	le := binary.LittleEndian
	bad := func(off int64, format string, a ...any) (header, bool) {
		ps.Failf(off, "vdi: header: "+format, a...)
		return h, false
	}
	if string(b[MagicOffset:][:4]) != Magic {
		return bad(MagicOffset, "the signature is missing")
	}
	if v := le.Uint32(b[0x44:]); v != 0x10001 {
		return bad(0x44, "version %d.%d, must be 1.1", v>>16, v&0xffff)
	}
	h.kind = le.Uint32(b[0x4c:])
	if h.kind != typeDynamic && h.kind != typeFixed {
		return bad(0x4c, "type %d; only 1 (dynamic) and 2 (fixed) are complete in themselves", h.kind)
	}
	if !allZero(b[0x1a8:0x1c8]) {
		return bad(0x1a8, "names a parent: the image is not complete in itself")
	}
	h.block = int64(le.Uint32(b[0x178:]))
	if h.block < minBlock || h.block > maxBlock || bits.OnesCount64(uint64(h.block)) != 1 {
		return bad(0x178, "blocks of %d bytes, must be 1 MiB", h.block)
	}
	if v := le.Uint32(b[0x17c:]); v != 0 {
		return bad(0x17c, "%d extra bytes before each block: QEMU takes them for the disk's", v)
	}
	size := le.Uint64(b[0x170:])
	if size == 0 {
		return bad(0x170, "a disk of 0 bytes")
	}
	if size > maxBlocks*uint64(h.block) {
		ps.Unknownf(0x170, "vdi: header: a disk of %d bytes has too many blocks to check", size)
		return h, false
	}
	h.size = int64(size)
	h.blocks, h.allocated = int64(le.Uint32(b[0x180:])), int64(le.Uint32(b[0x184:]))
	if need := (h.size + h.block - 1) / h.block; h.blocks < need {
		return bad(0x180, "%d blocks; the disk has %d", h.blocks, need)
	} else if h.blocks > need {
		return bad(0x180, "%d blocks; the disk has %d, and tools that go by the block map make it longer", h.blocks, need)
	}
	if h.allocated > h.blocks {
		return bad(0x184, "%d blocks are said to be in the file; the disk has %d", h.allocated, h.blocks)
	}
	h.mapOff, h.dataOff = int64(le.Uint32(b[0x154:])), int64(le.Uint32(b[0x158:]))
	if h.mapOff%sector != 0 || h.mapOff < sector {
		return bad(0x154, "the block map is said to be at %d; it begins at a sector, after the header", h.mapOff)
	}
	if h.dataOff%sector != 0 || h.dataOff < h.mapEnd() {
		return bad(0x158, "the blocks are said to begin at %d; they do at a sector, after the block map's end at %d", h.dataOff, h.mapEnd())
	}
	checkHeader(b, &h, ps)
	return h, true
}

// checkHeader checks what a decoder could do without.
func checkHeader(b []byte, h *header, ps *decoder.Problems) {
	le := binary.LittleEndian
	switch n := le.Uint32(b[headerAt:]); {
	case n < headerSize:
		ps.Failf(headerAt, "vdi: header: %#x bytes long; VirtualBox wants %#x", n, headerSize)
	case n < headerSizePlus:
		if n > headerSize {
			ps.Warnf(headerAt, "vdi: header: %#x bytes long; known are %#x and %#x", n, headerSize, headerSizePlus)
		}
	default:
		if v := le.Uint32(b[0x1d4:]); v != sector {
			ps.Failf(0x1d4, "vdi: header: sectors of %d bytes in the second geometry; VirtualBox wants %d", v, sector)
		}
		if n > headerSizePlus {
			ps.Warnf(headerAt, "vdi: header: %#x bytes long; known are %#x and %#x", n, headerSize, headerSizePlus)
		}
	}
	// The flags are VirtualBox's own, shifted by 8: to write zeros when the file
	// grows, and fixed.
	if v := le.Uint32(b[0x50:]); v&^0x101 != 0 {
		ps.Failf(0x50, "vdi: header: flags %#x", v)
	}
	if v := le.Uint32(b[0x168:]); v != sector {
		ps.Failf(0x168, "vdi: header: sectors of %d bytes; QEMU wants %d", v, sector)
	}
	if h.block != qemuBlock {
		ps.Warnf(0x178, "vdi: header: blocks of %d bytes; QEMU opens only those of 1 MiB", h.block)
	}
	if h.size%sector != 0 {
		ps.Warnf(0x170, "vdi: header: a disk of %d bytes, which is no number of sectors; QEMU makes it longer", h.size)
	}
	if allZero(b[0x188:0x198]) {
		ps.Failf(0x188, "vdi: header: the disk's UUID is zero: VirtualBox does not open it")
	}
	if allZero(b[0x198:0x1a8]) {
		ps.Failf(0x198, "vdi: header: the UUID of the last change is zero: VirtualBox does not open it")
	}
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
