package encoders

import "crypto/sha256"

// GUID is an id of the maker's own bits (RFC 9562, version 8), as Windows and VirtualBox
// store it: its first three numbers are little-endian. what says which of the disk's
// ids it is.
func GUID(what string, identity [32]byte) []byte {
	id := sha256.Sum256(append([]byte("migimg "+what+"\x00"), identity[:]...))
	id[7] = id[7]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id[:16]
}
