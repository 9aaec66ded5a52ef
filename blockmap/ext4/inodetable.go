package ext4

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Modes and flags of inodes (kernel, Documentation/filesystems/ext4/inodes.rst).
const (
	modeType    = 0xf000
	modeFile    = 0x8000
	modeDir     = 0x4000
	modeSymlink = 0xa000

	inodeEA     = 0x200000   // its data is an attribute's value
	inodeInline = 0x10000000 // its data is in the inode
)

// inodes reads the inodes of all groups.
func (c *claims) inodes(ctx context.Context, t *table) error {
	s := c.f.sb
	if s.groups > s.blocks/s.tableBlocks() { // tables over one another
		return errClaims
	}
	var mu sync.Mutex
	eg, both := errgroup.WithContext(ctx)
	spare := make(chan []byte, readers)
	for range readers {
		spare <- nil
	}
	for g := range s.groups {
		n := t.usedInodes(g)
		if n == 0 {
			continue
		}
		var buf []byte
		select {
		case buf = <-spare:
		case <-both.Done():
			return cmp.Or(eg.Wait(), ctx.Err())
		}
		eg.Go(func() (err error) {
			defer func() { spare <- buf }()
			defer crashed(&err)
			if buf == nil {
				buf = make([]byte, s.blockSize+max(maxRead, s.blockSize))
			}
			o := &claims{f: c.f}
			if err := o.group(both, t, g, n, buf); err != nil {
				return err
			}
			return c.merge(&mu, o)
		})
	}
	err := cmp.Or(eg.Wait(), ctx.Err())
	slices.SortFunc(c.parts, func(a, b []claim) int { return cmp.Compare(a[0].ino, b[0].ino) })
	return err
}

// usedInodes is how many inodes at the beginning of group g's table may be in use.
func (t *table) usedInodes(g int64) int64 {
	s, d := t.sb, t.desc(g)
	if !s.hasDescCsum() {
		return s.inodesPerGroup
	}
	if binary.LittleEndian.Uint16(d[0x12:])&flagInodeUninit != 0 {
		return 0
	}
	return max(0, s.inodesPerGroup-d.half(0x1c, 0x32))
}

// group reads the first n inodes of group g. An inode is in use if the bitmap says
// so: of what was deleted, anything may be left in the table.
func (c *claims) group(ctx context.Context, t *table, g, n int64, buf []byte) error {
	s, d := c.f.sb, t.desc(g)
	bitmap, buf := buf[:s.blockSize], buf[s.blockSize:]
	if err := c.f.read(bitmap, d.inodeBitmap(), "inode bitmap"); err != nil {
		c.failed++
		return ctx.Err()
	}
	if s.roCompat&roCompatMetadataCsum != 0 {
		want := int64(crc32c(s.seed, bitmap[:s.inodesPerGroup/8]))
		if len(d) < 64 {
			want &= 0xffff
		}
		if d.half(0x1a, 0x3a) != want {
			c.failed++
			return nil
		}
	}
	c.data = make([]claim, 0, min(maxRead/s.inodeSize, n)) // one for a file, mostly
	blocks := ceil(n*s.inodeSize, s.blockSize)
	per := s.blockSize / s.inodeSize
	for at := int64(0); at < blocks; {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(blocks-at, int64(len(buf))/s.blockSize)
		b := buf[:k*s.blockSize]
		if err := c.f.read(b, d.inodeTable()+at, "inodes"); err != nil {
			c.failed++
			at += k
			continue
		}
		first := at * per
		for i := nextBit(bitmap, first, min(n, first+k*per), true); i < min(n, first+k*per); i = nextBit(bitmap, i+1, min(n, first+k*per), true) {
			if !c.inode(uint32(g*s.inodesPerGroup+i+1), b[(i-first)*s.inodeSize:][:s.inodeSize]) {
				c.failed++
			}
		}
		at += k
	}
	return nil
}

// inode reads one inode that is in use, and may write to raw. It answers no where
// the inode is broken.
func (c *claims) inode(ino uint32, raw []byte) bool {
	s, le := c.f.sb, binary.LittleEndian
	kind, flags := le.Uint16(raw)&modeType, le.Uint32(raw[0x20:])
	if ino == 1 || ino == 7 || ino == s.journalInode {
		return true // bad blocks, the reserved descriptors, the journal: what they have is static
	}
	special := s.special(ino)
	if kind != modeFile && kind != modeDir && kind != modeSymlink && !special {
		kind = 0 // no blocks of its own
	}
	if !s.inodeSound(ino, raw) {
		return false
	}
	if acl := int64(le.Uint32(raw[0x68:])) | int64(le.Uint16(raw[0x76:]))<<32; acl > 0 && acl < s.blocks {
		c.meta.add(acl, 1)
	}
	if kind == 0 || flags&inodeInline != 0 || kind == modeSymlink && flags&inodeExtents == 0 && le.Uint32(raw[4:]) < 60 {
		return true
	}
	return c.body(ino, raw, kind == modeFile && !special && flags&inodeEA == 0)
}

// body reads where an inode's blocks lie.
func (c *claims) body(ino uint32, raw []byte, file bool) bool {
	s, le := c.f.sb, binary.LittleEndian
	x := node{ino: ino, file: file}
	if le.Uint32(raw[0x20:])&inodeExtents != 0 {
		if le.Uint16(raw[0x2e:]) > 0 { // its nodes have checksums
			x.seed = s.inodeSeed(ino, raw)
		}
		return c.extents(raw[0x28:0x64], -1, x)
	}
	ok, at, each := true, int64(0), int64(1)
	for i := range 15 {
		level := max(0, i-11)
		if level > 0 {
			each *= s.blockSize / 4
		}
		ok = c.pointer(int64(le.Uint32(raw[0x28+4*i:])), at, level, x) && ok
		at += each
	}
	return ok
}
