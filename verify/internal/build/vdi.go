package build

import (
	"bytes"
	"encoding/binary"
)

// VDI makes a disk as VirtualBox lays it out, but for the alignment, which is a
// sector. used lists the blocks in the file; a fixed disk has all.
func VDI(disk []byte, used []int, block int, fixed bool) Image {
	n := up(len(disk), block) / block
	kind := uint32(1)
	if fixed {
		kind, used = 2, nil
		for u := range n {
			used = append(used, u)
		}
	}
	table := bytes.Repeat([]byte{0xff}, 4*n)
	le := binary.LittleEndian
	for k, u := range used {
		le.PutUint32(table[4*u:], uint32(k))
	}
	data := up(512+4*n, 512)
	f := make([]byte, data)
	copy(f, "<<< Oracle VM VirtualBox Disk Image >>>\n")
	for at, v := range map[int]uint32{
		0x40: 0xbeda107f, 0x44: 0x10001, 0x48: 0x190, 0x4c: kind,
		0x154: 512, 0x158: uint32(data), 0x168: 512, 0x178: uint32(block),
		0x180: uint32(n), 0x184: uint32(len(used)), 0x1d4: 512,
	} {
		le.PutUint32(f[at:], v)
	}
	le.PutUint64(f[0x170:], uint64(len(disk)))
	copy(f[0x188:], "0123456789abcdef") // the disk
	copy(f[0x198:], "fedcba9876543210") // its last change
	copy(f[512:], table)
	for _, u := range used {
		f = append(f, padded(disk, u*block, block)...)
	}
	return Image{Bytes: f, Data: data, Slack: [][2]int{
		{0, 0x40},         // a text
		{0x48, 0x49},      // a header without the last geometry is one, too
		{0x50, 0x52},      // two flags without a meaning for readers
		{0x54, 0x154},     // a comment
		{0x15c, 0x168},    // the geometry
		{0x16c, 0x170},    // once the BIOS's translation
		{0x188, 0x1a8},    // two UUIDs
		{0x1c8, 0x1d4},    // another geometry
		{0x1d8, 0x200},    // after the header
		{512 + 4*n, data}, // after the block map
	}}
}
