package guestfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// Flags are the inode flags that keep a file from being changed (chattr(1)).
type Flags struct {
	// Immutable is +i, Append +a.
	Immutable, Append bool
}

const (
	// appendFlag is FS_APPEND_FL of linux/fs.h, and EXT4_APPEND_FL.
	appendFlag = 0x20

	maxXattr = 64 << 10 // bytes of an attribute's value
)

// inspector is a Tree that knows more of a file than io/fs asks for. A tree that
// is none knows nothing of it.
type inspector interface {
	// Flags are those of a regular file or a folder.
	Flags(name string) (Flags, error)
	// Xattr is an extended attribute's value, nil where the file has none.
	Xattr(name, attr string) ([]byte, error)
}

// FlagsOf returns the inode flags of a file or folder, after links. Its error
// is ErrUnreadable where the filesystem has no such flags, or none that could be
// read.
func FlagsOf(fsys FS, name string) (Flags, error) {
	i, n, err := inspect(fsys, "flags", name)
	if err != nil {
		return Flags{}, err
	}
	return i.Flags(n)
}

// Xattr returns an extended attribute of a file, after links; nil where the file
// does not have it. Its error is ErrUnreadable where attributes cannot be read.
func Xattr(fsys FS, name, attr string) ([]byte, error) {
	i, n, err := inspect(fsys, "xattr", name)
	if err != nil {
		return nil, err
	}
	return i.Xattr(n, attr)
}

func inspect(fsys FS, op, name string) (inspector, string, error) {
	c, ok := fsys.(*composed)
	if !ok {
		return nil, "", cannot(op, name, "the tree does not say")
	}
	at, _, err := c.resolve(op, name, true)
	if err != nil {
		return nil, "", err
	}
	t, n := c.at(at)
	if i, ok := t.(inspector); ok {
		return i, n, nil
	}
	return nil, "", cannot(op, name, "the reader "+t.Backend()+" does not say")
}

func cannot(op, name, why string) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w: %s", ErrUnreadable, why)}
}

// Flags asks the kernel, which takes an open file.
func (l *live) Flags(name string) (Flags, error) {
	f, err := l.openQuietly(name)
	if err != nil {
		return Flags{}, err
	}
	defer func() { _ = f.Close() }()
	bits, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	switch {
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EOPNOTSUPP): // a filesystem without flags, as vfat
		return Flags{}, nil
	case err != nil:
		return Flags{}, &fs.PathError{Op: "flags", Path: name, Err: err}
	}
	return Flags{bits&immutableFlag != 0, bits&appendFlag != 0}, nil
}

// Xattr asks the kernel.
func (l *live) Xattr(name, attr string) ([]byte, error) {
	f, err := l.openQuietly(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, maxXattr)
	n, err := unix.Fgetxattr(int(f.Fd()), attr, b)
	switch {
	case errors.Is(err, unix.ENODATA):
		return nil, nil
	case err != nil:
		return nil, &fs.PathError{Op: "xattr", Path: name, Err: err}
	}
	return b[:n], nil
}

// openQuietly opens a regular file or a folder, and nothing that opening does
// something to.
func (l *live) openQuietly(name string) (file interface {
	Fd() uintptr
	Close() error
}, err error) {
	fi, err := l.Lstat(name)
	if err != nil {
		return nil, err
	}
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	if fi.IsDir() {
		flags |= unix.O_DIRECTORY
	} else if !fi.Mode().IsRegular() {
		return nil, notRegular(name)
	}
	f, err := l.open(name, flags|unix.O_NOATIME)
	if errors.Is(err, unix.EPERM) {
		f, err = l.open(name, flags)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Flags are in the inode.
func (t *extTree) Flags(name string) (Flags, error) {
	i, err := t.find("flags", name)
	if err != nil {
		return Flags{}, err
	}
	return Flags{i.flags&extImmutable != 0, i.flags&appendFlag != 0}, nil
}

// Flags of FAT: there are none, nor attributes.
func (t *fatTree) Flags(name string) (Flags, error) {
	_, err := t.Lstat(name)
	return Flags{}, err
}

func (t *fatTree) Xattr(name, _ string) ([]byte, error) {
	_, err := t.Lstat(name)
	return nil, err
}

// The part of a tree says what the tree says.
func (s sub) Flags(name string) (Flags, error) {
	if i, ok := s.tree.(inspector); ok {
		return i.Flags(path.Join(s.dir, name))
	}
	return Flags{}, cannot("flags", name, "the reader "+s.Backend()+" does not say")
}

func (s sub) Xattr(name, attr string) ([]byte, error) {
	if i, ok := s.tree.(inspector); ok {
		return i.Xattr(path.Join(s.dir, name), attr)
	}
	return nil, cannot("xattr", name, "the reader "+s.Backend()+" does not say")
}

// Flags of a test's tree are those of its files' Attr.
func (t foreign) Flags(name string) (Flags, error) {
	fi, err := t.Lstat(name)
	if err != nil {
		return Flags{}, err
	}
	if a, ok := AttrOf(fi); ok {
		return Flags{Immutable: a.Immutable}, nil
	}
	if fi.IsDir() { // fstest.MapFS makes up the folders above its files
		return Flags{}, nil
	}
	return Flags{}, cannot("flags", name, "the file has no attributes")
}

func (t foreign) Xattr(name, _ string) ([]byte, error) {
	return nil, cannot("xattr", name, "the tree has none")
}
