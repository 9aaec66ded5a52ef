package ext4

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// A group descriptor is 32 bytes, or s_desc_size with the 64bit feature
// (kernel, Documentation/filesystems/ext4/group_descr.rst), little-endian:
//
//	0x00 block_bitmap_lo  0x04 inode_bitmap_lo  0x08 inode_table_lo
//	0x0c free_blocks_lo (16)  0x12 flags (16)  0x18 block_bitmap_csum_lo (16)
//	0x1e checksum (16)
//	0x20 block_bitmap_hi  0x24 inode_bitmap_hi  0x28 inode_table_hi
//	0x2c free_blocks_hi (16)  0x38 block_bitmap_csum_hi (16)
const flagBlockUninit = 0x2

// table is all group descriptors, as they are on the disk.
type table struct {
	sb  *superblock
	raw []byte
}

// desc is one descriptor.
type desc []byte

func (t *table) desc(g int64) desc {
	return desc(t.raw[g*t.sb.descSize : (g+1)*t.sb.descSize])
}

func (d desc) wide(lo, hi int) int64 {
	v := int64(binary.LittleEndian.Uint32(d[lo:]))
	if len(d) >= 64 {
		v |= int64(binary.LittleEndian.Uint32(d[hi:])) << 32
	}
	return v
}

func (d desc) half(lo, hi int) int64 {
	v := int64(binary.LittleEndian.Uint16(d[lo:]))
	if len(d) >= 64 {
		v |= int64(binary.LittleEndian.Uint16(d[hi:])) << 16
	}
	return v
}

func (d desc) blockBitmap() int64 { return d.wide(0, 0x20) }
func (d desc) inodeBitmap() int64 { return d.wide(4, 0x24) }
func (d desc) inodeTable() int64  { return d.wide(8, 0x28) }

// free is the number of free clusters in the group.
func (d desc) free() int64 { return d.half(0xc, 0x2c) }

// uninit says whether the group's block bitmap was never written, so that what
// lies in its place means nothing. Without a checksum the flags are undefined.
func (t *table) uninit(g int64) bool {
	return t.sb.hasDescCsum() && binary.LittleEndian.Uint16(t.desc(g)[0x12:])&flagBlockUninit != 0
}

// tableBlock is where block n of the primary descriptor table lies. Up to
// first_meta_bg the table follows the superblock; with meta_bg, each of its
// further blocks lies at the start of the first of the groups that it
// describes, behind the superblock's copy if there is one (kernel,
// descriptor_loc in fs/ext4/super.c).
func (s *superblock) tableBlock(n int64) int64 {
	if s.incompat&incompatMetaBG == 0 || n < s.firstMeta {
		return s.superBlock() + 1 + n
	}
	g := n * s.descPerBlock
	at := s.groupStart(g)
	if s.hasSuper(g) {
		at++
	}
	if n == 0 && s.blockSize == 1024 && s.firstData == 0 {
		at++ // bigalloc with 1 KiB blocks: block 0 is the boot block, 1 the superblock
	}
	return at
}

// readTable reads the group descriptors and verifies them.
func readTable(ctx context.Context, f *fsys) (*table, error) {
	s := f.sb
	t := &table{sb: s, raw: make([]byte, s.descBl*s.blockSize)}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(readers)
	for n := int64(0); n < s.descBl; {
		at, k := s.tableBlock(n), int64(1)
		for n+k < s.descBl && (k+1)*s.blockSize <= maxRead && s.tableBlock(n+k) == at+k {
			k++
		}
		p := t.raw[n*s.blockSize : (n+k)*s.blockSize]
		eg.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f.read(p, at, "group descriptors")
		})
		n += k
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	for g := range s.groups {
		if err := t.verify(g); err != nil {
			return nil, err
		}
	}
	return t, t.verifyBitmaps()
}

// verifyBitmaps checks that no two groups have their bitmap in one block.
func (t *table) verifyBitmaps() error {
	at := make([]int64, t.sb.groups)
	for g := range t.sb.groups {
		at[g] = t.desc(g).blockBitmap()
	}
	slices.Sort(at)
	for i := 1; i < len(at); i++ {
		if at[i] == at[i-1] {
			return fmt.Errorf("ext4: block %d is the block bitmap of more than one group: run e2fsck", at[i])
		}
	}
	return nil
}

// verify checks descriptor g's checksum and that what it points at lies inside
// the filesystem.
func (t *table) verify(g int64) error {
	s, d := t.sb, t.desc(g)
	if s.hasDescCsum() {
		if got, want := binary.LittleEndian.Uint16(d[0x1e:]), s.descCsum(g, d); got != want {
			return fmt.Errorf("ext4: group %d: descriptor in block %d: checksum is %#04x, must be %#04x: run e2fsck", g, s.tableBlock(g/s.descPerBlock), got, want)
		}
	}
	for _, r := range []struct {
		what  string
		at, n int64
	}{{"block bitmap", d.blockBitmap(), 1}, {"inode bitmap", d.inodeBitmap(), 1}, {"inode table", d.inodeTable(), s.tableBlocks()}} {
		if r.at <= s.superBlock() || r.at > s.blocks-r.n {
			return fmt.Errorf("ext4: group %d: %s at block %d is not inside the filesystem of %d blocks: run e2fsck", g, r.what, r.at, s.blocks)
		}
	}
	return nil
}
