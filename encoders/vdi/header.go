package vdi

import (
	"encoding/binary"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/layout"
)

const (
	text       = "<<< Oracle VM VirtualBox Disk Image >>>\n"
	magic      = 0xbeda107f
	version    = 0x00010001
	headerSize = 0x190 // from its own field on: VDIHEADER1PLUS
	growing    = 1
	hole       = 0xffffffff
)

// header is the first sector, little-endian (VDIPREHEADER, VDIHEADER1PLUS):
//
//	000  64s text            154  u32 map's offset      178  u32 block size
//	040  u32 magic           158  u32 blocks' offset    17c  u32 bytes before a block
//	044  u32 version         15c  geometry, unused      180  u32 map's entries
//	048  u32 header's size   168  u32 sector size       184  u32 blocks in the file
//	04c  u32 type            170  u64 disk's size       188  16s uuid
//	050  u32 flags                                      198  16s uuid of this state
//	054 256s comment                                    1a8  2 x 16s parent's uuids
//	                                                    1c8  geometry, unused
//	                                                    1d4  u32 its sector size
//
// A geometry of zeros lets VirtualBox choose one; its sectors must have 512 bytes all
// the same (vdiValidateHeader).
func (g geometry) header(identity [32]byte) []byte {
	b := make([]byte, headerLen)
	le := binary.LittleEndian
	copy(b, text)
	le.PutUint32(b[0x40:], magic)
	le.PutUint32(b[0x44:], version)
	le.PutUint32(b[0x48:], headerSize)
	le.PutUint32(b[0x4c:], growing)
	le.PutUint32(b[0x154:], mapAt)
	le.PutUint32(b[0x158:], uint32(g.dataOffset()))
	le.PutUint32(b[0x168:], sector)
	le.PutUint64(b[0x170:], uint64(g.virtual))
	le.PutUint32(b[0x178:], block)
	le.PutUint32(b[0x180:], uint32(g.entries))
	le.PutUint32(b[0x184:], uint32(g.data))
	// VirtualBox refuses an image in which one of the two is zeros.
	copy(b[0x188:], encoders.GUID("vdi disk", identity))
	copy(b[0x198:], encoders.GUID("vdi state", identity))
	le.PutUint32(b[0x1d4:], sector)
	return b
}

// blockMap says which block of the file each of the disk is. Entries are asked for
// in ascending order, so that one rank serves all of a read.
func blockMap(blocks *blockmap.Map) layout.Filler {
	return func(p []byte, off int64) {
		k := int64(-1)
		layout.Table(entryLen, func(p []byte, i int64) {
			if !blocks.Carried(i) {
				binary.LittleEndian.PutUint32(p, hole)
				return
			}
			if k < 0 {
				k = blocks.Rank(i)
			}
			binary.LittleEndian.PutUint32(p, uint32(k))
			k++
		})(p, off)
	}
}
