package guestfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Mountpoint says where in the guest a tree belongs. At is a guest path such as
// "/boot"; the root's is "/".
type Mountpoint struct {
	At   string
	Tree Tree
}

// Compose makes one tree of a root and the filesystems mounted in it. Links are
// resolved by this package over the whole of it, so that a link from one
// filesystem into another works as on the running guest. Closing the FS closes
// the trees.
func Compose(root Tree, mounts ...Mountpoint) FS {
	c := &composed{root: root}
	for _, m := range mounts {
		at := strings.Trim(path.Clean("/"+m.At), "/")
		if at != "" {
			c.mounts = append(c.mounts, placed{at, m.Tree})
		}
	}
	// The longest first, so that the first that fits is the innermost.
	slices.SortStableFunc(c.mounts, func(a, b placed) int { return len(b.at) - len(a.at) })
	return c
}

type placed struct {
	at   string
	tree Tree
}

type composed struct {
	root   Tree
	mounts []placed
}

func (c *composed) Backend() string { return c.root.Backend() }

func (c *composed) Close() error {
	errs := []error{c.root.Close()}
	for _, m := range c.mounts {
		errs = append(errs, m.tree.Close())
	}
	return errors.Join(errs...)
}

// at is the tree that holds a name without links, and its name there.
func (c *composed) at(name string) (Tree, string) {
	for _, m := range c.mounts {
		if name == m.at {
			return m.tree, "."
		}
		if strings.HasPrefix(name, m.at+"/") {
			return m.tree, name[len(m.at)+1:]
		}
	}
	return c.root, name
}

// hidden says that a name is above a mount point, which then exists even where
// the filesystem below has no such directory.
func (c *composed) hidden(name string) bool {
	return slices.ContainsFunc(c.mounts, func(m placed) bool { return strings.HasPrefix(m.at, name+"/") })
}

// resolve walks name from the root and returns it without links; with last, a
// link in the last component is followed, too.
func (c *composed) resolve(op, name string, last bool) (string, fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return "", nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	fail := func(err error) (string, fs.FileInfo, error) {
		return "", nil, &fs.PathError{Op: op, Path: name, Err: unwrapPath(err)}
	}
	done, rest, hops := ".", strings.Split(name, "/"), 0
	t, n := c.at(".")
	fi, err := t.Lstat(n)
	if err != nil {
		return fail(err)
	}
	for len(rest) > 0 {
		step := rest[0]
		rest = rest[1:]
		switch {
		case step == "" || step == ".":
			continue
		case !fi.IsDir():
			return fail(fs.ErrNotExist) // ENOTDIR: there is no such file
		case step == "..":
			done = path.Dir(done)
			t, n := c.at(done)
			if fi, err = t.Lstat(n); err != nil {
				return fail(err)
			}
			continue
		}
		next := path.Join(done, step)
		t, n := c.at(next)
		nfi, err := t.Lstat(n)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) || !c.hidden(next) {
				return fail(err)
			}
			nfi = synthetic(step)
		}
		if nfi.Mode()&fs.ModeSymlink == 0 || (len(rest) == 0 && !last) {
			done, fi = next, nfi
			continue
		}
		if hops++; hops > MaxLinks {
			return fail(fmt.Errorf("more than %d symbolic links", MaxLinks))
		}
		target, err := t.ReadLink(n)
		if err != nil {
			return fail(err)
		}
		if len(target) > 4096 {
			return fail(errors.New("a symbolic link of more than 4096 bytes"))
		}
		rest = append(strings.Split(target, "/"), rest...)
		if strings.HasPrefix(target, "/") {
			done = "."
			t, n := c.at(done)
			if fi, err = t.Lstat(n); err != nil {
				return fail(err)
			}
		}
	}
	return done, fi, nil
}

func unwrapPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, p) {
		return p.Err
	}
	return err
}

// synthetic stands for a directory that only the mount points below it imply.
func synthetic(name string) fs.FileInfo {
	return info{name: name, mode: fs.ModeDir | 0o755, attr: &Attr{}, FileInfo: noInfo{}}
}

func (c *composed) Stat(name string) (fs.FileInfo, error) {
	_, fi, err := c.resolve("stat", name, true)
	return fi, err
}

func (c *composed) Lstat(name string) (fs.FileInfo, error) {
	_, fi, err := c.resolve("lstat", name, false)
	return fi, err
}

func (c *composed) ReadLink(name string) (string, error) {
	at, fi, err := c.resolve("readlink", name, false)
	if err != nil {
		return "", err
	}
	if fi.Mode()&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	t, n := c.at(at)
	return t.ReadLink(n)
}

func (c *composed) ReadDir(name string) ([]fs.DirEntry, error) {
	at, _, err := c.resolve("readdir", name, true)
	if err != nil {
		return nil, err
	}
	t, n := c.at(at)
	entries, err := t.ReadDir(n)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: unwrapPath(err)}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (c *composed) Open(name string) (fs.File, error) {
	at, fi, err := c.resolve("open", name, true)
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		return &dir{c: c, name: at, fi: fi}, nil
	}
	if !fi.Mode().IsRegular() {
		return nil, notRegular(name)
	}
	t, n := c.at(at)
	f, err := t.Open(n)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: unwrapPath(err)}
	}
	return f, nil
}

// dir is an open directory.
type dir struct {
	c       *composed
	name    string
	fi      fs.FileInfo
	entries []fs.DirEntry
	read    bool
}

func (d *dir) Stat() (fs.FileInfo, error) { return d.fi, nil }
func (d *dir) Close() error               { return nil }
func (d *dir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("is a directory")}
}

func (d *dir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		e, err := d.c.ReadDir(d.name)
		if err != nil {
			return nil, err
		}
		d.entries, d.read = e, true
	}
	if n <= 0 {
		e := d.entries
		d.entries = nil
		return e, nil
	}
	if len(d.entries) == 0 {
		return nil, io.EOF
	}
	e := d.entries[:min(n, len(d.entries))]
	d.entries = d.entries[len(e):]
	return e, nil
}
