package btrfs

import "fmt"

// A tree block has a header (kernel, struct btrfs_header), then items in a leaf
// (level 0) or pointers in a node:
//
//	0x00 checksum[32]   0x20 fsid[16]         0x30 its own logical address
//	0x38 flags          0x40 chunk tree uuid[16]   0x50 generation
//	0x58 owner          0x60 number of items (32)  0x64 level (8)
//
//	item:    key[17]  offset of its data behind the header (32)  its size (32)
//	pointer: key[17]  logical address  generation
//
// The data of a leaf's items fill it from the end, without gaps.
const (
	headerSize  = 101
	keySize     = 17
	itemSize    = keySize + 8
	pointerSize = keySize + 16

	headerWritten = 1 << 0
	mixedBackref  = 1 // in the topmost byte of the flags
)

// key is what trees are sorted by: first by id, then by kind, then by off.
type key struct {
	id   uint64
	kind byte
	off  uint64
}

func parseKey(b []byte) key { return key{le.Uint64(b), b[8], le.Uint64(b[9:])} }

func (k key) less(o key) bool {
	if k.id != o.id {
		return k.id < o.id
	}
	if k.kind != o.kind {
		return k.kind < o.kind
	}
	return k.off < o.off
}

func (k key) String() string { return fmt.Sprintf("(%d %d %d)", int64(k.id), k.kind, k.off) }

// lastKey is the greatest.
func lastKey() key { return key{^uint64(0), 255, ^uint64(0)} }

// pointer is where a tree block is, and what is known of it beforehand.
type pointer struct {
	logical    int64
	generation uint64
	level      byte
	owner      uint64
	anyOwner   bool // a subvolume's tree, which shares blocks with others
	root       bool // then there is no word on its first key
	first      key
	below      key // all keys are less
}

// verify says what is wrong with the block b that p points to, or nothing. The
// conditions are those of the kernel's btrfs_validate_extent_buffer
// (fs/btrfs/disk-io.c) and of the generic part of its tree checker.
func (f *fsys) verify(b []byte, p pointer) string {
	flags := le.Uint64(b[0x38:])
	switch {
	case le.Uint64(b[0x30:]) != uint64(p.logical):
		return fmt.Sprintf("is block %d", le.Uint64(b[0x30:]))
	case !checksumOK(f.sb.csum, b):
		return "has a wrong checksum"
	case [16]byte(b[0x20:]) != f.sb.metaID:
		return "is of another filesystem"
	case f.treeID != [16]byte{} && [16]byte(b[0x40:]) != f.treeID:
		return "is of another chunk tree"
	case flags&headerWritten == 0 || flags>>56 != mixedBackref:
		return fmt.Sprintf("has flags %#x", flags)
	case le.Uint64(b[0x50:]) != p.generation:
		return fmt.Sprintf("is of generation %d, must be of %d", le.Uint64(b[0x50:]), p.generation)
	case le.Uint64(b[0x58:]) != p.owner && !(p.anyOwner && isSubvolume(le.Uint64(b[0x58:]))):
		return fmt.Sprintf("belongs to tree %d", int64(le.Uint64(b[0x58:])))
	case b[0x64] != p.level:
		return fmt.Sprintf("has level %d, must have %d", b[0x64], p.level)
	}
	return checkItems(b, p)
}

// checkItems checks the order of keys and, in a leaf, that the items' data are
// inside.
func checkItems(b []byte, p pointer) string {
	step := int64(itemSize)
	if p.level > 0 {
		step = pointerSize
	}
	room := int64(len(b)) - headerSize
	n := int64(le.Uint32(b[0x60:]))
	if n > room/step || n == 0 && (!p.root || p.level > 0) {
		return fmt.Sprintf("has %d items", n)
	}
	last, dataEnd := key{}, room
	for i := range n {
		e := b[headerSize+i*step:]
		k := parseKey(e)
		if !k.less(p.below) || i > 0 && !last.less(k) || i == 0 && !p.root && k != p.first {
			return fmt.Sprintf("has key %v out of order", k)
		}
		last = k
		if p.level > 0 {
			continue
		}
		off, size := int64(le.Uint32(e[keySize:])), int64(le.Uint32(e[keySize+4:]))
		if off+size != dataEnd || off < n*itemSize {
			return fmt.Sprintf("has item %v at an impossible place", k)
		}
		dataEnd = off
	}
	return ""
}

// item is the i-th of a leaf.
func item(b []byte, i int) (key, []byte) {
	e := b[headerSize+i*itemSize:]
	off, size := le.Uint32(e[keySize:]), le.Uint32(e[keySize+4:])
	return parseKey(e), b[headerSize+off:][:size:size]
}

// children are the pointers of the node b that p points to.
func (f *fsys) children(b []byte, p pointer) ([]pointer, error) {
	c := make([]pointer, le.Uint32(b[0x60:]))
	for i := range c {
		var err error
		if c[i], err = f.child(b, p, i); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// child is the i-th pointer of the node b that p points to.
func (f *fsys) child(b []byte, p pointer, i int) (pointer, error) {
	e := b[headerSize+i*pointerSize:]
	c := pointer{
		logical:    size(e[keySize:]),
		generation: le.Uint64(e[keySize+8:]),
		level:      p.level - 1,
		owner:      p.owner,
		anyOwner:   p.anyOwner,
		first:      parseKey(e),
		below:      p.below,
	}
	if i+1 < int(le.Uint32(b[0x60:])) {
		c.below = parseKey(e[pointerSize:])
	}
	if c.logical <= 0 || c.logical%f.sb.sectorSize != 0 || c.generation > p.generation {
		return c, refuse("tree block %d of tree %d has an impossible pointer: run btrfs check", p.logical, int64(p.owner))
	}
	return c, nil
}
