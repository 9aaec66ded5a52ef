package guestfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Layouts: Linux, Documentation/filesystems/ext4/inodes.rst and ifork.rst.

// extInode is an inode; its FileInfo methods tell what it says of the file.
type extInode struct {
	s      *extSuper
	number int64
	mode   uint16
	size   int64
	flags  uint32
	mtime  time.Time
	uid    uint32
	gid    uint32
	blocks int64  // i_blocks, in units that do not matter here
	fork   []byte // i_block, 60 bytes
}

// Inode flags.
const (
	extImmutable  = 0x10
	extEncrypted  = 0x800
	extHashed     = 0x1000
	extHasExtents = 0x80000
	extInlineData = 0x10000000
)

// inode reads an inode.
func (s *extSuper) inode(ino int64) (*extInode, error) {
	b, err := s.inodeBytes(ino)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	i := &extInode{s: s, number: ino, mode: le.Uint16(b), size: int64(le.Uint32(b[4:])), flags: le.Uint32(b[0x20:]), fork: b[0x28 : 0x28+60]}
	// Only regular files use the upper half for the size in all versions.
	if i.mode&0xF000 == 0x8000 || i.mode&0xF000 == 0x4000 && s.filetype {
		i.size |= int64(le.Uint32(b[0x6C:])) << 32
	}
	i.mtime = time.Unix(int64(int32(le.Uint32(b[0x10:]))), 0)
	i.uid = uint32(le.Uint16(b[2:])) | uint32(le.Uint16(b[0x78:]))<<16
	i.gid = uint32(le.Uint16(b[0x18:])) | uint32(le.Uint16(b[0x7A:]))<<16
	i.blocks = int64(le.Uint32(b[0x1C:]))
	if i.size < 0 {
		return nil, fmt.Errorf("ext: inode %d: size %#x", ino, uint64(i.size))
	}
	return i, nil
}

// inodeBytes reads an inode as it lies in its table.
func (s *extSuper) inodeBytes(ino int64) ([]byte, error) {
	if ino < 1 || ino > s.inodes {
		return nil, fmt.Errorf("ext: inode %d of %d", ino, s.inodes)
	}
	group, index := (ino-1)/s.inodesPerGroup, (ino-1)%s.inodesPerGroup
	d := make([]byte, s.descSize)
	at := s.descriptor(group)
	if at < 0 || at > s.blocks*s.blockSize-s.descSize {
		return nil, fmt.Errorf("ext: group descriptor %d at %d", group, at)
	}
	if _, err := s.r.ReadAt(d, at); err != nil {
		return nil, fmt.Errorf("ext: group descriptor %d at %d: %w", group, at, err)
	}
	le := binary.LittleEndian
	table := int64(le.Uint32(d[8:]))
	if s.descSize >= 64 {
		table |= int64(le.Uint32(d[0x28:])) << 32
	}
	if table <= 0 || table >= s.blocks {
		return nil, fmt.Errorf("ext: group %d: inode table at block %d", group, table)
	}
	b := make([]byte, s.inodeSize)
	if _, err := s.r.ReadAt(b, table*s.blockSize+index*s.inodeSize); err != nil {
		return nil, fmt.Errorf("ext: inode %d: %w", ino, err)
	}
	return b, nil
}

func (i *extInode) Size() int64        { return i.size }
func (i *extInode) ModTime() time.Time { return i.mtime }
func (i *extInode) Name() string       { return "" }
func (i *extInode) IsDir() bool        { return i.Mode().IsDir() }
func (i *extInode) Sys() any           { return nil }

// Mode is the type and permissions as io/fs has them.
func (i *extInode) Mode() fs.FileMode {
	m := fs.FileMode(i.mode & 0o777)
	for bit, f := range map[uint16]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if i.mode&bit != 0 {
			m |= f
		}
	}
	switch i.mode & 0xF000 {
	case 0x8000:
	case 0x4000:
		m |= fs.ModeDir
	case 0xA000:
		m |= fs.ModeSymlink
	case 0x1000:
		m |= fs.ModeNamedPipe
	case 0x2000:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case 0x6000:
		m |= fs.ModeDevice
	case 0xC000:
		m |= fs.ModeSocket
	default:
		m |= fs.ModeIrregular
	}
	return m
}

// link is a symbolic link's target: in the inode itself, where it fits.
func (i *extInode) link() (string, error) {
	if i.size >= 4096 {
		return "", fmt.Errorf("ext: inode %d: a link of %d bytes", i.number, i.size)
	}
	if i.size < 60 && i.flags&(extHasExtents|extEncrypted|extInlineData) == 0 {
		return string(i.fork[:i.size]), nil
	}
	d, err := i.data()
	if err != nil {
		return "", err
	}
	b := make([]byte, i.size)
	if n, err := d.ReadAt(b, 0); n < len(b) {
		return "", fmt.Errorf("ext: inode %d: link: %w", i.number, err)
	}
	return string(b), nil
}

// data opens the file's bytes.
func (i *extInode) data() (*extData, error) {
	if i.flags&extEncrypted != 0 {
		return nil, fmt.Errorf("ext: inode %d: %w: encrypted", i.number, ErrUnreadable)
	}
	if i.flags&extInlineData != 0 {
		return nil, fmt.Errorf("ext: inode %d: %w: its data is in the inode", i.number, ErrUnreadable)
	}
	w := extWalk{s: i.s, want: (i.size + i.s.blockSize - 1) / i.s.blockSize}
	var err error
	if i.flags&extHasExtents != 0 {
		err = w.extents(i.fork, -1)
	} else {
		err = w.blockMap(i.fork)
	}
	if err != nil {
		return nil, fmt.Errorf("ext: inode %d: %w", i.number, err)
	}
	return &extData{s: i.s, list: w.list, bytes: i.size}, nil
}

// extData reads a file's bytes; holes and unwritten blocks are zeros.
type extData struct {
	s     *extSuper
	list  []extExtent
	bytes int64
}

func (f *extData) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= f.bytes {
		return 0, io.EOF
	}
	var eof error
	if int64(len(p)) > f.bytes-off {
		p, eof = p[:f.bytes-off], io.EOF
	}
	clear(p)
	bs := f.s.blockSize
	for _, x := range f.list {
		a, b := max(off, x.at*bs), min(off+int64(len(p)), (x.at+x.n)*bs)
		if a >= b || x.disk < 0 {
			continue
		}
		if n, err := f.s.r.ReadAt(p[a-off:b-off], x.disk*bs+a-x.at*bs); int64(n) < b-a {
			return 0, fmt.Errorf("ext: file block %d: %w", a/bs, err)
		}
	}
	return len(p), eof
}
