package facts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// candidate is a volume that holds a root filesystem.
type candidate struct {
	volume Volume
	point  string // where it is mounted; empty for offline
	tree   guestfs.Tree
	dir    string // of the subvolume in the tree that is the root; empty for the tree's own
}

// root is the tree of the root filesystem.
func (c candidate) root() guestfs.Tree {
	if c.dir == "" {
		return c.tree
	}
	return rooted{guestfs.Sub(c.tree, c.dir), c.tree}
}

// rooted is a subvolume that owns the filesystem it lies in.
type rooted struct {
	guestfs.Tree
	whole guestfs.Tree
}

func (r rooted) Close() error { return r.whole.Close() }

// subvolumes are the names that distributions give the one with the root:
// Ubuntu, Debian, Fedora.
var subvolumes = []string{"@", "@rootfs", "root"}

// subvolume finds the subvolume of a btrfs that holds the system. Which one is
// the default is not read, so where none is found the names must not look as if
// there were one deeper (snapper's, of SUSE).
func subvolume(tree guestfs.Tree) (dir string, found bool, err error) {
	for _, d := range subvolumes {
		if ok, err := guestfs.LooksLikeOS(guestfs.Compose(guestfs.Sub(tree, d))); err == nil && ok {
			return d, true, nil
		}
	}
	entries, err := tree.ReadDir(".")
	if err != nil {
		return "", false, err
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "@") || e.Name() == ".snapshots" }) {
		return "", false, errors.New("a btrfs with subvolumes, of which none is known to hold the system")
	}
	return "", false, nil
}

// roots returns the volumes that hold an operating system, the best first: the
// one that process 1 runs from, then mounted ones, then the others in the
// order of the disk. unknown are the volumes that may hold one and could not be
// read.
func (g *gatherer) roots(ctx context.Context) (found []candidate, unknown []string) {
	mounted := map[string]bool{}
	for _, m := range g.mountsByPoint() {
		mounted[m.Partition] = true
		tree, err := guestfs.Live(g.livePath(m.Point))
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("%s: %v", m.Point, err))
			continue
		}
		v := g.volumeNamed(m.Partition)
		if v.Type != m.FSType { // the filesystem is inside it (LVM, LUKS)
			v.Type, v.UUID, v.Label = m.FSType, "", ""
		}
		if c, ok := g.candidate(tree, v, m.Point, &unknown); ok {
			found = append(found, c)
			if m.Point == "/" {
				break // the other mounts are part of this system
			}
		}
	}
	if len(found) > 0 && found[0].point == "/" {
		return found[:1], nil
	}
	if len(g.f.Disk.Volumes) == 0 {
		unknown = append(unknown, "the disk was not scanned")
	}
	for _, v := range g.f.Disk.Volumes {
		if ctx.Err() != nil {
			return found, unknown
		}
		if v.Container && v.Whole != "" {
			unknown = append(unknown, fmt.Sprintf("%s: %s", v.Title(), v.Whole))
		}
		if mounted[v.Name] || v.Container || !v.mayBeRoot() {
			continue
		}
		tree, err := g.offline(v)
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("%s (%s): %v", v.Title(), or(v.Type, "unknown contents"), err))
			continue
		}
		if c, ok := g.candidate(tree, v, "", &unknown); ok {
			found = append(found, c)
		}
	}
	return found, unknown
}

func (g *gatherer) candidate(tree guestfs.Tree, v Volume, point string, unknown *[]string) (candidate, bool) {
	ok, err := guestfs.LooksLikeOS(guestfs.Compose(tree))
	if err == nil && ok {
		return candidate{v, point, tree, ""}, true
	}
	if err == nil && v.Type == "btrfs" && point == "" {
		dir, found, err2 := subvolume(tree)
		if found {
			return candidate{v, point, tree, dir}, true
		}
		err = err2
	}
	_ = tree.Close()
	if err != nil {
		*unknown = append(*unknown, fmt.Sprintf("%s: %v", v.Title(), err))
	}
	return candidate{}, false
}

// mayBeRoot: types that are no home of a Linux root filesystem are left out.
func (v Volume) mayBeRoot() bool {
	switch v.Type {
	case "swap", "swsuspend", "vfat", "exfat", "iso9660", "empty":
		return false
	}
	return !v.isBare() && v.PartType != espGUID
}

// mountsByPoint are the mounts, "/" first, then by path, one a volume.
func (g *gatherer) mountsByPoint() []Mount {
	m := slices.Clone(g.src.Mounts)
	slices.SortStableFunc(m, func(a, b Mount) int {
		switch {
		case a.Point == b.Point:
			return 0
		case a.Point < b.Point: // "/" is a prefix of all others
			return -1
		}
		return 1
	})
	return m
}

func (g *gatherer) volumeNamed(name string) Volume {
	for _, v := range g.f.Disk.Volumes {
		if v.Name == name {
			return v
		}
	}
	return Volume{Name: name, Start: -1}
}
