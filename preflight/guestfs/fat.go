package guestfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// Offline is a filesystem that nobody has mounted, read from the device's view:
// ext2, ext3 and ext4 by this package, FAT32 by go-diskfs. It needs no privilege
// and changes nothing. kind is blkid's name. The error says what these readers
// cannot do with the volume; [Kernel] may.
func Offline(r io.ReaderAt, size int64, kind string) (Tree, error) {
	switch kind {
	case "ext2", "ext3", "ext4":
		return newExt(r, size)
	case "vfat":
		return newFAT(r, size)
	}
	return nil, fmt.Errorf("no offline reader for %q", kind)
}

// Bounds of what is given to go-diskfs, which reads the allocation table and
// directories into memory and follows chains of clusters wherever they lead.
const (
	maxFATVolume = 2 << 30 // an EFI system partition has about 1 GiB at most
	maxFAT       = 16 << 20
	maxFATRead   = 8 << 20 // of directories in one call; one has 2 MiB at most
)

// newFAT opens a FAT32. Fields of the boot sector: Microsoft, FAT32 File System
// Specification, section 3.
func newFAT(r io.ReaderAt, size int64) (Tree, error) {
	b := make([]byte, 512)
	if size < 1<<20 || size > maxFATVolume {
		return nil, fmt.Errorf("fat: a volume of %d bytes", size)
	}
	if _, err := r.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("fat: boot sector: %w", err)
	}
	le := binary.LittleEndian
	sector, cluster, fat := int64(le.Uint16(b[11:])), int64(b[13]), int64(le.Uint32(b[36:]))
	switch {
	case le.Uint16(b[22:]) != 0 || le.Uint16(b[17:]) != 0:
		return nil, errors.New("fat: FAT12 and FAT16 are not read here")
	case sector != 512 || cluster == 0 || cluster&(cluster-1) != 0:
		return nil, fmt.Errorf("fat: sectors of %d bytes, %d a cluster", sector, cluster)
	case fat == 0 || fat*sector > min(maxFAT, size) || b[16] == 0 || b[16] > 2 || int64(le.Uint32(b[32:]))*sector > size:
		return nil, fmt.Errorf("fat: %d tables of %d sectors in a volume of %d bytes", b[16], fat, size)
	}
	if err := noCycles(r, int64(le.Uint16(b[14:]))*sector, fat*sector); err != nil {
		return nil, fmt.Errorf("fat: %w", err)
	}
	store := &storage{SectionReader: io.NewSectionReader(r, 0, size), budget: 2*maxFAT + maxFATRead}
	t := &fatTree{dirs: map[string]*listing{}, store: store}
	if err := guard(func() (e error) { t.fs, e = fat32.Read(store, size, 0, 512); return e }); err != nil {
		return nil, fmt.Errorf("fat: %w", err)
	}
	if _, err := t.list("."); err != nil {
		return nil, fmt.Errorf("fat: root directory: %w", err)
	}
	return t, nil
}

// fatTree is a Tree over go-diskfs's FAT32. go-diskfs walks from the root
// at every call, so listings are kept.
type fatTree struct {
	fs    filesystem.FileSystem
	store *storage

	mu   sync.Mutex // one caller at a time: go-diskfs promises nothing
	dirs map[string]*listing
}

type listing struct {
	entries []fs.DirEntry
	byName  map[string]fs.DirEntry
}

func (t *fatTree) Backend() string { return "fat-go" }
func (t *fatTree) Close() error    { return nil }

// key: names are compared without case.
func (t *fatTree) key(name string) string { return strings.ToLower(name) }

// list returns a directory's entries. Its name has been looked up component by
// component, so a failure is a real one.
func (t *fatTree) list(name string) (*listing, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.dirs[t.key(name)]; l != nil {
		return l, nil
	}
	t.store.budget = maxFATRead
	var entries []fs.DirEntry
	err := guard(func() (e error) { entries, e = t.fs.ReadDir(name); return e })
	switch {
	case err != nil:
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fmt.Errorf("%w: %w", ErrUnreadable, err)}
	case len(entries) > MaxEntries:
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: ErrTooLarge}
	}
	l := &listing{byName: make(map[string]fs.DirEntry, len(entries))}
	for _, e := range entries {
		n := e.Name()
		if n == "" || n == "." || n == ".." || strings.ContainsAny(n, "/\x00") {
			continue
		}
		if _, twice := l.byName[t.key(n)]; twice {
			continue
		}
		d := fatEntry{e, t, path.Join(name, n)}
		l.entries = append(l.entries, d)
		l.byName[t.key(n)] = e
	}
	if len(t.dirs) < maxListings {
		t.dirs[t.key(name)] = l
	}
	return l, nil
}

// fatEntry asks for the mode when it is wanted: go-diskfs has none of it in
// the listing.
type fatEntry struct {
	fs.DirEntry
	t    *fatTree
	name string
}

func (e fatEntry) Info() (fs.FileInfo, error) { return e.t.Lstat(e.name) }

func (t *fatTree) ReadDir(name string) ([]fs.DirEntry, error) {
	l, err := t.list(name)
	if err != nil {
		return nil, err
	}
	return append([]fs.DirEntry(nil), l.entries...), nil
}

// entry looks a name up in its directory's listing.
func (t *fatTree) entry(op, name string) (fs.DirEntry, error) {
	l, err := t.list(path.Dir(name))
	if err != nil {
		return nil, err
	}
	e, ok := l.byName[t.key(base(name))]
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return e, nil
}

func (t *fatTree) Lstat(name string) (fs.FileInfo, error) {
	if name == "." {
		return info{FileInfo: noInfo{}, name: ".", mode: fs.ModeDir | 0o755, attr: &Attr{}}, nil
	}
	e, err := t.entry("lstat", name)
	if err != nil {
		return nil, err
	}
	var fi fs.FileInfo
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := guard(func() (x error) { fi, x = e.Info(); return x }); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fmt.Errorf("%w: %w", ErrUnreadable, err)}
	}
	mode := fs.FileMode(0o755) // FAT has none; this is what the kernel shows
	if e.IsDir() {
		mode |= fs.ModeDir
	}
	return info{FileInfo: fi, name: base(name), mode: mode, attr: &Attr{}}, nil
}

func (t *fatTree) ReadLink(name string) (string, error) {
	if _, err := t.entry("readlink", name); err != nil {
		return "", err
	}
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
}

func (t *fatTree) Open(name string) (File, error) {
	fi, err := t.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, notRegular(name)
	}
	var f filesystem.File
	t.mu.Lock()
	defer t.mu.Unlock()
	t.store.budget = maxFATRead
	if err := guard(func() (e error) { f, e = t.fs.OpenFile(name, os.O_RDONLY); return e }); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w: %w", ErrUnreadable, err)}
	}
	return &file{SectionReader: io.NewSectionReader(&seeking{t: t, f: f, size: fi.Size()}, 0, fi.Size()), fi: fi}, nil
}

// file is an open file of an offline tree.
type file struct {
	*io.SectionReader
	fi fs.FileInfo
}

func (f *file) Stat() (fs.FileInfo, error) { return f.fi, nil }
func (f *file) Close() error               { return nil }
