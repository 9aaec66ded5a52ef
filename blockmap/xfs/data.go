package xfs

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"migimg/blockmap"
)

// dataScan names the data of regular files. Of an inode that is not as it must
// be it names nothing, and so of a whole group whose tree of inodes is not: there
// an old inode, of a file long gone, could name the blocks of another's metadata.
type dataScan struct {
	f      *fsys
	sink   blockmap.Sink
	chunks []groupChunk
	taken  taken

	badGroups []error
	bad       int64  // inodes
	badFirst  string // one of them, and why
}

// groupChunk is a chunk; mute says that of its inodes nothing is named. They are
// read all the same: see scanFrozen.
type groupChunk struct {
	chunk
	mute bool
}

// group takes the inodes of a group.
func (d *dataScan) group(ctx context.Context, g *group) {
	s := d.f.sb
	chunks, t, err := d.f.inodeChunks(ctx, g, d.taken)
	d.taken = t
	for _, no := range g.inUse {
		d.taken = d.taken.add(s.offset(g.no, int64(no)), s.blockSize)
	}
	if err != nil {
		d.badGroups = append(d.badGroups, err)
	}
	for _, c := range chunks {
		d.chunks = append(d.chunks, groupChunk{c, err != nil})
	}
}

// found is what a run of inodes has.
type found struct {
	files []fileExtents
	list  []extent
	trees []*treeFork
	bad   int64
	first string
	err   error
}

// fileExtents are a file's in the list: those before end, from the last file's end on.
type fileExtents struct {
	ino uint64
	end int
}

func (r *found) damaged(ino uint64, why string) {
	if r.bad == 0 {
		r.first = fmt.Sprintf("%d: %s", ino, why)
	}
	r.bad++
}

// run reads the inodes, and names the data.
func (d *dataScan) run(ctx context.Context) error {
	d.taken = d.taken.settle()
	runs := d.runs()
	wait, inner := reads(ctx)
	// The sink is told in the inodes' order, whichever are read first.
	queue := make(chan chan *found, readers)
	spare := sync.Pool{New: func() any { return new([]byte) }}
	results := sync.Pool{New: func() any { return new(found) }}
	go func() {
		defer close(queue)
		for _, run := range runs {
			out := make(chan *found, 1)
			select {
			case queue <- out:
			case <-inner.Done():
				return
			}
			wait.Go(func() error {
				buf, r := spare.Get().(*[]byte), results.Get().(*found)
				*r = found{files: r.files[:0], list: r.list[:0]}
				defer func() {
					if p := recover(); p != nil { // blockmap.Scan can only do it for its own goroutine
						r = &found{err: fmt.Errorf("xfs: the scanner crashed, please report it: %v", p)}
					}
					out <- r
				}()
				d.readRun(run, buf, r)
				spare.Put(buf)
				return inner.Err()
			})
		}
	}()
	var trees []*treeFork
	var failed error
	for out := range queue {
		r := <-out
		if failed == nil {
			failed = d.emit(r)
		}
		trees = append(trees, r.trees...)
		results.Put(r)
	}
	if err := wait.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return d.runTrees(ctx, trees)
}

// runs cuts the chunks into what is read together.
func (d *dataScan) runs() (runs [][]groupChunk) {
	size := d.f.inodes.size
	for rest := d.chunks; len(rest) > 0; {
		k, from := 1, rest[0].first(size)
		for k < len(rest) && rest[k].first(size)-rest[k-1].end(size) <= joinGap && rest[k].end(size)-from <= maxRead {
			k++
		}
		runs = append(runs, rest[:k])
		rest = rest[k:]
	}
	return runs
}

// readRun reads chunks that are neighbours and what their inodes name.
func (d *dataScan) readRun(run []groupChunk, buf *[]byte, r *found) {
	size := d.f.inodes.size
	from, to := run[0].first(size), run[len(run)-1].end(size)
	*buf = slices.Grow((*buf)[:0], int(to-from))[:to-from]
	err := blockmap.ReadFull(d.f.v, *buf, from)
	if err != nil && len(run) > 1 { // perhaps only for some of them
		for _, c := range run {
			d.readRun([]groupChunk{c}, buf, r)
		}
		return
	}
	for _, c := range run {
		if c.mute {
			continue
		}
		for rest := c.used; rest != 0; rest &= rest - 1 {
			i := int64(bits.TrailingZeros64(rest))
			if err != nil {
				r.damaged(c.ino+uint64(i), err.Error())
				continue
			}
			d.inode((*buf)[c.at+i*size-from:][:size], c.ino+uint64(i), r)
		}
	}
}

// inode lists what the inode in b names, if it is a regular file's.
func (d *dataScan) inode(b []byte, ino uint64, r *found) {
	// Most that are none are told by two bytes; a damaged one is silent then, too.
	if uint16(b[2])<<8&modeType != modeReg || slices.Contains(d.f.inodes.special[:], ino) {
		return
	}
	n, why := d.f.parseInode(b, ino)
	switch {
	case why != "":
	case n.format == formatTree:
		var t *treeFork
		if t, why = d.f.openTree(n); why == "" {
			r.trees = append(r.trees, t)
		}
	case n.format == formatExtents:
		mark := len(r.list)
		if r.list, why = d.f.forkExtents(n, r.list); why == "" {
			why = d.clash(r.list[mark:])
		}
		if why != "" {
			r.list = r.list[:mark]
		} else if len(r.list) > mark {
			r.files = append(r.files, fileExtents{ino, len(r.list)})
		}
	case n.format != formatLocal: // none of the kernel's of today is, but that has no extents
		why = fmt.Sprintf("format %d, which no regular file has", n.format)
	}
	if why != "" {
		r.damaged(ino, why)
	}
}

// clash says that the extents hold what is known to be no file's data.
func (d *dataScan) clash(list []extent) string {
	for _, x := range list {
		if d.taken.touches(x.off, x.len) {
			return fmt.Sprintf("its extent at byte %d of the volume holds the filesystem's own blocks", x.off)
		}
	}
	return ""
}

func (d *dataScan) emit(r *found) error {
	if r.bad > 0 && d.bad == 0 {
		d.badFirst = r.first
	}
	d.bad += r.bad
	if r.err != nil {
		return r.err
	}
	from := 0
	for _, x := range r.files {
		if err := d.name(x.ino, r.list[from:x.end]); err != nil {
			return err
		}
		from = x.end
	}
	return nil
}

func (d *dataScan) name(ino uint64, list []extent) error {
	for _, x := range list {
		if err := d.sink.Data(x.off, x.len, blockmap.FileID{Inode: ino}, x.at); err != nil {
			return err
		}
	}
	return nil
}
