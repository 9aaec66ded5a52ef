package ext4

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"sync"
)

// claim is a run of a file's blocks: n from block on, which are those of the file
// from at on. There are millions.
type claim struct {
	block int64
	at    uint32
	n     uint32
	ino   uint32
}

// node is a block that leads to a file's blocks: of a tree of extents, or an
// indirect block.
type node struct {
	block    int64
	seed     uint32 // of its checksum
	ino      uint32
	at       uint32 // the file's block that an indirect block begins with
	level    uint8  // how many levels of nodes are below it
	indirect bool
	file     bool // of a regular file
}

// claims is what the inodes say belongs to them.
type claims struct {
	f      *fsys
	data   []claim // of regular files, and of what was merged, those of others in parts
	parts  [][]claim
	meta   runs   // of everything else, in no order
	nodes  []node // to be read
	blocks int64  // all of these together
	failed int64  // blocks that were not read, or not believed
}

// all yields what of regular files was found and merged.
func (c *claims) all() iter.Seq[claim] {
	return func(yield func(claim) bool) {
		for _, part := range c.parts {
			for _, x := range part {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// errClaims is why the walk over the inodes was given up: no block belongs to two
// files, so whoever says more is broken, or moving, and could go on for ever.
var errClaims = errors.New("ext4: the inodes claim more blocks than the filesystem has: run e2fsck -f")

// merge adds what another has found.
func (c *claims) merge(mu *sync.Mutex, o *claims) error {
	mu.Lock()
	defer mu.Unlock()
	if len(o.data) > 0 {
		if cap(o.data) > 2*len(o.data) {
			o.data = slices.Clone(o.data)
		}
		c.parts = append(c.parts, o.data)
	}
	c.meta = append(c.meta, o.meta...)
	c.nodes = append(c.nodes, o.nodes...)
	c.blocks += o.blocks
	c.failed += o.failed
	if c.blocks > c.f.sb.blocks {
		return errClaims
	}
	return nil
}

// own adds n blocks from block on, which are those of ino from at on. It says
// whether they can be.
func (c *claims) own(block, n, at int64, ino uint32, file bool) bool {
	s := c.f.sb
	if block <= s.superBlock() || block > s.blocks-n || at < 0 || at > 1<<32-n {
		return false
	}
	c.blocks += n
	if !file {
		c.meta.add(block, n)
		return true
	}
	if k := len(c.data) - 1; k >= 0 {
		if l := &c.data[k]; l.ino == ino && l.block+int64(l.n) == block && int64(l.at)+int64(l.n) == at && int64(l.n)+n < 1<<32 {
			l.n += uint32(n)
			return true
		}
	}
	c.data = append(c.data, claim{block, uint32(at), uint32(n), ino})
	return true
}

// lead adds a node.
func (c *claims) lead(x node) bool {
	s := c.f.sb
	if x.block <= s.superBlock() || x.block >= s.blocks {
		return false
	}
	c.blocks++
	c.meta.add(x.block, 1)
	c.nodes = append(c.nodes, x)
	return true
}

// extents reads a block of a tree of extents, or its root in the inode, b, with
// level levels below; -1 where only the block says it. A block that is broken says
// nothing.
func (c *claims) extents(b []byte, level int, x node) bool {
	le := binary.LittleEndian
	n, top, d := int(le.Uint16(b[2:])), int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if le.Uint16(b) != extentMagic || n > top || top > (len(b)-12)/12 || d > 5 || level >= 0 && d != level {
		return false
	}
	if level >= 0 && c.f.sb.roCompat&roCompatMetadataCsum != 0 {
		end := 12 + 12*top
		if end+4 > len(b) || le.Uint32(b[end:]) != crc32c(x.seed, b[:end]) {
			return false
		}
	}
	ok := true
	for e := b[12 : 12+12*n]; len(e) > 0; e = e[12:] {
		if d > 0 {
			x.block, x.level = int64(le.Uint32(e[4:]))|int64(le.Uint16(e[8:]))<<32, uint8(d-1)
			ok = c.lead(x) && ok
			continue
		}
		length := int64(le.Uint16(e[4:]))
		if length > 32768 { // not written yet; ext4_ext_is_unwritten in fs/ext4/ext4_extents.h
			length -= 32768
		}
		block := int64(le.Uint32(e[8:])) | int64(le.Uint16(e[6:]))<<32
		ok = length > 0 && c.own(block, length, int64(le.Uint32(e)), x.ino, x.file) && ok
	}
	return ok
}

// pointer follows a block number of an inode without extents, with level levels of
// indirect blocks between it and the file's block at.
func (c *claims) pointer(block, at int64, level int, x node) bool {
	switch {
	case block == 0:
		return true // a hole
	case level == 0:
		return c.own(block, 1, at, x.ino, x.file)
	case at >= 1<<32:
		return false
	}
	x.block, x.at, x.level, x.indirect = block, uint32(at), uint8(level-1), true
	return c.lead(x)
}

// indirect reads an indirect block.
func (c *claims) indirect(b []byte, x node) bool {
	each := int64(1)
	for range x.level {
		each *= c.f.sb.blockSize / 4
	}
	ok := true
	for i := int64(0); len(b) >= 4; i, b = i+1, b[4:] {
		ok = c.pointer(int64(binary.LittleEndian.Uint32(b)), int64(x.at)+i*each, int(x.level), x) && ok
	}
	return ok
}

// trees reads the nodes that the inodes lead to, level by level and in the order
// of the disk, until there are none.
func (c *claims) trees(ctx context.Context) error {
	var mu sync.Mutex
	for len(c.nodes) > 0 {
		level := c.nodes
		c.nodes = nil
		slices.SortFunc(level, func(a, b node) int { return cmp.Compare(a.block, b.block) })
		failed, err := c.f.each(ctx, len(level), func(i int) int64 { return level[i].block }, func(from int, blocks [][]byte) error {
			o := &claims{f: c.f}
			for i, b := range blocks {
				x := level[from+i]
				ok := false
				if x.indirect {
					ok = o.indirect(b, x)
				} else {
					ok = o.extents(b, int(x.level), x)
				}
				if !ok {
					o.failed++
				}
			}
			return c.merge(&mu, o)
		})
		if err != nil {
			return err
		}
		c.failed += failed
	}
	return nil
}

// search is the first of the runs, which ascend, that ends behind block. hint is
// the answer for another block: mostly for one shortly before.
func (r runs) search(block int64, hint int) int {
	if hint == 0 || r[hint-1].to <= block {
		if hint == len(r) || block < r[hint].to {
			return hint
		}
		if hint++; hint == len(r) || block < r[hint].to {
			return hint
		}
	}
	i, _ := slices.BinarySearchFunc(r, block, func(x run, b int64) int {
		if x.to <= b {
			return -1
		}
		return 1
	})
	return i
}
