package deflate

import (
	"encoding/binary"
	"math/bits"
)

// How hard matches are looked for. Measured on the disk of an installed system, in
// clusters of 64 KiB and with a window of 4 KiB: twice as deep saves 0.14 % and takes a
// tenth more time; matches of three bytes from farther away cost more than they save.
const (
	far   = 1024 // the farthest match of three bytes that is worth it
	nice  = 64   // a match so long is taken at once
	depth = 16   // positions that are tried
)

// After so many bytes without a match, one position is left out after each that is
// looked at; after twice as many two, and so on. Noise is packed twice as fast, and
// the disk to 0.01 % more.
const (
	skipAfter = 256
	skipMost  = 7
)

// hashed is how many bytes must be left to look for a match.
const hashed = 4

// parse makes tokens of src. A match is put off where one byte later there is a better
// one (RFC 1951, section 4): each byte that it is longer counts as four bits, each
// halving of the distance as one, and more than two bits are a gain.
func (e *Encoder) parse(src []byte) {
	end := len(src) - hashed // the last position to look at
	matched := 0             // where the last match ends
	for pos := 0; pos < len(src); {
		if e.batch.full(pos) {
			e.flush(src, pos, false)
		}
		length, dist := 0, 0
		if pos <= end {
			length, dist = e.matcher.find(src, pos, minMatch-1, depth)
		}
		if dist == 0 {
			e.batch.literal(src[pos])
			pos++
			// Where nothing has matched for long, nothing will: look at fewer positions.
			for skip := min((pos-matched)/skipAfter, skipMost); skip > 0 && pos <= end; skip-- {
				e.matcher.insert(binary.LittleEndian.Uint32(src[pos:]), pos)
				e.batch.literal(src[pos])
				pos++
			}
			continue
		}
		known := pos // the last position inserted
		for length < nice && known < end {
			known++
			n, d := e.matcher.find(src, known, length-1, depth/2)
			if d == 0 || 4*(n-length)+bits.Len(uint(dist))-bits.Len(uint(d)) <= 2 {
				break
			}
			e.batch.literal(src[pos])
			pos++
			length, dist = n, d
		}
		e.batch.match(length, dist)
		pos += length
		matched = pos
		for known++; known < pos && known <= end; known++ {
			e.matcher.insert(binary.LittleEndian.Uint32(src[known:]), known)
		}
	}
}
