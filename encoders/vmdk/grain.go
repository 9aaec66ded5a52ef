package vmdk

import (
	"encoding/binary"
	"hash/adler32"

	"migimg/encoders/layout"
)

// A grain in the file:
//
//	 0  u64  the grain's first sector on the disk
//	 8  u32  length of what follows
//	12  zlib stream (RFC 1950): 78 01 | stored | 32 KiB | stored | 32 KiB | Adler-32
//
// and zeros to the sector. "stored" is the head of a deflate block that is not
// compressed (RFC 1951, 3.2.4). One such block holds at most 65535 bytes, so a
// grain takes two.
const (
	markerLen = 12
	zlibLen   = 2
	storedLen = 5
	half      = grain / 2
	adlerLen  = 4

	streamLen     = zlibLen + 2*storedLen + grain + adlerLen
	recordSectors = (markerLen + streamLen + sector - 1) / sector
	paddingLen    = recordSectors*sector - markerLen - streamLen
)

// grainParts are the pieces of a grain; device says where on the disk the k-th
// grain of the file lies.
func grainParts(device func(k int64) int64) []layout.Part {
	head := func(k int64) (b [markerLen + zlibLen + storedLen]byte) {
		marker(b[:], device(k), streamLen)
		stored(b[14:], false)
		return b
	}
	var second [storedLen]byte
	stored(second[:], true)
	return []layout.Part{
		{Name: "grain marker", Kind: layout.Meta, Len: markerLen + zlibLen + storedLen, Fill: func(p []byte, k, off int64) {
			b := head(k)
			copy(p, b[off:])
		}},
		{Name: "grain", Kind: layout.Data, Len: half},
		{Name: "stored block", Kind: layout.Meta, Len: storedLen, Fill: func(p []byte, _, off int64) { copy(p, second[off:]) }},
		{Name: "grain", Kind: layout.Data, Len: half, Off: half},
		{Name: "adler-32", Kind: layout.Packed, Len: adlerLen, Pack: sum},
		{Name: "padding", Kind: layout.Zero, Len: paddingLen},
	}
}

// marker writes a grain's marker and the two bytes that begin its zlib stream of n
// bytes.
func marker(b []byte, dev, n int64) {
	binary.LittleEndian.PutUint64(b[0:], uint64(dev/sector))
	binary.LittleEndian.PutUint32(b[8:], uint32(n))
	b[12], b[13] = 0x78, 0x01 // deflate, window of 32 KiB, fastest
}

// sum is the end of a zlib stream: the checksum of what is in it.
func sum(dst, src []byte) error {
	binary.BigEndian.PutUint32(dst, adler32.Checksum(src))
	return nil
}

// stored writes the head of a stored deflate block of half a grain.
func stored(b []byte, last bool) {
	b[0] = 0
	if last {
		b[0] = 1
	}
	binary.LittleEndian.PutUint16(b[1:], half)
	binary.LittleEndian.PutUint16(b[3:], ^uint16(half))
}
