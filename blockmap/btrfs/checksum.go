package btrfs

import (
	"crypto/sha256"
	"hash/crc32"
	"sync"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"
)

// Checksum types (kernel, include/uapi/linux/btrfs_tree.h, enum btrfs_csum_type).
const (
	csumCRC32C = iota
	csumXXHash
	csumSHA256
	csumBlake2b
	csumTypes
)

// csumSize is the length of the field at the start of whatever has a checksum.
const csumSize = 32

var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// checksumOK says whether b, that starts with the field, has the right one. It
// is over all behind the field; shorter ones have zeros behind them, which the
// kernel does not look at.
func checksumOK(kind uint16, b []byte) bool {
	if len(b) < csumSize {
		return false
	}
	field, body := b[:csumSize], b[csumSize:]
	switch kind {
	case csumCRC32C:
		return le.Uint32(field) == crc32.Checksum(body, castagnoli())
	case csumXXHash:
		return le.Uint64(field) == xxhash.Sum64(body)
	case csumSHA256:
		return [csumSize]byte(field) == sha256.Sum256(body)
	case csumBlake2b:
		return [csumSize]byte(field) == blake2b.Sum256(body)
	}
	return false
}
