package btrfs

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"migimg/blockmap"
)

// Each inode has, beside its own item, one for each directory that it has names
// in, or several where the names do not fit (kernel, struct btrfs_inode_ref and
// btrfs_inode_extref):
//
//	inodeRef     key (inode, 12, directory): index  length of the name (16)  name
//	inodeExtref  key (inode, 13, hash): directory  index  length (16)  name
//
// and in the root tree each subvolume but the top level one has where it is in
// another one (struct btrfs_root_ref):
//
//	rootBackref  key (tree, 144, parent tree): directory  sequence  length (16)  name
const (
	inodeRef    = 12
	inodeExtref = 13
	rootBackref = 144

	rootDir = 256 // of each subvolume

	// maxDepth bounds a path's folders and subvolumes, and maxPath its bytes.
	maxDepth = 512
	maxPath  = 32 << 10
	// maxDirs bounds how many folders' paths are kept.
	maxDirs = 1 << 17
)

// Paths finds names by searches in the subvolumes' trees: what it costs grows
// with the number of files that are asked for. A path begins at the filesystem's
// top level, whatever subvolume is mounted: "/@home/user/x". A file of which
// that is not found, as it was deleted while it was open, is left out. The error
// is the first of those that kept a name from being found.
func (Scanner) Paths(ctx context.Context, v blockmap.Volume, files []blockmap.FileID) (map[blockmap.FileID]string, error) {
	raw, err := readSuper(v)
	if err != nil {
		return nil, err
	}
	f := &fsys{v: v, sb: parseSuper(raw)}
	if err := f.sb.check(v); err != nil {
		return nil, err
	}
	if err := f.bootstrap(); err != nil {
		return nil, err
	}
	if err := f.readChunkTree(ctx); err != nil {
		return nil, err
	}
	n := &namer{searcher: newSearcher(f), trees: map[uint64]*pointer{}, dirs: map[blockmap.FileID]named{}}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b blockmap.FileID) int {
		return cmp.Or(cmp.Compare(a.Tree, b.Tree), cmp.Compare(a.Inode, b.Inode))
	})
	var failed error
	paths := map[blockmap.FileID]string{}
	for _, id := range slices.Compact(files) {
		path, err := n.path(ctx, id, 0)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			paths[id] = path
		case failed == nil && !errors.Is(err, errNameless):
			failed = err
		}
	}
	return paths, failed
}

// errNameless says that something has no name, which is nobody's fault.
var errNameless = errors.New("btrfs: no name")

// namer finds paths.
type namer struct {
	*searcher
	trees map[uint64]*pointer // the subvolumes' roots; nil where there is none
	dirs  map[blockmap.FileID]named
}

type named struct {
	path string
	err  error
}

// path is that of a file or folder; that of the top level is "".
func (n *namer) path(ctx context.Context, id blockmap.FileID, depth int) (string, error) {
	if depth > maxDepth || !isSubvolume(id.Tree) || id.Inode < firstObject || id.Inode > lastObject {
		return "", errNameless
	}
	parent, name, err := n.parent(ctx, id)
	if err != nil || parent == (blockmap.FileID{}) {
		return "", err
	}
	above, err := n.dir(ctx, parent, depth+1)
	if err != nil {
		return "", err
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(above)+len(name) > maxPath {
		return "", errNameless
	}
	return above + "/" + blockmap.PlainName([]byte(name)), nil
}

// dir is path with what was found kept.
func (n *namer) dir(ctx context.Context, id blockmap.FileID, depth int) (string, error) {
	if d, ok := n.dirs[id]; ok {
		return d.path, d.err
	}
	path, err := n.path(ctx, id, depth)
	if len(n.dirs) >= maxDirs {
		clear(n.dirs)
	}
	n.dirs[id] = named{path, err}
	return path, err
}

// parent is the folder that id has a name in; none of the top level's.
func (n *namer) parent(ctx context.Context, id blockmap.FileID) (parent blockmap.FileID, name string, err error) {
	if id.Inode == rootDir {
		if id.Tree == fsTree {
			return parent, "", nil
		}
		root := pointer{logical: n.f.sb.root, generation: n.f.sb.generation, level: n.f.sb.rootLevel, owner: rootTree}
		k, b, err := n.find(ctx, root, key{id.Tree, rootBackref, 0})
		if err != nil || k.id != id.Tree || k.kind != rootBackref || len(b) < 18 {
			return parent, "", cmp.Or(err, errNameless)
		}
		return blockmap.FileID{Inode: le.Uint64(b), Tree: k.off}, nameOf(b[16:]), nil
	}
	tree, err := n.tree(ctx, id.Tree)
	if err != nil {
		return parent, "", err
	}
	k, b, err := n.find(ctx, *tree, key{id.Inode, inodeRef, 0})
	switch {
	case err != nil:
	case k.id == id.Inode && k.kind == inodeRef && len(b) >= 10:
		return blockmap.FileID{Inode: k.off, Tree: id.Tree}, nameOf(b[8:]), nil
	case k.id == id.Inode && k.kind == inodeExtref && len(b) >= 18:
		return blockmap.FileID{Inode: le.Uint64(b), Tree: id.Tree}, nameOf(b[16:]), nil
	}
	return parent, "", cmp.Or(err, errNameless)
}

// nameOf is a name that its length is before.
func nameOf(b []byte) string {
	n := int(le.Uint16(b))
	if n > len(b)-2 {
		return ""
	}
	return string(b[2:][:n])
}

// tree is the root of a subvolume's tree. Its blocks may be another tree's, of
// which it is a snapshot or which is one of it.
func (n *namer) tree(ctx context.Context, id uint64) (*pointer, error) {
	if p, ok := n.trees[id]; ok && p != nil {
		return p, nil
	} else if ok {
		return nil, errNameless
	}
	root := pointer{logical: n.f.sb.root, generation: n.f.sb.generation, level: n.f.sb.rootLevel, owner: rootTree}
	k, b, err := n.find(ctx, root, key{id, rootItem, 0})
	if err != nil {
		return nil, err
	}
	if len(n.trees) >= maxDirs {
		clear(n.trees)
	}
	n.trees[id] = nil
	if k.id != id || k.kind != rootItem {
		return nil, errNameless
	}
	p, err := n.f.parseRoot(k, b, id, n.f.sb.generation)
	if err != nil {
		return nil, err
	}
	p.anyOwner = true
	n.trees[id] = &p
	return &p, nil
}
