package manifest

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

const (
	// ChunkSize is how much of the virtual disk a [Sum] stands for, in bytes; the last
	// chunk of a disk may be shorter.
	ChunkSize = 1 << 20
	// BlockSize is the unit in which chunks are summed up, in bytes.
	BlockSize = 4 << 10
	// SumSize is the length of an encoded Sum, in bytes.
	SumSize = 16

	blocksPerChunk = ChunkSize / BlockSize
)

// Algorithm is what a [Sum] is, as documents name it: the sum modulo 2^128 of the
// XXH3-128 of each block of 4 KiB that is not all zeros, seeded with the block's number
// in the chunk.
const Algorithm = "xxh3-128/4k"

// Sum stands for the bytes of a chunk. That of zeros is the zero Sum. It finds what
// breaks, and not what somebody forges: for that there is SHA-256 (migimg digest).
//
// The order in which blocks are added does not matter, so that a chunk can be summed up
// by several readers, and holes cost nothing.
type Sum struct{ Hi, Lo uint64 }

// SumOf is the sum of a chunk, which may be short.
func SumOf(chunk []byte) (s Sum) {
	for i := 0; len(chunk) > 0; i++ {
		n := min(len(chunk), BlockSize)
		s.add(sumBlock(chunk[:n], i))
		chunk = chunk[n:]
	}
	return s
}

// sumBlock is what block i of a chunk adds to its sum.
func sumBlock(b []byte, i int) Sum {
	if zeros(b) {
		return Sum{}
	}
	h := xxh3.Hash128Seed(b, uint64(i))
	return Sum{h.Hi, h.Lo}
}

func (s *Sum) add(x Sum) {
	var carry uint64
	s.Lo, carry = bits.Add64(s.Lo, x.Lo, 0)
	s.Hi, _ = bits.Add64(s.Hi, x.Hi, carry)
}

// append encodes the sum, big-endian.
func (s Sum) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, s.Hi), s.Lo)
}

func decodeSum(b []byte) Sum {
	return Sum{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// zeros compares b with itself, moved by one byte.
func zeros(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
