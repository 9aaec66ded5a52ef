package fat

import (
	"context"
	"fmt"

	"migimg/blockmap"
)

// maxDirs bounds how many directories a hostile filesystem may make the scanner
// remember.
const maxDirs = 1 << 20

// reach adds to t.carried the first cluster of everything that a directory
// names. A crash may leave a directory that names a cluster of which the table
// does not know yet; drivers read the first cluster of a file without asking the
// table (fat_get_cluster in fs/fat/cache.c), and the others are those that
// entries lead to. So after this, all that anybody could read is carried.
//
// Directories are followed to the end of their last cluster, as the kernel does,
// though others stop at the first unused entry.
func (f *fsys) reach(ctx context.Context, t *table) (string, error) {
	if t.differ {
		return "it was not unmounted, and the copies of the FAT differ: run fsck.fat", nil
	}
	w := &walk{f: f, t: t, seen: newBitset(f.clusters + firstCluster), links: links{f: f}}
	if f.bits == 32 {
		w.add(f.rootCluster, true)
	} else {
		b := make([]byte, f.rootEntries*dirEntry)
		if err := blockmap.ReadFull(f.v, b, f.rootStart()); err != nil {
			return "", fmt.Errorf("vfat: root directory at byte %d: %w", f.rootStart(), err)
		}
		w.entries(b)
	}
	b := make([]byte, f.cluster)
	for len(w.todo) > 0 {
		c := int64(w.todo[len(w.todo)-1])
		w.todo = w.todo[:len(w.todo)-1]
		for {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			if err := blockmap.ReadFull(f.v, b, f.offset(c)); err != nil {
				return "", fmt.Errorf("vfat: directory at byte %d: %w", f.offset(c), err)
			}
			if w.entries(b); len(w.todo) > maxDirs {
				return fmt.Sprintf("it was not unmounted, and has more than the %d directories that are followed: run fsck.fat", maxDirs), nil
			}
			var err error
			if c, err = w.links.next(c); err != nil {
				return "", err
			}
			if !f.valid(c) || w.seen.get(c) {
				break
			}
			w.seen.set(c)
		}
	}
	return "", nil
}

// walk is a way through all directories.
type walk struct {
	f     *fsys
	t     *table
	seen  bitset // clusters of directories
	todo  []uint32
	links links
}

// entries adds what the directory entries in b name.
func (w *walk) entries(b []byte) {
	for ; len(b) >= dirEntry; b = b[dirEntry:] {
		if b[0] != 0 && b[0] != nameFree && b[11]&attrMask != attrLong {
			w.add(startOf(b, w.f.bits), b[11]&(attrDir|attrLabel) == attrDir)
		}
	}
}

// add takes the first cluster of a file or a directory.
func (w *walk) add(c int64, dir bool) {
	if !w.f.valid(c) {
		return
	}
	w.t.carried.set(c)
	if dir && !w.seen.get(c) {
		w.seen.set(c)
		w.todo = append(w.todo, uint32(c))
	}
}
