package vhdx

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"

	"migimg/encoders"
)

const (
	signature   = "vhdxfile"
	creator     = "migimg"
	headerLen   = 4096
	logVersion  = 0
	version     = 1
	checksumAt  = 4
	regionEntry = 32
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// identifier begins the file (2.2.1, "File Type Identifier"): the signature and
// who wrote it, in UTF-16.
func identifier() []byte {
	b := []byte(signature)
	for _, c := range utf16.Encode([]rune(creator)) {
		b = le.AppendUint16(b, c)
	}
	return b
}

// header is one of the two (2.2.2, "Headers"); the one with the larger sequence
// number counts. There is nothing in the log: its id is zeros.
//
//	 0  4s  signature        16  16s id of the last write to the file
//	 4  u32 CRC-32C          32  16s id of the last write to the disk
//	 8  u64 sequence number  48  16s log's id
//	64  u16 log's version    68  u32 log's length
//	66  u16 version          72  u64 log's offset
func header(sequence uint64, identity [32]byte) []byte {
	b := make([]byte, headerLen)
	copy(b, "head")
	le.PutUint64(b[8:], sequence)
	copy(b[16:], encoders.GUID("vhdx file write", identity))
	copy(b[32:], encoders.GUID("vhdx data write", identity))
	le.PutUint16(b[64:], logVersion)
	le.PutUint16(b[66:], version)
	le.PutUint32(b[68:], logLen)
	le.PutUint64(b[72:], logAt)
	le.PutUint32(b[checksumAt:], crc32.Checksum(b, castagnoli))
	return b
}

// regionTable names the table's and the metadata's places (2.2.3, "Region Table").
// The two copies are equal.
func (g geometry) regionTable() []byte {
	b := make([]byte, reserved)
	copy(b, "regi")
	le.PutUint32(b[8:], 2)
	region := func(at int, id [16]byte, off, n int64) {
		copy(b[at:], id[:])
		le.PutUint64(b[at+16:], uint64(off))
		le.PutUint32(b[at+24:], uint32(n))
		le.PutUint32(b[at+28:], 1) // who does not know it must not open the file
	}
	region(16, regionTableID, tableAt, g.tableLen())
	region(16+regionEntry, regionMetadataID, metadataAt, mib)
	le.PutUint32(b[checksumAt:], crc32.Checksum(b, castagnoli))
	return b
}

// known is a GUID of the specification, given as its five numbers are written.
func known(a uint32, b, c, d uint16, e uint64) (id [16]byte) {
	le.PutUint32(id[0:], a)
	le.PutUint16(id[4:], b)
	le.PutUint16(id[6:], c)
	binary.BigEndian.PutUint64(id[8:], e|uint64(d)<<48)
	return id
}

var (
	regionTableID    = known(0x2dc27766, 0xf623, 0x4200, 0x9d64, 0x115e9bfd4a08)
	regionMetadataID = known(0x8b7ca206, 0x4790, 0x4b9a, 0xb8fe, 0x575f050f886e)
)
