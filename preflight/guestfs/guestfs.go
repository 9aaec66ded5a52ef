// Package guestfs reads the files of a guest: the operating system on the disk
// that is being exported. The tree is rooted at the guest's "/", whatever it is
// made of: a mounted tree of the running machine, or partitions that nobody has
// mounted.
//
// # Rules
//
// A guest may be hostile. Symbolic links are resolved inside the guest's root,
// with at most [MaxLinks] hops; only regular files are opened, never a FIFO, a
// socket or a device; nothing of the guest is ever executed or written.
//
// "Not there" and "could not be read" are different answers. An error that is
// [fs.ErrNotExist] says that the guest does not have the file. Every other
// error says that nothing is known about it, and a caller must not take it for
// absence. A partition that belongs into the tree and cannot be read is present
// as a place where everything answers [ErrUnreadable].
//
// # Backends
//
//	live     a directory of the running machine (openat2, or openat step by step)
//	ext      ext2, ext3 and ext4 read by this package, where the features allow it
//	fat-go   FAT32 read by go-diskfs
//	loop-ro  a partition mounted by the kernel, read-only, detached at once
package guestfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// MaxLinks is how many symbolic links one look-up follows, as in the kernel
// (fs/namei.c, MAXSYMLINKS).
const MaxLinks = 40

// MaxConfig bounds a configuration file, in bytes.
const MaxConfig = 4 << 20

// MaxEntries bounds how many names of one directory are read.
const MaxEntries = 200_000

// ErrUnreadable is what a place of the guest answers that exists but that
// nobody here can read: a partition with a filesystem without a reader, or one
// on another disk. The error around it says why.
var ErrUnreadable = errors.New("cannot be read")

// ErrTooLarge says that a file exceeds the bound for its kind.
var ErrTooLarge = errors.New("file is too large")

// FS is a guest's tree. Names are as io/fs wants them, without a leading slash;
// Open, Stat and ReadDir follow links inside the root, Lstat and ReadLink do not
// follow the last one. Files it opens implement [io.ReaderAt]. The Sys of its
// FileInfos is an *[Attr]. It is safe for concurrent use.
type FS interface {
	fs.StatFS
	fs.ReadDirFS
	fs.ReadLinkFS
	// Backend is how the root is read; see the package's list.
	Backend() string
	// Close releases what the tree holds; it must not be used afterwards.
	Close() error
}

// Attr is what io/fs has no word for.
type Attr struct {
	UID, GID uint32
	// Immutable says that the file has the inode flag of chattr +i.
	Immutable bool
	// Changed is the last change of the inode, of a live tree; else zero.
	Changed time.Time
}

// AttrOf is the Attr of a file of an [FS]; ok is false for any other.
func AttrOf(fi fs.FileInfo) (a Attr, ok bool) {
	p, ok := fi.Sys().(*Attr)
	if !ok || p == nil {
		return Attr{}, false
	}
	return *p, true
}

// ReadFile reads a file of at most limit bytes. A larger one is ErrTooLarge: a
// configuration that was cut short would be a wrong one.
func ReadFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
	}
	return b, nil
}

// Exists says whether the guest has the file, after links. The error, if any,
// says that it could not be found out.
func Exists(fsys fs.FS, name string) (bool, error) {
	_, err := fs.Stat(fsys, name)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}

// LooksLikeOS says whether the tree is the root of an installed system: it has
// etc, and usr, bin or sbin.
func LooksLikeOS(fsys fs.FS) (bool, error) {
	etc, err := isDir(fsys, "etc")
	if err != nil || !etc {
		return false, err
	}
	for _, n := range []string{"usr", "bin", "sbin"} {
		if ok, err := isDir(fsys, n); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

func isDir(fsys fs.FS, name string) (bool, error) {
	fi, err := fs.Stat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && fi.IsDir(), err
}
