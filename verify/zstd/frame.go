package zstd

import (
	"encoding/binary"
	"fmt"
	"math"

	"migimg/verify/decoder"
)

// Magic begins every frame with data.
const Magic = "\x28\xb5\x2f\xfd"

const (
	magic = 0xfd2fb528
	// Frames that decoders pass over begin with one of 16 magics (RFC 8878, 3.1.2).
	skippable, skippableMask = 0x184d2a50, 0xfffffff0

	maxBlock = 128 << 10 // bytes; 3.1.1.2.4
	// plainWindow is what every decoder should have room for (3.1.1.1.2), maxWindow what
	// this one has, and anyWindow what zstd and libzstd take unless they are told to take
	// more (ZSTD_WINDOWLOG_LIMIT_DEFAULT in lib/zstd.h); bytes.
	plainWindow, maxWindow, anyWindow = 8 << 20, 32 << 20, 128 << 20
)

// Kinds of blocks (3.1.1.2.2).
const (
	blockRaw = iota
	blockRLE
	blockCompressed
	blockReserved
)

// header is that of a frame (3.1.1.1), little endian:
//
//	0 magic, 4 descriptor, and by that: 1 byte window, 1, 2 or 4 dictionary,
//	1, 2, 4 or 8 size of the content
//
// The descriptor has from the top 2 bits width of the size, 1 single segment (the
// content is the window), 1 unused, 1 reserved, 1 checksum, 2 width of the dictionary's
// id.
type header struct {
	length  int    // of the header in bytes
	size    uint64 // of the content, where sized
	sized   bool
	window  uint64
	summed  bool
	unused  bool
	segment bool
}

// maxHeader is the longest one.
const maxHeader = 18

// parse reads a header from the first bytes of a frame with data, as many as there are
// up to maxHeader.
func parse(b []byte) (h header, err error) {
	if len(b) < 5 {
		return h, errEnds
	}
	d := b[4]
	if d&8 != 0 {
		return h, fmt.Errorf("frame header: the reserved bit is set")
	}
	h.unused, h.segment, h.summed = d&16 != 0, d&32 != 0, d&4 != 0
	dict := []int{0, 1, 2, 4}[d&3]
	width := []int{0, 2, 4, 8}[d>>6]
	if h.segment && width == 0 {
		width = 1
	}
	at := 5
	if !h.segment {
		at++
	}
	if h.length = at + dict + width; len(b) < h.length {
		return h, errEnds
	}
	if !h.segment {
		base := uint64(1) << (10 + b[5]>>3)
		h.window = base + base/8*uint64(b[5]&7)
	}
	for _, c := range b[at : at+dict] {
		if c != 0 {
			return h, fmt.Errorf("frame header: it wants a dictionary")
		}
	}
	p := b[at+dict:]
	h.sized = width > 0
	switch width {
	case 1:
		h.size = uint64(p[0])
	case 2:
		h.size = uint64(binary.LittleEndian.Uint16(p)) + 256
	case 4:
		h.size = uint64(binary.LittleEndian.Uint32(p))
	case 8:
		h.size = binary.LittleEndian.Uint64(p)
	}
	if h.segment {
		h.window = h.size
	}
	if h.sized && h.size > math.MaxInt64/2 {
		return h, fmt.Errorf("frame header: a content of %d bytes", h.size)
	}
	return h, nil
}

// odd says what of a header decoders ignore, or need not take.
func (h *header) odd(at int64, ps *decoder.Problems) {
	if h.unused {
		ps.Warnf(at+4, "zstd: frame header: the unused bit is set")
	}
	switch {
	case h.window > anyWindow:
		ps.Failf(at+5, "zstd: a window of %d bytes: zstd refuses more than %d unless it is told to take them (--long)", h.window, anyWindow)
	case h.window > plainWindow:
		ps.Warnf(at+5, "zstd: a window of %d bytes: decoders need not take more than %d", h.window, plainWindow)
	}
}

// blockHead is what begins a block: 1 bit for the last one, 2 for the kind, 21 for the
// size.
type blockHead uint32

func (b blockHead) last() bool { return b&1 != 0 }
func (b blockHead) kind() int  { return int(b >> 1 & 3) }
func (b blockHead) size() int  { return int(b >> 3) }

// inFile is how many bytes of the file follow the head.
func (b blockHead) inFile() int {
	if b.kind() == blockRLE {
		return 1
	}
	return b.size()
}

// check: no block is larger than the window, or 128 KiB.
func (b blockHead) check(h *header) error {
	if b.kind() == blockReserved {
		return fmt.Errorf("a block of the reserved kind 3")
	}
	if most := min(h.window, maxBlock); uint64(b.size()) > most {
		return fmt.Errorf("a block of %d bytes, where %d are allowed", b.size(), most)
	}
	return nil
}

func headOf(b []byte) blockHead {
	return blockHead(b[0]) | blockHead(b[1])<<8 | blockHead(b[2])<<16
}
