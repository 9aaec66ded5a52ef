package btrfs

import (
	"bytes"
	"cmp"
	"slices"
)

// Types of chunks and block groups (kernel, include/uapi/linux/btrfs_tree.h).
const (
	groupData     = 1 << 0
	groupSystem   = 1 << 1
	groupMetadata = 1 << 2
	groupRAID0    = 1 << 3
	groupRAID1    = 1 << 4
	groupDup      = 1 << 5
	groupRAID10   = 1 << 6
	groupRAID5    = 1 << 7
	groupRAID6    = 1 << 8
	groupRAID1C3  = 1 << 9
	groupRAID1C4  = 1 << 10

	groupTypes = groupData | groupSystem | groupMetadata
	groupKnown = 1<<11 - 1
)

// stripeLen is how much of a chunk lies on one device before the next one's
// turn comes (kernel, fs/btrfs/volumes.h, BTRFS_STRIPE_LEN).
const stripeLen = 64 << 10

// chunk is a piece of the logical space. A chunk of several columns lays its
// bytes across them in turns of stripeLen.
type chunk struct {
	start, length int64 // logical
	kind          uint64
	columns       int64
	parity        bool     // RAID5, RAID6: what lies where is not looked into
	stripes       []stripe // only those on this device
	item          []byte   // in the array of system chunks, to compare with
	used          int64    // bytes in extents
	group         int64    // bytes that the block group says are used; -1 without one
}

// stripe is a column, or a copy of one, on the device.
type stripe struct {
	off, length int64 // on the device
	column      int64
}

func (c *chunk) end() int64 { return c.start + c.length }

// before is how many of the chunk's first x bytes lie in a column. So a run of
// the chunk is one run of each column, too.
func (c *chunk) before(column, x int64) int64 {
	if c.columns == 1 {
		return x
	}
	row := stripeLen * c.columns
	return x/row*stripeLen + min(max(x%row-column*stripeLen, 0), stripeLen)
}

// profile is what a profile makes of num stripes: columns of data and copies of
// each of them. Zero columns mean that there can be no such chunk.
func profile(kind uint64, num, sub int64) (columns, copies int64) {
	exactly := func(n int64) (int64, int64) {
		if num != n {
			return 0, 0
		}
		return 1, n
	}
	switch kind &^ groupTypes {
	case 0:
		return exactly(1)
	case groupDup, groupRAID1:
		return exactly(2)
	case groupRAID1C3:
		return exactly(3)
	case groupRAID1C4:
		return exactly(4)
	case groupRAID0:
		return num, 1
	case groupRAID10:
		if sub != 2 || num%2 != 0 {
			return 0, 0
		}
		return num / 2, 2
	case groupRAID5:
		return max(0, num-1), 1
	case groupRAID6:
		return max(0, num-2), 1
	}
	return 0, 0
}

// parseChunk reads the chunk item b of the chunk at the logical address start
// (kernel, struct btrfs_chunk):
//
//	0 length   8 owner   16 stripe length   24 type   32 three numbers (32)
//	44 number of stripes (16)   46 sub-stripes (16)   48 stripes
//
// and of each stripe: 0 device id   8 offset   16 device's uuid[16]. The
// conditions are those of the kernel's btrfs_check_chunk_valid
// (fs/btrfs/tree-checker.c).
func (s *superblock) parseChunk(start int64, b []byte) (chunk, error) {
	bad := func(what string) (chunk, error) {
		return chunk{}, refuse("chunk %d: %s: run btrfs check", start, what)
	}
	if len(b) < chunkSize {
		return bad("its item is too short")
	}
	c := chunk{start: start, length: size(b), kind: le.Uint64(b[24:]), group: -1}
	num, sub := int64(le.Uint16(b[44:])), int64(le.Uint16(b[46:]))
	mixed := c.kind&groupData != 0 && c.kind&groupMetadata != 0
	switch {
	case c.kind&^groupKnown != 0:
		return chunk{}, refuse("chunk %d is of the unknown type %#x: a newer migimg may know it", start, c.kind)
	case start < 0 || c.length <= 0 || start%s.sectorSize != 0 || c.length%s.sectorSize != 0:
		return bad("its place is impossible")
	case int64(len(b)) != chunkSize+num*stripeSize:
		return bad("the number of its stripes is wrong")
	case le.Uint64(b[16:]) != stripeLen:
		return bad("the length of its stripes is not 64 KiB")
	case c.kind&groupTypes == 0 || c.kind&groupSystem != 0 && c.kind&groupTypes != groupSystem,
		mixed && s.incompat&incompatMixedGroups == 0:
		return bad("its type is impossible")
	}
	var copies int64
	c.columns, copies = profile(c.kind, num, sub)
	if c.columns < 1 || c.length%c.columns != 0 {
		return bad("its profile is impossible")
	}
	c.parity = c.kind&(groupRAID5|groupRAID6) != 0
	for i, d := int64(0), b[chunkSize:]; i < num; i, d = i+1, d[stripeSize:] {
		if le.Uint64(d) != s.device.id {
			continue
		}
		p := stripe{off: size(d[8:]), length: c.length / c.columns}
		if !c.parity && c.columns > 1 {
			p.column = i / copies
		}
		switch {
		case [16]byte(d[16:]) != s.device.uuid:
			return bad("it names another device by this one's number")
		case p.off < 0 || p.off%s.sectorSize != 0 || p.off > s.device.total-p.length:
			return bad("it leaves the device")
		}
		c.stripes = append(c.stripes, p)
	}
	return c, nil
}

const (
	chunkSize  = 48
	stripeSize = 32
)

// bootstrap takes the chunks that the chunk tree itself lies in from the
// superblock.
func (f *fsys) bootstrap() error {
	for b := f.sb.array; len(b) > 0; {
		if len(b) < keySize+chunkSize {
			return refuse("the superblock's array of system chunks is cut off: run btrfs check")
		}
		k, n := parseKey(b), chunkSize+stripeSize*int(le.Uint16(b[keySize+44:]))
		b = b[keySize:]
		if k.id != chunkObject || k.kind != chunkItem || k.off > maxSize || n > len(b) {
			return refuse("the superblock's array of system chunks is damaged: run btrfs check")
		}
		c, err := f.sb.parseChunk(int64(k.off), b[:n])
		if err != nil {
			return err
		}
		if c.kind&groupSystem == 0 {
			return refuse("chunk %d is in the superblock's array of system chunks and is none: run btrfs check", c.start)
		}
		c.item, b = b[:n], b[n:]
		f.chunks = append(f.chunks, c)
	}
	slices.SortFunc(f.chunks, func(a, b chunk) int { return cmp.Compare(a.start, b.start) })
	return checkApart(f.chunks)
}

// checkApart refuses chunks that overlap.
func checkApart(chunks []chunk) error {
	for i := 1; i < len(chunks); i++ {
		if chunks[i].start < chunks[i-1].end() {
			return refuse("chunks %d and %d overlap: run btrfs check", chunks[i-1].start, chunks[i].start)
		}
	}
	return nil
}

// chunkOf is the index of the chunk that [at, at+n) lies in, or -1.
func (f *fsys) chunkOf(at, n int64) int {
	i, found := slices.BinarySearchFunc(f.chunks, at, func(c chunk, at int64) int { return cmp.Compare(c.start, at) })
	if !found {
		i--
	}
	if i < 0 || at < 0 || n > f.chunks[i].end()-at {
		return -1
	}
	return i
}

// sameChunk says that the chunk tree has a system chunk as the superblock has:
// its length, type and stripes; the rest is hints for speed.
func (f *fsys) sameChunk(start int64, item []byte) bool {
	i := f.chunkOf(start, 1)
	if i < 0 || f.chunks[i].start != start {
		return false
	}
	a := f.chunks[i].item
	return bytes.Equal(a[:8], item[:8]) && bytes.Equal(a[16:32], item[16:32]) && bytes.Equal(a[44:], item[44:])
}
