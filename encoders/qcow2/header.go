package qcow2

import (
	"encoding/binary"
	"math/bits"
)

const (
	magic        = 0x514649fb // "QFI\xfb"
	headerLen    = 104        // of version 3 without a compression type
	headerLen2   = 72         // of version 2, which ends before the features
	extensionEnd = 8          // the mark that ends the header extensions: type 0, length 0
)

// header is the image's header and the end of its empty list of extensions,
// big-endian (spec, "Header"):
//
//	 0  u32 magic                   56  u32 refcount table's clusters
//	 4  u32 version                 60  u32 snapshots
//	 8  u64 backing file's offset   64  u64 snapshot table's offset
//	16  u32 backing file's length   72  u64 incompatible features
//	20  u32 cluster bits            80  u64 compatible features
//	24  u64 virtual size            88  u64 autoclear features
//	32  u32 encryption              96  u32 refcount order
//	36  u32 L1 entries             100  u32 header length
//	40  u64 L1 table's offset
//	48  u64 refcount table's offset
//
// Version 2 is the first 72 bytes; its refcounts have 16 bits, as ours have anyway.
func (g geometry) header(version int) []byte {
	b := make([]byte, headerLen+extensionEnd)
	be := binary.BigEndian
	be.PutUint32(b[0:], magic)
	be.PutUint32(b[4:], uint32(version))
	be.PutUint32(b[20:], uint32(bits.TrailingZeros64(uint64(g.cluster))))
	be.PutUint64(b[24:], uint64(g.virtual))
	be.PutUint32(b[36:], uint32(g.entries))
	be.PutUint64(b[40:], uint64(g.l1Offset()))
	be.PutUint64(b[48:], uint64(g.refTableOffset()))
	be.PutUint32(b[56:], uint32(g.refTable))
	if version == 2 {
		return b[:headerLen2+extensionEnd]
	}
	be.PutUint32(b[96:], refcountOrder)
	be.PutUint32(b[100:], headerLen)
	return b
}

const (
	compressionType   = 1 << 3 // an incompatible feature: not zlib
	compressionZstd   = 1
	headerLenWithType = 112
)

// headerZstd is the header of an image whose packed clusters are zstd's. It is longer:
//
//	104  u8 compression type
func (g geometry) headerZstd() []byte {
	b := make([]byte, headerLenWithType+extensionEnd)
	copy(b, g.header(3)[:headerLen])
	binary.BigEndian.PutUint64(b[72:], compressionType)
	binary.BigEndian.PutUint32(b[100:], headerLenWithType)
	b[104] = compressionZstd
	return b
}
