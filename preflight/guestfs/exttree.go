package guestfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// maxDirectory bounds a directory, in bytes, and maxListings how many are kept.
const (
	maxDirectory = 16 << 20
	maxListings  = 1024
)

// extTree is a Tree over an ext2, ext3 or ext4 filesystem. Go-diskfs's reader is
// not used: it takes no filesystem without metadata checksums or with files
// mapped by blocks (all of ext2 and ext3, ext4 of before 2016), reads other
// blocks' bytes for holes and unwritten extents, and allocates by sizes that it
// has not checked.
type extTree struct {
	s *extSuper

	mu   sync.Mutex
	dirs map[int64]map[string]int64 // inode of a directory -> its names
}

const extRoot = 2

// newExt opens a filesystem of size bytes.
func newExt(r io.ReaderAt, size int64) (Tree, error) {
	s, err := readExtSuper(r, size)
	if err != nil {
		return nil, err
	}
	t := &extTree{s: s, dirs: map[int64]map[string]int64{}}
	if _, err := t.list(extRoot); err != nil {
		return nil, fmt.Errorf("ext: root directory: %w", err)
	}
	return t, nil
}

func (t *extTree) Backend() string { return "ext" }
func (t *extTree) Close() error    { return nil }

// list reads a directory. The index blocks of a hashed directory look like
// empty entries to whoever reads it from end to end, which is how ext2 reads it
// (Documentation/filesystems/ext4/directory.rst).
func (t *extTree) list(ino int64) (map[string]int64, error) {
	t.mu.Lock()
	names := t.dirs[ino]
	t.mu.Unlock()
	if names != nil {
		return names, nil
	}
	i, err := t.s.inode(ino)
	if err != nil {
		return nil, err
	}
	if !i.IsDir() {
		return nil, fs.ErrNotExist
	}
	if i.size > maxDirectory {
		return nil, fmt.Errorf("ext: directory inode %d: %w: %d bytes", ino, ErrTooLarge, i.size)
	}
	d, err := i.data()
	if err != nil {
		return nil, err
	}
	names = map[string]int64{}
	b := make([]byte, t.s.blockSize)
	for off := int64(0); off < i.size; off += t.s.blockSize {
		if n, err := d.ReadAt(b, off); n < len(b) {
			return nil, fmt.Errorf("ext: directory inode %d at %d: %w", ino, off, err)
		}
		if err := t.entries(b, names); err != nil {
			return nil, fmt.Errorf("ext: directory inode %d at %d: %w", ino, off, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.dirs) < maxListings {
		t.dirs[ino] = names
	}
	return names, nil
}

// entries adds the names of one block of a directory.
func (t *extTree) entries(b []byte, names map[string]int64) error {
	le := binary.LittleEndian
	for at := 0; at < len(b); {
		if at+8 > len(b) {
			return fmt.Errorf("an entry at %d leaves the block", at)
		}
		ino, length, n := int64(le.Uint32(b[at:])), int(le.Uint16(b[at+4:])), int(b[at+6])
		if length == 0xFFFF || length == 0 && len(b) == 1<<16 { // 64 KiB blocks: the length does not fit
			length = len(b) - at
		}
		if length < 8 || length%4 != 0 || at+length > len(b) || 8+n > length {
			return fmt.Errorf("an entry of %d bytes with a name of %d at %d", length, n, at)
		}
		name := string(b[at+8 : at+8+n])
		at += length
		if ino == 0 || name == "." || name == ".." {
			continue
		}
		if name == "" || strings.ContainsAny(name, "/\x00") || len(names) >= MaxEntries {
			return fmt.Errorf("a name that cannot be one, or one too many")
		}
		names[name] = ino
	}
	return nil
}

// find is the inode of a name without links.
func (t *extTree) find(op, name string) (*extInode, error) {
	ino := int64(extRoot)
	if name != "." {
		for part := range strings.SplitSeq(name, "/") {
			names, err := t.list(ino)
			if err != nil {
				return nil, t.fail(op, name, err)
			}
			next, ok := names[part]
			if !ok {
				return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
			}
			ino = next
		}
	}
	i, err := t.s.inode(ino)
	if err != nil {
		return nil, t.fail(op, name, err)
	}
	return i, nil
}

func (t *extTree) fail(op, name string, err error) error {
	if err == fs.ErrNotExist {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("%w: %w", ErrUnreadable, err)}
}

func (t *extTree) Lstat(name string) (fs.FileInfo, error) {
	i, err := t.find("lstat", name)
	if err != nil {
		return nil, err
	}
	return i.info(name), nil
}

func (i *extInode) info(name string) fs.FileInfo {
	return info{FileInfo: i, name: base(name), mode: i.Mode(), attr: &Attr{UID: i.uid, GID: i.gid, Immutable: i.flags&extImmutable != 0}}
}

func (t *extTree) ReadLink(name string) (string, error) {
	i, err := t.find("readlink", name)
	if err != nil {
		return "", err
	}
	if i.Mode()&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	target, err := i.link()
	if err != nil {
		return "", t.fail("readlink", name, err)
	}
	return target, nil
}

func (t *extTree) ReadDir(name string) ([]fs.DirEntry, error) {
	i, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	names, err := t.list(i.number)
	if err != nil {
		return nil, t.fail("readdir", name, err)
	}
	entries := make([]fs.DirEntry, 0, len(names))
	for n, ino := range names {
		e, err := t.s.inode(ino)
		if err != nil {
			return nil, t.fail("readdir", path.Join(name, n), err)
		}
		entries = append(entries, fs.FileInfoToDirEntry(e.info(n)))
	}
	return entries, nil
}

func (t *extTree) Open(name string) (File, error) {
	i, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() {
		return nil, notRegular(name)
	}
	d, err := i.data()
	if err != nil {
		return nil, t.fail("open", name, err)
	}
	return &file{SectionReader: io.NewSectionReader(d, 0, i.size), fi: i.info(name)}, nil
}
