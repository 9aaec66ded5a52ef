package compress

import "migimg/encoders/deflate"

// window is the farthest that a match looks back, in bytes: QEMU inflates clusters
// with no larger one (block/qcow2-threads.c, inflateInit2 with -12).
const window = 4 << 10

// Deflate packs each unit as a deflate stream of its own (RFC 1951), without header
// and checksum.
func Deflate(unit int64) Packing {
	return Packing{Name: "deflate", Method: Zlib, Unit: unit, New: func() Packer { return deflate.New(window).Append }}
}
