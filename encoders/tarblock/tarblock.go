// Package tarblock is what the headers of all kinds of tar archives have in common.
package tarblock

import (
	"encoding/binary"
	"fmt"
)

const (
	// Size is that of a block: a header, or a piece of a member.
	Size = 512
	// Modified is the time of our members: a constant, since an archive of an unchanged
	// disk must not change, and not 0, which tar calls implausible. 2000-01-01.
	Modified = 946684800
)

// What tells the kinds of headers apart: POSIX's, and GNU tar's.
const (
	Ustar = "ustar\x0000"
	GNU   = "ustar  \x00"
)

// Header is that of a member (POSIX.1-2017, pax, "ustar Interchange Format"), but for
// its sum, which Seal writes:
//
//	  0 100s name          124  12s size          257  8s magic and version
//	100   8s mode          136  12s time          265 32s owner's name
//	108   8s owner         148   8s sum           297 32s group's name
//	116   8s group         156   c  type
//
// size is that of the member's data in the archive, in bytes.
func Header(name string, mode, size int64, kind byte, magic string) []byte {
	h := make([]byte, Size)
	copy(h, name)
	Number(h[100:108], mode)
	Number(h[108:116], 0)
	Number(h[116:124], 0)
	Number(h[124:136], size)
	Number(h[136:148], Modified)
	h[156] = kind
	copy(h[257:], magic)
	copy(h[265:], "root")
	copy(h[297:], "root")
	return h
}

// Number writes a number as tar has it: octal digits and a NUL, or, where these are
// too few, a byte 0x80 and the number in binary (GNU tar, "base-256").
func Number(b []byte, n int64) {
	digits := len(b) - 1
	if n < 1<<(3*digits) {
		copy(b, fmt.Sprintf("%0*o", digits, n))
		return
	}
	b[0] = 0x80
	binary.BigEndian.PutUint64(b[len(b)-8:], uint64(n))
}

// Seal writes the sum of a header's bytes, which comes last.
func Seal(h []byte) {
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h[:Size] {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// End is how many zeros follow the last member, whose data are n bytes: up to the
// block, and two blocks.
func End(n int64) int64 { return Padding(n) + 2*Size }

// Padding is how many zeros follow a member's n bytes.
func Padding(n int64) int64 { return (Size - n%Size) % Size }
