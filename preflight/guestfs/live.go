package guestfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Live is the tree below a directory of the running machine: its own root, or
// where a disk is mounted. Mounts below the directory are part of it.
func Live(root string) (Tree, error) {
	f, err := os.OpenFile(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("guest root: %w", err)
	}
	return newLive(f, "live"), nil
}

func newLive(root *os.File, backend string) Tree {
	return &live{root: root, backend: backend}
}

type live struct {
	root    *os.File
	backend string
	// stepwise is set once the kernel turned out to have no openat2 (before
	// Linux 5.6, or a seccomp filter that does not know it).
	stepwise atomic.Bool
}

func (l *live) Backend() string { return l.backend }
func (l *live) Close() error    { return l.root.Close() }

// open opens a name without following any link in it: the resolver above does
// that, and what it took for a directory may have become a link meanwhile.
func (l *live) open(name string, flags int) (*os.File, error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := -1, error(unix.ENOSYS)
	if !l.stepwise.Load() {
		fd, err = unix.Openat2(int(l.root.Fd()), name, &unix.OpenHow{
			Flags:   uint64(flags),
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS,
		})
		if err == unix.ENOSYS || err == unix.EPERM && flags&unix.O_NOATIME == 0 {
			l.stepwise.Store(true)
		}
	}
	if l.stepwise.Load() {
		fd, err = l.steps(name, flags)
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// steps is openat2 for kernels without it: one openat a component.
func (l *live) steps(name string, flags int) (int, error) {
	at, owned := int(l.root.Fd()), false
	parts := strings.Split(name, "/")
	for i, p := range parts {
		f := unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		if i == len(parts)-1 {
			f = flags
		}
		fd, err := unix.Openat(at, p, f, 0)
		if owned {
			_ = unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at, owned = fd, true
	}
	return at, nil
}

func pathError(op, name string, err error) error {
	if err == unix.ENOTDIR { // a component is a file: there is no such name
		err = fs.ErrNotExist
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (l *live) Lstat(name string) (fs.FileInfo, error) {
	f, err := l.open(name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return statOf(f, name)
}

func statOf(f *os.File, name string) (fs.FileInfo, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, pathError("stat", name, errors.Unwrap(err))
	}
	a := &Attr{}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		a.UID, a.GID, a.Changed = st.Uid, st.Gid, time.Unix(st.Ctim.Unix())
	}
	return info{FileInfo: fi, name: base(name), mode: fi.Mode(), attr: a}, nil
}

func (l *live) ReadLink(name string) (string, error) {
	f, err := l.open(name, unix.O_PATH)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 4097)
	n, err := unix.Readlinkat(int(f.Fd()), "", b)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return string(b[:n]), nil
}

func (l *live) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := l.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	names, err := f.ReadDir(MaxEntries + 1)
	if err != nil && len(names) == 0 && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > MaxEntries {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fmt.Errorf("%w: more than %d names", ErrTooLarge, MaxEntries)}
	}
	entries := make([]fs.DirEntry, len(names))
	for i, d := range names {
		entries[i] = liveEntry{d, l, path.Join(name, d.Name())}
	}
	return entries, nil
}

// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h.
const immutableFlag = 0x10

// liveEntry looks its file up in the guest: os.DirEntry.Info would use the name
// the directory was opened by, which means something else to this process.
type liveEntry struct {
	fs.DirEntry
	l    *live
	name string
}

func (e liveEntry) Info() (fs.FileInfo, error) { return e.l.Lstat(e.name) }

// Open opens a regular file. It leaves the access time alone where it may, so
// that looking at a server does not write to its disk.
func (l *live) Open(name string) (File, error) {
	fi, err := l.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, notRegular(name)
	}
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	f, err := l.open(name, flags|unix.O_NOATIME)
	if errors.Is(err, unix.EPERM) {
		f, err = l.open(name, flags)
	}
	if err != nil {
		return nil, err
	}
	// It may have been replaced since Lstat; O_NONBLOCK kept that harmless.
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		_ = f.Close()
		return nil, notRegular(name)
	}
	return &liveFile{f, name}, nil
}

type liveFile struct {
	*os.File
	name string
}

// Stat adds the inode flags, which take an open file to ask for.
func (f *liveFile) Stat() (fs.FileInfo, error) {
	fi, err := statOf(f.File, f.name)
	if err != nil {
		return nil, err
	}
	if flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS); err == nil {
		fi.(info).attr.Immutable = flags&immutableFlag != 0
	}
	return fi, nil
}
