package ext4

import (
	"encoding/binary"
	"fmt"
	"slices"

	"migimg/blockmap"
)

// An inode (kernel, Documentation/filesystems/ext4/inodes.rst), little-endian:
//
//	0x04 size_lo  0x20 flags  0x28 block[15]  0x64 generation  0x6c size_hi
//	0x7c checksum_lo (16)  0x80 extra_isize (16)  0x82 checksum_hi (16)
//
// block[15] is twelve block numbers and those of an indirect, a double and a
// triple indirect block; or, with the flag, the root of a tree of extents
// (ifork.rst): a header of 12 bytes (magic 0xf30a, entries, max, depth; 16 bits
// each) and entries of 12 bytes.
const (
	inodeExtents = 0x80000
	extentMagic  = 0xf30a

	// maxFileBlocks bounds the files that are walked, which are journals: jbd2
	// knows 2^32 blocks, mke2fs makes at most 10 240 000.
	maxFileBlocks = 1 << 24
	maxNodes      = 1 << 16 // of a tree of extents
)

// file is where an inode's blocks lie: the runs in the file's order, without
// holes, and apart from them the blocks of the tree that leads to them.
type file struct {
	size  int64 // bytes
	data  runs
	ends  []int64 // ends[i] is how many blocks data[:i+1] are
	nodes runs
	root  []byte // block[15] of the inode
}

// at returns the block of the filesystem that holds block n of the file, and
// how many that follow it also follow it on the disk.
func (f *file) at(n int64) (block, more int64) {
	lo, hi := 0, len(f.ends)
	for lo < hi {
		if m := (lo + hi) / 2; f.ends[m] <= n {
			lo = m + 1
		} else {
			hi = m
		}
	}
	left := f.ends[lo] - n
	return f.data[lo].to - left, left - 1
}

func (f *file) blocks() int64 {
	if len(f.ends) == 0 {
		return 0
	}
	return f.ends[len(f.ends)-1]
}

// walker collects a file's blocks.
type walker struct {
	f    *fsys
	file *file
	ino  uint32
	raw  []byte // the inode
	want int64  // blocks of the file, by its size
	seen int    // nodes
}

// readFile reads inode ino and where its blocks lie. The descriptor of the
// inode's group is read from the disk as it is.
func (f *fsys) readFile(ino uint32) (*file, error) {
	s := f.sb
	g := (int64(ino) - 1) / s.inodesPerGroup
	if ino == 0 || g >= s.groups {
		return nil, fmt.Errorf("ext4: inode %d: there are only %d", ino, s.inodes)
	}
	d := make(desc, s.descSize)
	n := g / s.descPerBlock
	if err := blockmap.ReadFull(f.v, d, s.tableBlock(n)*s.blockSize+g%s.descPerBlock*s.descSize); err != nil {
		return nil, fmt.Errorf("ext4: descriptor of group %d: %w", g, err)
	}
	if t := d.inodeTable(); t <= 0 || t > s.blocks-s.tableBlocks() {
		return nil, fmt.Errorf("ext4: group %d: inode table at block %d is not inside the filesystem: run e2fsck", g, t)
	}
	raw := make([]byte, s.inodeSize)
	off := d.inodeTable()*s.blockSize + (int64(ino)-1)%s.inodesPerGroup*s.inodeSize
	if err := blockmap.ReadFull(f.v, raw, off); err != nil {
		return nil, fmt.Errorf("ext4: inode %d at byte %d: %w", ino, off, err)
	}
	if !s.inodeSound(ino, slices.Clone(raw)) {
		return nil, fmt.Errorf("ext4: inode %d at byte %d: the checksum is wrong: run e2fsck", ino, off)
	}
	le := binary.LittleEndian
	size := int64(le.Uint32(raw[4:])) | int64(le.Uint32(raw[0x6c:]))<<32
	if size < 0 || size/s.blockSize > min(maxFileBlocks, s.blocks) {
		return nil, fmt.Errorf("ext4: inode %d: impossible size of %d bytes", ino, size)
	}
	w := &walker{f: f, file: &file{size: size, root: raw[0x28:0x64]}, ino: ino, raw: raw, want: size / s.blockSize}
	var err error
	if le.Uint32(raw[0x20:])&inodeExtents != 0 {
		err = w.extents(raw[0x28:0x64], -1)
	} else {
		err = w.indirect()
	}
	if err == nil && w.file.blocks() < w.want {
		err = fmt.Errorf("has %d blocks, its size says %d", w.file.blocks(), w.want)
	}
	if err != nil {
		return nil, fmt.Errorf("ext4: inode %d: %w", ino, err)
	}
	return w.file, nil
}

// inodeSound verifies an inode's checksum (checksums.rst). It writes zeros over the
// checksum in raw, so that all is summed up in one stroke: there are many inodes.
func (s *superblock) inodeSound(ino uint32, raw []byte) bool {
	if s.roCompat&roCompatMetadataCsum == 0 {
		return true
	}
	le := binary.LittleEndian
	got, mask := uint32(le.Uint16(raw[0x7c:])), uint32(0xffff)
	le.PutUint16(raw[0x7c:], 0)
	if len(raw) > 0x84 && le.Uint16(raw[0x80:]) >= 4 {
		got, mask = got|uint32(le.Uint16(raw[0x82:]))<<16, ^uint32(0)
		le.PutUint16(raw[0x82:], 0)
	}
	return crc32c(s.inodeSeed(ino, raw), raw)&mask == got
}

// inodeSeed begins the checksums of an inode and of its blocks.
func (s *superblock) inodeSeed(ino uint32, raw []byte) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], ino)
	return crc32c(crc32c(s.seed, b[:]), raw[0x64:0x68])
}

// take adds n blocks from block at on to the file.
func (w *walker) take(at, n int64) error {
	s := w.f.sb
	if at <= s.superBlock() || at > s.blocks-n {
		return fmt.Errorf("blocks [%d, +%d) are not inside the filesystem", at, n)
	}
	if w.file.blocks()+n > maxFileBlocks {
		return fmt.Errorf("more than %d blocks", maxFileBlocks)
	}
	before := w.file.blocks()
	w.file.data.add(at, n)
	w.file.ends = append(w.file.ends[:len(w.file.data)-1], before+n)
	return nil
}

// node reads a block of the tree.
func (w *walker) node(at int64) ([]byte, error) {
	if w.seen++; w.seen > maxNodes || at <= w.f.sb.superBlock() || at >= w.f.sb.blocks {
		return nil, fmt.Errorf("block %d of its tree is not inside the filesystem, or the tree has more than %d", at, maxNodes)
	}
	w.file.nodes.add(at, 1)
	b := make([]byte, w.f.sb.blockSize)
	if err := blockmap.ReadFull(w.f.v, b, at*w.f.sb.blockSize); err != nil {
		return nil, fmt.Errorf("block %d of its tree: %w", at, err)
	}
	return b, nil
}

// extents walks a node of the tree of extents, which must be depth deep; -1 for
// the root.
func (w *walker) extents(b []byte, depth int) error {
	le := binary.LittleEndian
	n, top, d := int(le.Uint16(b[2:])), int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if le.Uint16(b) != extentMagic || n > top || top > (len(b)-12)/12 || d > 5 || depth >= 0 && d != depth {
		return fmt.Errorf("its tree of extents is broken")
	}
	s := w.f.sb
	if depth >= 0 && s.roCompat&roCompatMetadataCsum != 0 {
		end := 12 + 12*top // the checksum follows the last entry that there is room for
		if end+4 > len(b) || le.Uint32(b[end:]) != crc32c(s.inodeSeed(w.ino, w.raw), b[:end]) {
			return fmt.Errorf("the checksum of its tree of extents is wrong")
		}
	}
	for i := range n {
		e := b[12+12*i:][:12]
		if d == 0 {
			length := int64(le.Uint16(e[4:]))
			if first := int64(le.Uint32(e)); first != w.file.blocks() || length == 0 || length > 32768 {
				return fmt.Errorf("the extent of %d blocks at block %d of it is out of order, or not written", length, first)
			}
			if err := w.take(int64(le.Uint32(e[8:]))|int64(le.Uint16(e[6:]))<<32, length); err != nil {
				return err
			}
			continue
		}
		child, err := w.node(int64(le.Uint32(e[4:])) | int64(le.Uint16(e[8:]))<<32)
		if err != nil {
			return err
		}
		if err := w.extents(child, d-1); err != nil {
			return err
		}
	}
	return nil
}

// indirect walks the block map of an inode without extents.
func (w *walker) indirect() error {
	for i := range 15 {
		if w.file.blocks() >= w.want {
			return nil
		}
		if err := w.pointer(int64(binary.LittleEndian.Uint32(w.raw[0x28+4*i:])), max(0, i-11)); err != nil {
			return err
		}
	}
	return nil
}

// pointer follows a block number through level levels of indirect blocks.
func (w *walker) pointer(at int64, level int) error {
	if level == 0 {
		return w.take(at, 1)
	}
	b, err := w.node(at)
	if err != nil {
		return err
	}
	for ; len(b) > 0 && w.file.blocks() < w.want; b = b[4:] {
		if err := w.pointer(int64(binary.LittleEndian.Uint32(b)), level-1); err != nil {
			return err
		}
	}
	return nil
}
