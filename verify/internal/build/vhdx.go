package build

import (
	"encoding/binary"
	"hash/crc32"
)

// VHDXOptions are what a VHDX can be. The zero value is a dynamic disk of 1 MiB
// blocks and 512 byte sectors.
type VHDXOptions struct {
	Block  int // bytes
	Sector int // bytes
	Size   int // of the disk; 0 is the length of its bytes
	Fixed  bool
}

const mib = 1 << 20

// vhdxSum puts the CRC-32C of b into its second four bytes.
func vhdxSum(b []byte) {
	binary.LittleEndian.PutUint32(b[4:], 0)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// The places of a VHDX of this package: the log, the metadata region and the
// block table follow the header section.
const (
	VHDXLog      = 1 * mib
	VHDXMetadata = 2 * mib
	VHDXTable    = 3 * mib
)

// GUIDs as they are in a file: the first three groups are little endian.
const (
	guidTable      = "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"
	guidMetadata   = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
	guidParameters = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"
	guidSize       = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"
	guidDisk       = "\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46"
	guidLogical    = "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f"
	guidPhysical   = "\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56"
)

// vhdxHead makes the header section: file identifier, two headers, two region
// tables.
func vhdxHead(tableBytes int) []byte {
	b := make([]byte, mib)
	le := binary.LittleEndian
	copy(b, "vhdxfile")
	copy(b[8:], "t\x00e\x00s\x00t\x00")
	for i := range 2 {
		h := b[(1+i)<<16:][:4096]
		copy(h, "head")
		le.PutUint64(h[8:], uint64(7+i))
		copy(h[16:], "written by a tes")
		copy(h[32:], "data of a test..")
		le.PutUint16(h[66:], 1)
		le.PutUint32(h[68:], mib)
		le.PutUint64(h[72:], VHDXLog)
		vhdxSum(h)
		t := b[(3+i)<<16:][:1<<16]
		copy(t, "regi")
		le.PutUint32(t[8:], 2)
		for k, r := range []struct {
			id      string
			at, len int
		}{{guidTable, VHDXTable, tableBytes}, {guidMetadata, VHDXMetadata, mib}} {
			e := t[16+32*k:]
			copy(e, r.id)
			le.PutUint64(e[16:], uint64(r.at))
			le.PutUint32(e[24:], uint32(r.len))
			le.PutUint32(e[28:], 1)
		}
		vhdxSum(t)
	}
	return b
}

func vhdxMetadata(size int, o VHDXOptions) []byte {
	b := make([]byte, mib)
	le := binary.LittleEndian
	copy(b, "metadata")
	flags := uint32(0)
	if o.Fixed {
		flags = 1
	}
	items := []struct {
		id    string
		flags uint32
		value []byte
	}{
		{guidParameters, 4, le.AppendUint32(le.AppendUint32(nil, uint32(o.Block)), flags)},
		{guidSize, 6, le.AppendUint64(nil, uint64(size))},
		{guidDisk, 6, []byte("0123456789abcdef")},
		{guidLogical, 6, le.AppendUint32(nil, uint32(o.Sector))},
		{guidPhysical, 6, le.AppendUint32(nil, 4096)},
	}
	le.PutUint16(b[10:], uint16(len(items)))
	at := 1 << 16
	for i, x := range items {
		e := b[32+32*i:]
		copy(e, x.id)
		le.PutUint32(e[16:], uint32(at))
		le.PutUint32(e[20:], uint32(len(x.value)))
		le.PutUint32(e[24:], x.flags)
		at += copy(b[at:], x.value)
	}
	return b
}

// VHDX makes a disk. used lists the blocks in the file; a fixed disk has all.
func VHDX(disk []byte, used []int, o VHDXOptions) Image {
	if o.Block == 0 {
		o.Block = mib
	}
	if o.Sector == 0 {
		o.Sector = 512
	}
	if o.Size == 0 {
		o.Size = len(disk)
	}
	n := up(o.Size, o.Block) / o.Block
	if o.Fixed {
		used = nil
		for u := range n {
			used = append(used, u)
		}
	}
	ratio := (1 << 23) * o.Sector / o.Block
	entries := n + (n-1)/ratio
	table := make([]byte, up(8*entries, mib))
	le := binary.LittleEndian
	for u := range n {
		le.PutUint64(table[8*(u+u/ratio):], 2)
	}
	data := VHDXTable + len(table)
	for k, u := range used {
		le.PutUint64(table[8*(u+u/ratio):], uint64(data+k*o.Block)|6)
	}
	f := vhdxHead(len(table))
	f = append(f, make([]byte, mib)...)
	f = append(f, vhdxMetadata(o.Size, o)...)
	f = append(f, table...)
	for _, u := range used {
		f = append(f, padded(disk, u*o.Block, o.Block)...)
	}
	im := Image{Bytes: f, Data: data, Slack: [][2]int{
		{8, 1 << 16},                  // the creator, and what is reserved after it
		{1<<16 + 4096, 2 << 16},       // after the first header
		{2<<16 + 4096, 3 << 16},       // after the second
		{5 << 16, VHDXMetadata},       // the rest of the header section, and the log
		{VHDXTable + 8*entries, data}, // after the block table
	}}
	values := VHDXMetadata + 1<<16
	im.Slack = append(im.Slack,
		[2]int{VHDXMetadata + 32*6, values},     // after the metadata table
		[2]int{values + 16, values + 32},        // the disk's ID
		[2]int{values + 40, VHDXMetadata + mib}) // after the items
	if o.Fixed {
		im.Slack = append(im.Slack, [2]int{values + 4, values + 5}) // it says so
	}
	return im
}
