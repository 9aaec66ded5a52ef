package btrfs

import (
	"context"
	"sort"
)

// maxCached bounds how many tree blocks a search keeps.
const maxCached = 1024

// searcher looks single items up in trees. It keeps the blocks that it reads.
type searcher struct {
	f      *fsys
	blocks map[int64]cached
}

// cached is a block, and what was known of it beforehand.
type cached struct {
	p pointer
	b []byte
}

func newSearcher(f *fsys) *searcher { return &searcher{f: f, blocks: map[int64]cached{}} }

// find returns the first item of the tree at root that is not less than k. The
// last key and no bytes mean that there is none.
func (s *searcher) find(ctx context.Context, root pointer, k key) (key, []byte, error) {
	root.root, root.below = true, lastKey()
	for k.less(lastKey()) {
		if err := ctx.Err(); err != nil {
			return lastKey(), nil, err
		}
		b, p, err := s.leaf(root, k)
		if err != nil {
			return lastKey(), nil, err
		}
		if i := from(b, itemSize, k); i < int(le.Uint32(b[0x60:])) {
			at, data := item(b, i)
			return at, data, nil
		}
		k = p.below // it begins the next leaf
	}
	return lastKey(), nil, nil
}

// leaf reads the leaf that k is in, or would be.
func (s *searcher) leaf(p pointer, k key) ([]byte, pointer, error) {
	for {
		b, err := s.block(p)
		if err != nil || p.level == 0 {
			return b, p, err
		}
		i := from(b, pointerSize, k)
		if i == int(le.Uint32(b[0x60:])) || i > 0 && parseKey(b[headerSize+i*pointerSize:]) != k {
			i--
		}
		if p, err = s.f.child(b, p, i); err != nil {
			return nil, p, err
		}
	}
}

// from is the index of the first key in a block, each with step bytes, that is
// not less than k; their number where there is none.
func from(b []byte, step int, k key) int {
	return sort.Search(int(le.Uint32(b[0x60:])), func(i int) bool { return !parseKey(b[headerSize+i*step:]).less(k) })
}

func (s *searcher) block(p pointer) ([]byte, error) {
	if c, ok := s.blocks[p.logical]; ok && c.p == p {
		return c.b, nil
	}
	b := make([]byte, s.f.sb.nodeSize)
	if err := s.f.readBlock(b, p); err != nil {
		return nil, err
	}
	if len(s.blocks) >= maxCached {
		clear(s.blocks)
	}
	s.blocks[p.logical] = cached{p, b}
	return b, nil
}
