package facts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// livePath is where a mount point of process 1's namespace is for this process,
// which may be in another one (a container).
func (g *gatherer) livePath(point string) string {
	root := g.src.Root
	if root == "" {
		root = path.Join(g.src.proc(), "1/root")
		if _, err := os.Stat(root + "/"); err != nil { // not for everybody to follow
			root = "/"
		}
	}
	return path.Join(root, point)
}

// other is another line of fstab for the root's own filesystem.
func (c candidate) other(l FstabLine) (guestfs.Tree, Placed) {
	if c.volume.Type != "btrfs" || c.point == "/" {
		return nil, Placed{}
	}
	p := Placed{Volume: c.volume.Name, Backend: c.tree.Backend()}
	for _, o := range l.Options {
		if dir, ok := strings.CutPrefix(o, "subvol="); ok && c.dir != "" {
			dir = strings.Trim(path.Clean("/"+dir), "/")
			if fi, err := c.tree.Lstat(or(dir, ".")); err == nil && fi.IsDir() {
				return guestfs.Sub(c.tree, or(dir, ".")), p
			}
		}
	}
	p.Backend, p.Unreadable = "", "a btrfs subvolume that cannot be found from here"
	return guestfs.Unreadable(p.Unreadable), p
}

// offline opens a volume that nobody has mounted: by go-diskfs where it can
// read it, else by the kernel.
func (g *gatherer) offline(v Volume) (guestfs.Tree, error) {
	r, _, err := g.bytesOf(v.Name)
	if err != nil {
		return nil, err
	}
	switch v.Type {
	case "":
		return nil, errors.New("its contents were not recognised")
	case "ntfs":
		return nil, errors.New("no reader for ntfs, and it may hold Windows")
	case "ext2", "ext3", "ext4", "vfat", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "squashfs", "erofs":
	default:
		return nil, fmt.Errorf("no reader for %s", v.Type)
	}
	if slices.ContainsFunc(g.src.Mounts, func(m Mount) bool { return m.Partition == v.Name }) {
		return nil, errors.New("it is mounted")
	}
	tree, err := guestfs.Offline(r, v.Size, v.Type)
	if err == nil {
		return tree, nil
	}
	raw, at := g.src.raw(v.Start)
	if raw == "" || v.Start < 0 {
		return nil, err
	}
	tree, err2 := guestfs.Kernel(raw, at, v.Size, v.Type)
	if err2 != nil {
		return nil, fmt.Errorf("%w; and %w", err, err2)
	}
	return tree, nil
}

// maxPlaced bounds the filesystems that are opened into one tree.
const maxPlaced = 64

// compose puts the filesystems that the guest's fstab mounts into its tree.
func (g *gatherer) compose(ctx context.Context, root candidate) guestfs.FS {
	alone := guestfs.Compose(root.root())
	b, err := guestfs.ReadFile(alone, "etc/fstab", guestfs.MaxConfig)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			g.f.Guest.Problems = append(g.f.Guest.Problems, err.Error())
		}
		return alone
	}
	lines := ParseFstab(string(b)).Lines
	own := ""
	for _, l := range lines {
		if l.Point == "/" && ParseSpec(l.Spec, l.FSType).Kind == "device" {
			own, _ = DiskOf(l.Spec)
		}
	}
	var mounts []guestfs.Mountpoint
	seen := map[string]bool{}
	for _, l := range lines {
		at := path.Clean("/" + l.Point)
		if l.Swap() || !strings.HasPrefix(l.Point, "/") || at == "/" || seen[at] || len(mounts) == maxPlaced || ctx.Err() != nil {
			continue
		}
		tree, p := g.place(root, l, at, own)
		if tree == nil {
			continue
		}
		seen[at] = true
		p.At = at
		mounts = append(mounts, guestfs.Mountpoint{At: at, Tree: tree})
		g.f.Guest.Mounted = append(g.f.Guest.Mounted, p)
		if p.Unreadable != "" {
			g.f.Guest.Problems = append(g.f.Guest.Problems, fmt.Sprintf("%s: %s", at, p.Unreadable))
		}
	}
	return guestfs.Compose(root.root(), mounts...)
}

// place opens what an fstab line mounts; nil where the root's tree has it
// already, or where it is no filesystem with files of the guest. own is the name
// that the guest's root gives this disk, if it goes by one.
func (g *gatherer) place(root candidate, l FstabLine, at, own string) (guestfs.Tree, Placed) {
	if root.point == "/" && g.mountedNow(at) {
		return nil, Placed{}
	}
	sp := g.f.Disk.Resolve(l.Spec, l.FSType)
	if sp.Place == NoDisk || sp.Kind == "file" {
		return nil, Placed{}
	}
	if sp.Place == Unsure && sp.Kind == "device" {
		// Offline, a kernel name says the partition's number where it is of the
		// disk that the root is on. It is used for reading if the type fits; the
		// checks say what becomes of the name.
		if disk, n := DiskOf(sp.Value); n > 0 && disk == own {
			for i, v := range g.f.Disk.Volumes {
				if v.Number == n && v.Disk == g.f.Disk.Name && (v.Type == l.FSType || l.FSType == "auto") {
					sp.Place, sp.Volume = OnDisk, i
				}
			}
		}
	}
	if sp.Place != OnDisk {
		p := Placed{Unreadable: or(sp.Why, "it cannot be told where it is")}
		return guestfs.Unreadable(p.Unreadable), p
	}
	v := g.f.Disk.Volumes[sp.Volume]
	if v.Name == root.volume.Name { // another part of the same filesystem
		return root.other(l)
	}
	p := Placed{Volume: v.Name}
	for _, m := range g.src.Mounts {
		if m.Partition != v.Name {
			continue
		}
		if root.point != "" && m.Point == path.Join(root.point, at) {
			return nil, p // in the live tree already
		}
		tree, err := guestfs.Live(g.livePath(m.Point))
		if err != nil {
			p.Unreadable = err.Error()
			return guestfs.Unreadable(p.Unreadable), p
		}
		p.Backend = tree.Backend()
		return tree, p
	}
	tree, err := g.offline(v)
	if err != nil {
		p.Unreadable = err.Error()
		return guestfs.Unreadable(p.Unreadable), p
	}
	p.Backend = tree.Backend()
	return tree, p
}
