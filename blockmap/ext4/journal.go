package ext4

import (
	"encoding/binary"
	"fmt"

	"migimg/blockmap"
)

// The journal is a file of blocks (jbd2; kernel, Documentation/filesystems/
// ext4/journal.rst), big-endian. Block 0 is its superblock:
//
//	0x00 magic  0x04 type (3, 4)  0x0c blocksize  0x10 maxlen  0x14 first
//	0x18 sequence  0x1c start  0x20 errno  0x24 compat  0x28 incompat
//	0x2c ro_compat  0x30 uuid[16]  0x50 checksum_type (8)  0xfc checksum
//
// The blocks [first, maxlen) are a ring of transactions, of which start is the
// first that may have to be replayed; start is 0 where there is none.
const (
	journalMagic = 0xc03b3998

	journalRevoke = 0x1
	journal64Bit  = 0x2
	journalCsumV2 = 0x8
	journalCsumV3 = 0x10
)

// journal is a filesystem's own journal.
type journal struct {
	f        *fsys
	file     *file
	len      int64 // blocks
	first    int64
	start    int64
	sequence uint32
	compat   uint32
	incompat uint32
	ro       uint32
	seed     uint32
	errno    uint32

	chunk   []byte // blocks [chunkAt, ...) of the file, read at once
	chunkAt int64
}

// openJournal reads the journal's superblock. It returns nil for a filesystem
// that has none, or has it on another device.
func (f *fsys) openJournal() (*journal, error) {
	s := f.sb
	if s.compat&compatHasJournal == 0 || s.journalInode == 0 {
		return nil, nil
	}
	file, err := f.readFile(s.journalInode)
	if err != nil {
		return nil, err
	}
	if file.blocks() == 0 {
		return nil, fmt.Errorf("ext4: the journal, inode %d, is empty: run e2fsck", s.journalInode)
	}
	j := &journal{f: f, file: file}
	b, err := j.block(0)
	if err != nil {
		return nil, err
	}
	be := binary.BigEndian
	kind := be.Uint32(b[4:])
	j.len, j.first, j.start = int64(be.Uint32(b[0x10:])), int64(be.Uint32(b[0x14:])), int64(be.Uint32(b[0x1c:]))
	j.sequence, j.errno = be.Uint32(b[0x18:]), be.Uint32(b[0x20:])
	if kind == 4 {
		j.compat, j.incompat, j.ro = be.Uint32(b[0x24:]), be.Uint32(b[0x28:]), be.Uint32(b[0x2c:])
	}
	j.seed = crc32c(^uint32(0), b[0x30:0x40])
	switch {
	case be.Uint32(b) != journalMagic || kind != 3 && kind != 4, int64(be.Uint32(b[0xc:])) != s.blockSize,
		j.len > file.blocks(), j.first < 1, j.first >= j.len, j.start >= j.len, j.start != 0 && j.start < j.first:
		return nil, fmt.Errorf("ext4: the journal, inode %d, has no valid superblock: run e2fsck", s.journalInode)
	case j.checksums() && (b[0x50] != 4 || be.Uint32(b[0xfc:]) != crc32c(crc32c(crc32c(^uint32(0), b[:0xfc]), make([]byte, 4)), b[0x100:1024])):
		return nil, fmt.Errorf("ext4: the journal's superblock, in inode %d, has a wrong checksum: run e2fsck", s.journalInode)
	case j.errno != 0:
		return nil, fmt.Errorf("ext4: the journal was aborted by an error (%d): run e2fsck -f", int32(j.errno))
	}
	return j, nil
}

// checksums says whether the journal's blocks bear checksums.
func (j *journal) checksums() bool { return j.incompat&(journalCsumV2|journalCsumV3) != 0 }

// static is where the journal lies.
func (j *journal) static() (r runs) {
	if j != nil {
		r = append(append(r, j.file.data...), j.file.nodes...)
	}
	return r
}

// block is block n of the journal. It is valid until the next call. Reads are
// large, for a journal is read from its start to its end.
func (j *journal) block(n int64) ([]byte, error) {
	size := j.f.sb.blockSize
	if k := n - j.chunkAt; j.chunk == nil || k < 0 || k >= int64(len(j.chunk))/size {
		at, more := j.file.at(n)
		k := min(more+1, max(1, maxRead/size))
		if n == 0 {
			k = 1 // the superblock, which is all of a clean journal that is read
		}
		chunk := make([]byte, k*size)
		if err := blockmap.ReadFull(j.f.v, chunk, at*size); err != nil {
			j.chunk = nil
			return nil, fmt.Errorf("ext4: journal at byte %d: %w", at*size, err)
		}
		j.chunk, j.chunkAt = chunk, n
	}
	return j.chunk[(n-j.chunkAt)*size:][:size], nil
}
