package vhd

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	footerCookie = "conectix"
	headerCookie = "cxsparse"
	version      = 0x00010000 // of the footer and of the header
	reservedBit  = 2          // of the features: always set

	// The disk types.
	fixed   = 2
	dynamic = 3

	// Readers that do not trust the creator compute the size from the geometry,
	// which rounds down: QEMU before 2024 for all creators but a few, later ones
	// for "vpc " and "qemu". "win " is trusted by all of them. The largest
	// geometry says that the disk is beyond cylinders, heads and sectors, so that
	// QEMU of any age takes the size field; it is what qemu-img writes with
	// force_size, which is how Azure documents to make images.
	creator        = "win "
	creatorVersion = 0x000a0000
	creatorHost    = "Wi2k"
	cylinders      = 65535
	heads          = 16
	sectorsOnTrack = 255

	year = 365 * 24 * 60 * 60
)

// footer is the 512 bytes at the end of the file, and of a dynamic one at its
// beginning as well, big-endian (spec, "Hard
// Disk Footer Format"):
//
//	 0  8s  cookie            36  4s  creator host      64  u32 checksum
//	 8  u32 features          40  u64 original size     68  16s unique id
//	12  u32 version           48  u64 current size      84  u8  saved state
//	16  u64 dynamic header    56  u16 cylinders
//	24  u32 timestamp         58  u8  heads
//	28  4s  creator           59  u8  sectors
//	32  u32 creator version   60  u32 disk type
func footer(virtual int64, kind uint32, identity [32]byte) []byte {
	id := sha256.Sum256(append([]byte("migimg vhd footer\x00"), identity[:]...))
	b := make([]byte, footerLen)
	be := binary.BigEndian
	copy(b[0:], footerCookie)
	be.PutUint32(b[8:], reservedBit)
	be.PutUint32(b[12:], version)
	be.PutUint64(b[16:], ^uint64(0)) // none
	if kind == dynamic {
		be.PutUint64(b[16:], footerLen)
	}
	be.PutUint32(b[24:], timestamp(id))
	copy(b[28:], creator)
	be.PutUint32(b[32:], creatorVersion)
	copy(b[36:], creatorHost)
	be.PutUint64(b[40:], uint64(virtual))
	be.PutUint64(b[48:], uint64(virtual))
	be.PutUint16(b[56:], cylinders)
	b[58] = heads
	b[59] = sectorsOnTrack
	be.PutUint32(b[60:], kind)
	// RFC 9562, version 8: a UUID of the maker's own bits.
	copy(b[68:84], id[:16])
	b[68+6] = b[68+6]&0x0f | 0x80
	b[68+8] = b[68+8]&0x3f | 0x80
	be.PutUint32(b[64:], checksum(b))
	return b
}

// timestamp is in seconds since 2000. It stands for no moment, since an image
// of an unchanged disk must not change with the clock: the identity picks a
// second between 2000 and 2020, so that no reader finds it in the future. Only
// differencing disks, which compare their parent's, ever look at it.
func timestamp(id [32]byte) uint32 {
	return 1 + binary.BigEndian.Uint32(id[16:])%(20*year)
}

// dynamicHeader is the 1024 bytes after the footer copy (spec, "Dynamic Disk
// Header Format"). All about a parent disk is zeros.
//
//	 0  8s  cookie          24  u32 version          36  u32 checksum
//	 8  u64 next structure  28  u32 table's entries
//	16  u64 table's offset  32  u32 block size
func dynamicHeader(g geometry) []byte {
	b := make([]byte, headerLen)
	be := binary.BigEndian
	copy(b[0:], headerCookie)
	be.PutUint64(b[8:], ^uint64(0))
	be.PutUint64(b[16:], tableAt)
	be.PutUint32(b[24:], version)
	be.PutUint32(b[28:], uint32(g.entries))
	be.PutUint32(b[32:], block)
	be.PutUint32(b[36:], checksum(b))
	return b
}

// checksum is the complement of the sum of all bytes; the field itself must
// still be zero.
func checksum(b []byte) uint32 {
	sum := uint32(0)
	for _, x := range b {
		sum += uint32(x)
	}
	return ^sum
}
