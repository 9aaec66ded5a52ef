package ntfs

import (
	"encoding/binary"
	"fmt"
)

// Shadow copies (Vista and later) keep what was overwritten since they were
// made. What was only deleted they read where it was, from clusters that are
// free in the volume of today: without those they break. (libvshadow,
// documentation/Volume Shadow Snapshot (VSS) format, sections Volume header and
// Catalog.) The header lies in $Boot:
//
//	0    shadowMark; 20 type 1, 32 bits
//	48   place of the catalog in the volume, 64 bits; 0 for none
//
// A block of the catalog:
//
//	0    shadowMark; 20 type 2, 32 bits
//	32   its own place, 40 that of the next block or 0, 64 bits each
//	128  entries of 128 bytes, each beginning with its type, 64 bits: 0 or 1
//	     where it is not used
const (
	shadowMark     = "\x6b\x87\x08\x38\x76\xc1\x48\x4e\xb7\xae\x04\x04\x6e\x6c\xc7\x52"
	shadowOffset   = 0x1e00
	shadowBlock    = 16 << 10
	shadowEntry    = 128
	maxShadowBlock = 1024 // Windows keeps 512 shadow copies at most
)

const shadowAdvice = "the volume has shadow copies (restore points), which read deleted files from free space: to carry only what is used, delete them (vssadmin delete shadows /for=DRIVE: /all)"

// shadows says so where the volume has shadow copies.
func (f *fsys) shadows() (string, error) {
	le := binary.LittleEndian
	b := make([]byte, shadowBlock)
	if err := f.read(b[:stride], shadowOffset, "header of shadow copies"); err != nil {
		return "", err
	}
	if string(b[:len(shadowMark)]) != shadowMark {
		return "", nil
	}
	at := int64(le.Uint64(b[48:]))
	for n := 0; at != 0; n++ {
		if n == maxShadowBlock || at < 0 || at > f.v.Size()-shadowBlock {
			return shadowAdvice, nil
		}
		if err := f.read(b, at, "catalog of shadow copies"); err != nil {
			return "", err
		}
		if string(b[:len(shadowMark)]) != shadowMark || le.Uint32(b[20:]) != 2 {
			return fmt.Sprintf("the catalog of shadow copies at byte %d is damaged; if there are any, %s", at, shadowAdvice), nil
		}
		for e := b[shadowEntry:]; len(e) > 0; e = e[shadowEntry:] {
			if le.Uint64(e) > 1 {
				return shadowAdvice, nil
			}
		}
		at = int64(le.Uint64(b[40:]))
	}
	return "", nil
}
