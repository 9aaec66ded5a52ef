package ext4

import "encoding/binary"

// A transaction in the journal (kernel, fs/jbd2/recovery.c and include/linux/
// jbd2.h) is any number of descriptor blocks, each followed by the blocks that
// its tags name, and revoke blocks, and at last a commit block. These begin
// with magic, type and the transaction's sequence number, 32 bits each. A tag
// is
//
//	csum v3   blocknr (32)  flags (32)      blocknr_high (32)  checksum (32)
//	else      blocknr (32)  checksum (16)  flags (16)  [blocknr_high (32) with 64bit]
//
// (with csum v2 two bytes longer, which are not used), followed by a UUID of 16
// bytes unless the flag says that it is the same as before. A revoke block says
// that its blocks must not be written by the transactions up to its own.
const (
	blockDescriptor = 1
	blockCommit     = 2
	blockRevoke     = 5

	tagEscaped  = 0x1 // the block began with the magic, which is zeroed in the journal
	tagSameUUID = 0x2
	tagLast     = 0x8
)

// tag is an entry of a descriptor block.
type tag struct {
	block int64
	copyOf
}

// tags are the entries of a descriptor block.
func (j *journal) tags(b []byte) (tags []tag) {
	be := binary.BigEndian
	size := 8
	switch {
	case j.incompat&journalCsumV3 != 0:
		size = 16
	default:
		if j.incompat&journal64Bit != 0 {
			size += 4
		}
		if j.incompat&journalCsumV2 != 0 {
			size += 2
		}
	}
	end := len(b)
	if j.checksums() {
		end -= 4
	}
	for p := 12; p+size <= end; {
		e := b[p:][:size]
		var t tag
		t.block = int64(be.Uint32(e))
		flags := uint32(be.Uint16(e[6:]))
		t.checksum = uint32(be.Uint16(e[4:]))
		if j.incompat&journalCsumV3 != 0 {
			flags, t.checksum = be.Uint32(e[4:]), be.Uint32(e[12:])
		}
		if j.incompat&journal64Bit != 0 {
			t.block |= int64(be.Uint32(e[8:])) << 32
		}
		t.escaped = flags&tagEscaped != 0
		tags = append(tags, t)
		p += size
		if flags&tagSameUUID == 0 {
			p += 16
		}
		if flags&tagLast != 0 {
			break
		}
	}
	return tags
}

// revokes are the blocks that a revoke block names: after its header comes the
// length in bytes of all that is in use.
func (j *journal) revokes(b []byte) (blocks []int64, ok bool) {
	be := binary.BigEndian
	end := len(b)
	if j.checksums() {
		end -= 4
	}
	used := int64(be.Uint32(b[12:]))
	if used < 16 || used > int64(end) {
		return nil, false
	}
	for b = b[16:used]; ; {
		switch {
		case j.incompat&journal64Bit != 0 && len(b) >= 8:
			blocks = append(blocks, int64(be.Uint64(b)))
			b = b[8:]
		case j.incompat&journal64Bit == 0 && len(b) >= 4:
			blocks = append(blocks, int64(be.Uint32(b)))
			b = b[4:]
		default:
			return blocks, true
		}
	}
}

// tailSound verifies the checksum in the last four bytes of a descriptor or
// revoke block, which counts as zero in it.
func (j *journal) tailSound(b []byte) bool {
	n := len(b) - 4
	return !j.checksums() ||
		binary.BigEndian.Uint32(b[n:]) == crc32c(crc32c(j.seed, b[:n]), make([]byte, 4))
}

// commitSound verifies the checksum of a commit block, at byte 16 behind its
// type and size.
func (j *journal) commitSound(b []byte) bool {
	return !j.checksums() ||
		binary.BigEndian.Uint32(b[16:]) == crc32c(crc32c(crc32c(j.seed, b[:16]), make([]byte, 4)), b[20:])
}

// copySound verifies a block against its tag. v2 keeps 16 bits.
func (j *journal) copySound(b []byte, c copyOf) bool {
	var sequence [4]byte
	binary.BigEndian.PutUint32(sequence[:], c.sequence)
	sum := crc32c(crc32c(j.seed, sequence[:]), b)
	if j.incompat&journalCsumV3 == 0 {
		sum &= 0xffff
	}
	return sum == c.checksum
}
