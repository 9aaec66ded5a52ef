package btrfs

import "migimg/blockmap"

// An extent's item is followed by references to it, as many as have room, and
// further ones have items of their own behind it (kernel, struct
// btrfs_extent_inline_ref, btrfs_extent_data_ref and btrfs_shared_data_ref):
//
//	dataRef      root  inode  offset  count (32)
//	sharedData   address of a tree block  count (32); the address is the key's
//	             offset where the item is one of its own
//	extentOwner  the tree that is charged for it, no reference
//
// where the offset is that in the file less that in the extent. The counts add
// up to the item's first field.
const (
	dataRefSize    = 28
	sharedDataSize = 12

	fsTree      = 5
	firstObject = 256         // of inodes and of subvolumes ...
	lastObject  = 1<<64 - 256 // ... and the last
)

// maxOwners bounds how many files one extent is said to be of.
const maxOwners = 256

// owner is a file's reference to an extent.
type owner struct {
	file blockmap.FileID
	at   int64
}

// owners names the files that a data extent belongs to, as the extent tree is
// walked.
type owners struct {
	sink   blockmap.Sink
	chunk  *chunk // that the extent lies in
	at, n  int64  // the extent, logical; n is 0 where there is none
	left   uint64
	files  []owner
	shared bool // somebody has it by way of a shared tree block
	silent bool // what it is is not known, or it is no file's
}

// extent begins with the data extent [at, at+n) of the chunk c, whose item is b.
func (o *owners) extent(c *chunk, at, n int64, b []byte) error {
	if err := o.flush(); err != nil {
		return err
	}
	o.chunk, o.at, o.n, o.left = c, at, n, le.Uint64(b)
	o.files, o.shared, o.silent = o.files[:0], false, false
	for b = b[extentItemSize:]; len(b) > 0; {
		kind, size := b[0], 8
		switch b = b[1:]; kind {
		case dataRef:
			size = dataRefSize
		case sharedData:
			size = sharedDataSize
		case extentOwner:
		default:
			o.silent = true
			return nil
		}
		if len(b) < size {
			o.silent = true
			return nil
		}
		switch ref := b[:size]; kind {
		case dataRef:
			o.ref(ref)
		case sharedData:
			o.share(le.Uint32(ref[8:]))
		}
		b = b[size:]
	}
	return nil
}

// item takes a reference that has an item of its own.
func (o *owners) item(k key, b []byte) {
	switch {
	case o == nil || o.n == 0 || k.id != uint64(o.at):
		// Of a tree block, or of none.
	case k.kind == dataRef && len(b) == dataRefSize:
		o.ref(b)
	case k.kind == sharedData && len(b) == 4:
		o.share(le.Uint32(b))
	case k.kind != extentOwner:
		o.silent = true
	}
}

// ref takes the reference of a file. Those of the root tree are the space cache's
// (version 1), that of the tree of relocated data is a balance's: no files.
func (o *owners) ref(b []byte) {
	tree, inode := le.Uint64(b), le.Uint64(b[8:])
	if !isSubvolume(tree) || inode < firstObject || inode > lastObject {
		o.silent = true
	}
	o.count(le.Uint32(b[24:]))
	w := owner{blockmap.FileID{Inode: inode, Tree: tree}, int64(le.Uint64(b[16:]))}
	// A snapshot of a small tree has its own reference. It has a higher number than
	// what it was taken of, which is the name that the owner knows.
	for i, x := range o.files {
		if x.at == w.at && x.file.Inode == inode {
			o.files[i].file.Tree = min(x.file.Tree, tree)
			return
		}
	}
	if len(o.files) == maxOwners {
		o.shared = true
		return
	}
	o.files = append(o.files, w)
}

func (o *owners) share(count uint32) {
	o.shared = true
	o.count(count)
}

// count takes off what a reference counts as.
func (o *owners) count(n uint32) {
	if uint64(n) > o.left {
		o.silent = true
		return
	}
	o.left -= uint64(n)
}

// flush names the extent's files, if all of its references were understood.
func (o *owners) flush() error {
	if o == nil || o.n == 0 {
		return nil
	}
	at, n := o.at, o.n
	o.n = 0
	c := o.chunk
	if o.silent || o.left != 0 || c.parity {
		return nil
	}
	if o.shared && len(o.files) == 0 {
		o.files = append(o.files, owner{})
	}
	if c.columns > 1 {
		return o.striped(c, at-c.start, n)
	}
	for _, s := range c.stripes {
		for _, w := range o.files {
			if err := o.sink.Data(s.off+at-c.start, n, w.file, w.at); err != nil {
				return err
			}
		}
	}
	return nil
}

// striped names [x, x+n) of a chunk that is laid across devices in turns. There
// are so many pieces that one file's name for each has to do.
func (o *owners) striped(c *chunk, x, n int64) error {
	w := o.files[0]
	for done := int64(0); done < n; {
		piece := min(n-done, stripeLen-(x+done)%stripeLen)
		column := (x + done) / stripeLen % c.columns
		for _, s := range c.stripes {
			if s.column != column {
				continue
			}
			if err := o.sink.Data(s.off+c.before(column, x+done), piece, w.file, w.at+done); err != nil {
				return err
			}
		}
		done += piece
	}
	return nil
}

// isSubvolume says whether a tree has files in it.
func isSubvolume(tree uint64) bool {
	return tree == fsTree || tree >= firstObject && tree <= lastObject
}
