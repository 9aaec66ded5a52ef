package xfs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"migimg/blockmap"
)

const (
	// dirsAtOnce is how many directories are read together.
	dirsAtOnce = 1024
	// maxDirs and maxDirBytes bound what is read and kept: directories, and bytes
	// of their blocks. Files behind that have no names.
	maxDirs     = 1 << 22
	maxDirBytes = 16 << 30
)

// Paths walks the directories, from the root, the nearest first, until it has a
// name for all files. A name that is no text is written as Go quotes it, without
// the quotes. What is damaged it passes over; the error says that, and the names
// are right all the same.
func (Scanner) Paths(ctx context.Context, v blockmap.Volume, files []blockmap.FileID) (map[blockmap.FileID]string, error) {
	names := map[blockmap.FileID]string{}
	if len(files) == 0 {
		return names, nil
	}
	sb, err := readSuper(v)
	if err != nil {
		return nil, err
	}
	why := sb.check(v.Size())
	f := &fsys{v: v, sb: sb}
	if why == "" {
		f.inodes, why = sb.inodeLayout()
	}
	if why != "" {
		return nil, errors.New("xfs: " + why)
	}
	p := &pathWalk{f: f, wanted: make(map[uint64]struct{}, len(files)), names: names, seen: map[uint64]struct{}{}}
	for _, x := range files {
		if x.Tree == 0 {
			p.wanted[x.Inode] = struct{}{}
		}
	}
	p.next = []candidate{{ino: f.inodes.root, parent: -1}}
	for len(p.next) > 0 {
		level := p.next
		p.next = nil
		for len(level) > 0 && len(p.wanted) > 0 {
			n := min(len(level), dirsAtOnce)
			if err := p.read(ctx, level[:n]); err != nil {
				return nil, err
			}
			level = level[n:]
		}
	}
	if p.damaged > 0 && len(p.wanted) > 0 {
		return names, fmt.Errorf("xfs: %d inodes or blocks of directories cannot be read or are damaged: names are missing", p.damaged)
	}
	return names, nil
}

// pathWalk is a walk through the directories.
type pathWalk struct {
	f      *fsys
	wanted map[uint64]struct{} // those that have no name yet
	names  map[blockmap.FileID]string
	seen   map[uint64]struct{} // directories, so that a ring is left
	dirs   []dirName
	next   []candidate
	bytes  int64 // of blocks read

	damaged int64 // inodes and blocks that were passed over
}

// dirName is a directory's name and the number of the one that it is in; the
// root's is -1.
type dirName struct {
	parent int32
	name   string
}

// candidate is what may be a directory.
type candidate struct {
	ino    uint64
	parent int32
	name   string
}

// dirBlock is a place in a block of a directory that is being read: the whole
// block, or one of the filesystem's blocks in it.
type dirBlock struct {
	dir int32
	ino uint64
	at  []int64 // bytes of the volume
}

// read reads those of the candidates that are directories.
func (p *pathWalk) read(ctx context.Context, all []candidate) error {
	f, size := p.f, p.f.inodes.size
	at := make([]int64, len(all))
	for i, c := range all {
		at[i] = inMemory
		if off, ok := f.inodeAt(c.ino); ok {
			at[i] = off
		}
	}
	buf := make([]byte, int64(len(all))*size)
	failed, err := f.readBlocks(ctx, at, size, buf)
	if err != nil {
		return err
	}
	var forks []*treeFork // of all that are no short directories
	var dirs []int32
	for i, c := range all {
		if at[i] == inMemory || failed != nil && failed[i] != nil {
			p.damaged++
			continue
		}
		n, why := f.parseInode(buf[int64(i)*size:][:size], c.ino)
		if why != "" {
			p.damaged++
			continue
		}
		if n.mode&modeType != modeDir {
			continue
		}
		if _, ok := p.seen[c.ino]; ok {
			continue
		}
		p.seen[c.ino] = struct{}{}
		dir := int32(len(p.dirs))
		p.dirs = append(p.dirs, dirName{c.parent, c.name})
		switch n.format {
		case formatLocal:
			f.inodes.shortEntries(n.fork[:min(n.size, int64(len(n.fork)))], p.entries(dir))
			continue
		case formatExtents:
			t := &treeFork{inode: n, level: -1}
			t.recs = n.nextents
			if t.list.list, t.why = f.forkExtents(n, nil); t.why == "" {
				forks, dirs = append(forks, t), append(dirs, dir)
				continue
			}
		case formatTree:
			if t, why := f.openTree(n); why == "" {
				forks, dirs = append(forks, t), append(dirs, dir)
				continue
			}
		}
		p.damaged++
	}
	if err := f.walkForks(ctx, forks); err != nil {
		return err
	}
	var blocks []dirBlock
	for i, t := range forks {
		if t.why != "" {
			p.damaged++
			continue
		}
		blocks = append(blocks, f.dirBlocks(t, dirs[i])...)
	}
	return p.readBlocks(ctx, blocks)
}

// dirBlocks are the directory's blocks that have entries and are there in full.
func (f *fsys) dirBlocks(t *treeFork, dir int32) (blocks []dirBlock) {
	var part []int64 // of a block, from its beginning on
	var next int64   // byte of the directory that has to come then
	for _, x := range t.list.list {
		for o := int64(0); o < x.len; o += f.sb.blockSize {
			at := x.at + o
			if at >= min(dirIndex, t.inode.size) {
				return blocks
			}
			if at%f.inodes.dirBlock == 0 {
				part, next = nil, at
			}
			if at != next {
				continue
			}
			part, next = append(part, x.off+o), at+f.sb.blockSize
			if next%f.inodes.dirBlock == 0 {
				blocks = append(blocks, dirBlock{dir, t.inode.ino, part})
			}
		}
	}
	return blocks
}

// readBlocks reads the entries of directories.
func (p *pathWalk) readBlocks(ctx context.Context, blocks []dirBlock) error {
	size, bs := p.f.inodes.dirBlock, p.f.sb.blockSize
	n := int(batchBytes / size)
	buf := make([]byte, int64(min(n, len(blocks)))*size)
	for len(blocks) > 0 && len(p.wanted) > 0 {
		batch := blocks[:min(n, len(blocks))]
		blocks = blocks[len(batch):]
		if p.bytes += int64(len(batch)) * size; p.bytes > maxDirBytes {
			return nil
		}
		var at []int64
		for _, b := range batch {
			at = append(at, b.at...)
		}
		failed, err := p.f.readBlocks(ctx, at, bs, buf)
		if err != nil {
			return err
		}
		k := 0
		for i, b := range batch {
			good := true
			for range b.at {
				good = good && (failed == nil || failed[k] == nil)
				k++
			}
			if !good || !p.f.blockEntries(buf[int64(i)*size:][:size], b.ino, p.entries(b.dir)) {
				p.damaged++
			}
		}
	}
	return nil
}

// entries takes the entries of a directory.
func (p *pathWalk) entries(dir int32) entry {
	return func(name []byte, ino uint64, kind byte) {
		if string(name) == "." || string(name) == ".." {
			return
		}
		if _, ok := p.wanted[ino]; ok && kind != typeDir {
			p.names[blockmap.FileID{Inode: ino}] = p.path(dir, name)
			delete(p.wanted, ino)
		}
		if _, ok := p.seen[ino]; !ok && (kind == typeDir || kind == typeUnknown) && len(p.dirs)+len(p.next) < maxDirs {
			p.next = append(p.next, candidate{ino, dir, blockmap.PlainName(name)})
		}
	}
}

// path is the path of what has that name in a directory.
func (p *pathWalk) path(dir int32, name []byte) string {
	parts := []string{blockmap.PlainName(name)}
	for ; p.dirs[dir].parent >= 0; dir = p.dirs[dir].parent {
		parts = append(parts, p.dirs[dir].name)
	}
	var s strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		s.WriteByte('/')
		s.WriteString(parts[i])
	}
	return s.String()
}
