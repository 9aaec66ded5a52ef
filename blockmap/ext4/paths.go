package ext4

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"migimg/blockmap"
)

// rootInode is the root directory.
const rootInode = 2

// Paths walks the directories from the root, level by level and in the order of the
// disk, until it knows a name of every file. A name that is no plain text is written
// as Go quotes it, without the quotes. The error says what could not be read; the
// names are right all the same.
func (Scanner) Paths(ctx context.Context, v blockmap.Volume, files []blockmap.FileID) (map[blockmap.FileID]string, error) {
	sb, err := readSuper(v)
	if err != nil {
		return nil, err
	}
	sb.thawedMark()
	if why := sb.check(v.Size()); why != "" {
		return nil, fmt.Errorf("ext4: %s", why)
	}
	f := &fsys{v: v, sb: sb}
	t, err := readTable(ctx, f)
	if err != nil {
		return nil, err
	}
	w := &namer{f: f, t: t, want: make(map[uint32]bool, len(files)), names: make(map[uint32]name, len(files))}
	for _, id := range files {
		if id.Tree == 0 && id.Inode <= uint64(sb.inodes) {
			w.want[uint32(id.Inode)] = true
		}
	}
	err = w.walk(ctx)
	out := make(map[blockmap.FileID]string, w.named)
	dirs := map[uint32]string{rootInode: ""}
	for _, id := range files {
		ino := uint32(id.Inode)
		missing, wanted := w.want[ino]
		if id.Tree != 0 || id.Inode > uint64(sb.inodes) || !wanted || missing {
			continue
		}
		x := w.names[ino]
		if dir, ok := w.dir(x.parent, dirs); ok {
			out[id] = dir + "/" + x.text
		}
	}
	return out, err
}

// name is what an inode is called in the directory parent.
type name struct {
	parent uint32
	text   string
}

// namer finds names.
type namer struct {
	f      *fsys
	t      *table
	want   map[uint32]bool // files; false where the name is known
	named  int             // of these
	names  map[uint32]name // of directories, and of the files wanted
	next   []uint32        // directories, or what may be
	failed int64
	blocks int64 // of directories that were read
}

// dir is the path of a directory; known are those that were asked for before.
func (w *namer) dir(ino uint32, known map[uint32]string) (path string, ok bool) {
	var up []uint32
	for {
		if path, ok = known[ino]; ok {
			break
		}
		x, ok := w.names[ino]
		if !ok || len(up) > len(w.names) {
			return "", false
		}
		up = append(up, ino)
		ino = x.parent
	}
	for _, d := range slices.Backward(up) {
		path += "/" + w.names[d].text
		known[d] = path
	}
	return path, true
}

const (
	maxDirs      = 16 << 10 // directories read at once
	maxDirBlocks = 16 << 20 // of all directories; each has an entry for each file, at least
)

func (w *namer) walk(ctx context.Context) error {
	w.next = []uint32{rootInode}
	for len(w.next) > 0 && w.named < len(w.want) {
		dirs := w.next
		w.next = nil
		slices.Sort(dirs)
		for part := range slices.Chunk(dirs, maxDirs) {
			if w.named == len(w.want) {
				break
			}
			if err := w.level(ctx, part); err != nil {
				return err
			}
		}
	}
	if w.failed > 0 && w.named < len(w.want) {
		return fmt.Errorf("ext4: %d blocks of directories could not be read or are broken: names are missing", w.failed)
	}
	return nil
}

// level reads some directories.
func (w *namer) level(ctx context.Context, dirs []uint32) error {
	s := w.f.sb
	place := func(i int) (block, off int64) {
		n := int64(dirs[i]) - 1
		off = n % s.inodesPerGroup * s.inodeSize
		return w.t.desc(n/s.inodesPerGroup).inodeTable() + off/s.blockSize, off % s.blockSize
	}
	order := make([]int, len(dirs)) // inode tables may lie in any order
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		p, _ := place(a)
		q, _ := place(b)
		return cmp.Compare(p, q)
	})
	c := &claims{f: w.f}
	var mu sync.Mutex
	failed, err := w.f.each(ctx, len(order), func(i int) int64 { b, _ := place(order[i]); return b }, func(from int, blocks [][]byte) error {
		o := &claims{f: w.f}
		var inline []entry
		for i, b := range blocks {
			_, off := place(order[from+i])
			inline = append(inline, o.directory(dirs[order[from+i]], b[off:][:s.inodeSize])...)
		}
		if err := c.merge(&mu, o); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		w.take(inline)
		return nil
	})
	if err != nil {
		return err
	}
	c.failed += failed
	if err := c.trees(ctx); err != nil {
		return err
	}
	data := slices.SortedFunc(c.all(), func(a, b claim) int { return cmp.Compare(a.block, b.block) })
	ends := make([]int, len(data)) // how many blocks the first so many runs have
	n := 0
	for i, x := range data {
		n += int(x.n)
		ends[i] = n
	}
	if w.blocks += int64(n); w.blocks > maxDirBlocks {
		return fmt.Errorf("ext4: the directories have more than %d blocks: names are missing", maxDirBlocks)
	}
	run := func(i int) (claim, int) { // the run with the i-th block, and which of it that is
		k, exact := slices.BinarySearch(ends, i)
		if exact {
			k++
		}
		return data[k], i - (ends[k] - int(data[k].n))
	}
	failed, err = w.f.each(ctx, n, func(i int) int64 { x, k := run(i); return x.block + int64(k) }, func(from int, blocks [][]byte) error {
		var all []entry
		for i, b := range blocks {
			x, _ := run(from + i)
			all = entries(all, b, x.ino)
		}
		mu.Lock()
		defer mu.Unlock()
		w.take(all)
		return nil
	})
	w.failed += c.failed + failed
	return err
}

// take takes the entries that are wanted, or lead on.
func (w *namer) take(all []entry) {
	for _, e := range all {
		missing, wanted := w.want[e.ino]
		_, known := w.names[e.ino]
		dir := e.kind == kindDir || e.kind == kindUnknown // before the filetype feature all are
		switch {
		case known || int64(e.ino) > w.f.sb.inodes || e.ino == rootInode || !wanted && !dir:
			continue
		case wanted && missing:
			w.want[e.ino] = false
			w.named++
		}
		w.names[e.ino] = name{e.dir, blockmap.PlainName(e.name)}
		if dir {
			w.next = append(w.next, e.ino)
		}
	}
}
