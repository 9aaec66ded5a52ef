package guestfs

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// Tree is one filesystem or directory, without any following of links: the
// names it is given have no link in any component, and it must fail if there is
// one after all. [Compose] makes an FS of one or several.
type Tree interface {
	Lstat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	ReadLink(name string) (string, error)
	// Open opens a regular file and nothing else.
	Open(name string) (File, error)
	Backend() string
	Close() error
}

// File is an open regular file.
type File interface {
	fs.File
	io.ReaderAt
}

// Unreadable is a tree of which nothing is known but that it exists: all
// answers are ErrUnreadable with the reason.
func Unreadable(reason string) Tree { return unreadable(reason) }

type unreadable string

func (u unreadable) err(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w: %s", ErrUnreadable, string(u))}
}

func (u unreadable) Lstat(name string) (fs.FileInfo, error)     { return nil, u.err("lstat", name) }
func (u unreadable) ReadDir(name string) ([]fs.DirEntry, error) { return nil, u.err("readdir", name) }
func (u unreadable) ReadLink(name string) (string, error)       { return "", u.err("readlink", name) }
func (u unreadable) Open(name string) (File, error)             { return nil, u.err("open", name) }
func (u unreadable) Backend() string                            { return "none" }
func (u unreadable) Close() error                               { return nil }

// Sub is the part of a tree below a directory, as a root of its own: a btrfs
// subvolume. The name has no links. Closing it leaves the tree open.
func Sub(t Tree, dir string) Tree { return sub{t, dir} }

type sub struct {
	tree Tree
	dir  string
}

func (s sub) Lstat(name string) (fs.FileInfo, error) { return s.tree.Lstat(path.Join(s.dir, name)) }
func (s sub) ReadDir(name string) ([]fs.DirEntry, error) {
	return s.tree.ReadDir(path.Join(s.dir, name))
}
func (s sub) ReadLink(name string) (string, error) { return s.tree.ReadLink(path.Join(s.dir, name)) }
func (s sub) Open(name string) (File, error)       { return s.tree.Open(path.Join(s.dir, name)) }
func (s sub) Backend() string                      { return s.tree.Backend() }
func (s sub) Close() error                         { return nil }

// FromFS is a tree over any io/fs tree, for tests: an fstest.MapFS is a guest.
// A file's Sys may be an *Attr.
func FromFS(fsys fs.FS, backend string) Tree { return foreign{fsys, backend} }

type foreign struct {
	fsys    fs.FS
	backend string
}

func (t foreign) Lstat(name string) (fs.FileInfo, error)     { return fs.Lstat(t.fsys, name) }
func (t foreign) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(t.fsys, name) }
func (t foreign) ReadLink(name string) (string, error)       { return fs.ReadLink(t.fsys, name) }
func (t foreign) Backend() string                            { return t.backend }
func (t foreign) Close() error                               { return nil }

func (t foreign) Open(name string) (File, error) {
	fi, err := fs.Lstat(t.fsys, name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, notRegular(name)
	}
	f, err := t.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	if r, ok := f.(File); ok {
		return r, nil
	}
	_ = f.Close()
	return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w: no random access", ErrUnreadable)}
}

func notRegular(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w: not a regular file", ErrUnreadable)}
}

// info is a FileInfo of this package's own backends.
type info struct {
	fs.FileInfo
	name string
	mode fs.FileMode
	attr *Attr
}

func (i info) Name() string      { return i.name }
func (i info) Mode() fs.FileMode { return i.mode }
func (i info) IsDir() bool       { return i.mode.IsDir() }
func (i info) Sys() any          { return i.attr }

// base is the last component of a name, "." for the root.
func base(name string) string { return path.Base(name) }

// noInfo answers what a synthetic directory has no answer to.
type noInfo struct{}

func (noInfo) Name() string       { return "" }
func (noInfo) Size() int64        { return 0 }
func (noInfo) Mode() fs.FileMode  { return 0 }
func (noInfo) ModTime() time.Time { return time.Time{} }
func (noInfo) IsDir() bool        { return false }
func (noInfo) Sys() any           { return nil }
