package build

import (
	"bytes"
	"encoding/binary"
)

func vhdSum(b []byte) uint32 {
	var s uint32
	for _, c := range b {
		s += uint32(c)
	}
	return ^s
}

func vhdFooter(size int, kind uint32, dataOffset uint64) []byte {
	b := make([]byte, 512)
	be := binary.BigEndian
	copy(b, "conectix")
	be.PutUint32(b[8:], 2)
	be.PutUint32(b[12:], 0x10000)
	be.PutUint64(b[16:], dataOffset)
	be.PutUint32(b[24:], 800000000)
	copy(b[28:], "win ")
	be.PutUint32(b[32:], 0xa0000)
	copy(b[36:], "Wi2k")
	be.PutUint64(b[40:], uint64(size))
	be.PutUint64(b[48:], uint64(size))
	be.PutUint16(b[56:], 65535)
	b[58], b[59] = 16, 255
	be.PutUint32(b[60:], kind)
	copy(b[68:], "0123456789abcdef")
	be.PutUint32(b[64:], vhdSum(b))
	return b
}

// VHDFixed makes a fixed disk.
func VHDFixed(disk []byte) Image {
	return Image{Bytes: append(bytes.Clone(disk), vhdFooter(len(disk), 2, 1<<64-1)...)}
}

// VHD makes a dynamic disk with the given block size. used lists the blocks in
// it.
func VHD(disk []byte, used []int, block int) Image {
	n := up(len(disk), block) / block
	bitmap := up(block/512/8, 512)
	foot := vhdFooter(len(disk), 3, 512)
	var f bytes.Buffer
	f.Write(foot)
	h := make([]byte, 1024)
	be := binary.BigEndian
	copy(h, "cxsparse")
	be.PutUint64(h[8:], 1<<64-1)
	be.PutUint64(h[16:], 1536)
	be.PutUint32(h[24:], 0x10000)
	be.PutUint32(h[28:], uint32(n))
	be.PutUint32(h[32:], uint32(block))
	be.PutUint32(h[36:], vhdSum(h))
	f.Write(h)
	bat := bytes.Repeat([]byte{0xff}, up(4*n, 512))
	at := 1536 + len(bat)
	for _, u := range used {
		be.PutUint32(bat[4*u:], uint32(at/512))
		at += bitmap + block
	}
	f.Write(bat)
	im := Image{}
	for _, u := range used {
		// Bits after those of the block's sectors are padding.
		im.Slack = append(im.Slack, [2]int{f.Len() + block/512/8, f.Len() + bitmap})
		f.Write(bytes.Repeat([]byte{0xff}, bitmap))
		f.Write(padded(disk, u*block, block))
	}
	f.Write(foot)
	im.Bytes = f.Bytes()
	return im
}
