// Package deflate packs data as deflate streams (RFC 1951) whose matches reach back
// no farther than a chosen window.
//
// It is made for units of tens of KiB that are each packed by themselves, and for
// inflaters with a small window. An input becomes tokens, which are literals and
// matches (parse.go, match.go); runs of tokens with statistics of their own become
// blocks (split.go), each stored or with fixed or dynamic codes, whichever is
// shortest (block.go, header.go, huffman.go).
package deflate

import "fmt"

// What the format allows: distances and lengths of matches (RFC 1951, section 3.2.5),
// bytes of stored blocks (section 3.2.4).
const (
	maxWindow = 32 << 10
	minMatch  = 3
	maxMatch  = 258
	maxStored = 65535
)

// minWindow is the smallest window taken: zlib's (deflateInit2, windowBits).
const minWindow = 256

// Encoder packs one input after the other. It is used by one goroutine at a time.
type Encoder struct {
	matcher matcher
	batch   batch
	builder builder
	codes   codes
	header  header
	writer  writer
	written int // bytes of the input that are in blocks
}

// New makes an encoder whose matches reach back at most window bytes, a power of two
// from 256 to 32768.
func New(window int) *Encoder {
	if window < minWindow || window > maxWindow || window&(window-1) != 0 {
		panic(fmt.Sprintf("deflate: a window of %d bytes", window))
	}
	e := &Encoder{}
	e.matcher.init(window)
	return e
}

// Append appends src, packed as one whole stream, to dst. The stream is a function of
// src and the window alone. Nothing is allocated but room in dst, and memory that is
// kept for the next call. src is at most 2 MiB long.
func (e *Encoder) Append(dst, src []byte) []byte {
	e.matcher.reset()
	e.batch.reset()
	e.writer.reset(len(src))
	e.written = 0
	e.parse(src)
	e.flush(src, len(src), true)
	return append(dst, e.writer.close()...)
}
