package guestfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"testing"
)

// tinyExt makes an ext4 of 64 blocks of 4 KiB by hand: one group, a root
// directory with one file of one extent.
func tinyExt() []byte {
	const bs = 4096
	img := make([]byte, 64*bs)
	le := binary.LittleEndian
	sb := img[1024:2048]
	put32 := func(b []byte, o int, v uint32) { le.PutUint32(b[o:], v) }
	put16 := func(b []byte, o int, v uint16) { le.PutUint16(b[o:], v) }
	put32(sb, 0, 32)      // s_inodes_count
	put32(sb, 4, 64)      // s_blocks_count
	put32(sb, 24, 2)      // s_log_block_size: 4 KiB
	put32(sb, 28, 2)      // s_log_cluster_size
	put32(sb, 32, 32768)  // s_blocks_per_group
	put32(sb, 36, 32768)  // s_clusters_per_group
	put32(sb, 40, 32)     // s_inodes_per_group
	put16(sb, 56, 0xEF53) // s_magic
	put16(sb, 58, 1)
	put32(sb, 76, 1) // s_rev_level
	put32(sb, 84, 11)
	put16(sb, 88, 256) // s_inode_size
	put32(sb, 96, extFiletype|extExtents)
	gd := img[bs:]
	put32(gd, 0, 2)
	put32(gd, 4, 3)
	put32(gd, 8, 4) // bg_inode_table
	inode := func(n int, mode uint16, size uint32, block uint32) {
		b := img[4*bs+(n-1)*256:]
		put16(b, 0, mode)
		put32(b, 4, size)
		put16(b, 26, 1)
		put32(b, 28, 8)
		put32(b, 32, 0x80000)
		put16(b, 0x28, 0xF30A)
		put16(b, 0x2A, 1)
		put16(b, 0x2C, 4)
		put16(b, 0x28+12+4, 1)
		put32(b, 0x28+12+8, block)
	}
	inode(2, 0x41ED, bs, 10)
	inode(12, 0x81A4, 5, 11)
	d := img[10*bs:]
	entry := func(o int, ino uint32, length uint16, kind byte, name string) {
		put32(d, o, ino)
		put16(d, o+4, length)
		d[o+6], d[o+7] = byte(len(name)), kind
		copy(d[o+8:], name)
	}
	entry(0, 2, 12, 2, ".")
	entry(12, 2, 12, 2, "..")
	entry(24, 12, bs-24, 1, "fstab")
	copy(img[11*bs:], "hello")
	return img
}

func TestTinyExt(t *testing.T) {
	img := tinyExt()
	tree, err := Offline(bytes.NewReader(img), int64(len(img)), "ext4")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(Compose(tree), "fstab", 100); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// FuzzOffline changes a filesystem where it likes; reading must end, without a
// panic and within bounds.
func FuzzOffline(f *testing.F) {
	for _, at := range []uint16{0, 1024 + 4, 1024 + 24, 1024 + 32, 1024 + 40, 1024 + 88, 1024 + 96, 4096 + 8, 4*4096 + 256, 4*4096 + 256 + 0x2A, 4*4096 + 11*256 + 4, 10*4096 + 4} {
		f.Add(at, []byte{0xff, 0xff, 0xff, 0x7f}, uint16(0), []byte{})
		f.Add(at, []byte{0}, at+2, []byte{1})
	}
	f.Fuzz(func(t *testing.T, at uint16, patch []byte, at2 uint16, patch2 []byte) {
		img := tinyExt()
		copy(img[min(int(at), len(img)):], patch)
		copy(img[min(int(at2)*4, len(img)):], patch2)
		tree, err := Offline(bytes.NewReader(img), int64(len(img)), "ext4")
		if err != nil {
			return
		}
		g := Compose(tree)
		_, _ = LooksLikeOS(g)
		n := 0
		_ = fs.WalkDir(g, ".", func(p string, d fs.DirEntry, err error) error {
			if n++; err != nil || n > 200 {
				return fs.SkipAll
			}
			if _, err := g.Stat(p); err == nil && d.Type().IsRegular() {
				if f, err := g.Open(p); err == nil {
					_, _ = io.CopyN(io.Discard, f, 1<<20)
				}
			}
			return nil
		})
	})
}
