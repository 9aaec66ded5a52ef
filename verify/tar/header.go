package tar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"migimg/verify/decoder"
)

const block = 512

// What a header has at byte 257, by who wrote it.
const (
	magicGNU   = "ustar  \x00"
	magicPOSIX = "ustar\x0000"
	magicOld   = "\x00\x00\x00\x00\x00\x00\x00\x00"
)

// Types of members.
const (
	typeRegular = '0'
	typeOld     = 0 // the same before POSIX
	typeSparse  = 'S'
)

// header is a member's first block (POSIX.1-2017, pax, "ustar Interchange Format"; GNU
// tar's manual, "Basic Tar Format"):
//
//	0 name, 100 mode, 108 owner, 116 group, 124 size, 136 time, 148 sum, 156 type,
//	157 name of a link, 257 magic, 265 and 297 names of owner and group, 329 and 337
//	device, 345 front of the name; with GNU's magic: 345 and 357 times, 369 offset,
//	381 names, 386 four entries of the sparse map, 482 more follow, 483 real size
type header struct {
	b     []byte
	name  string
	kind  byte
	gnu   bool
	posix bool
	size  int64
}

// parseHeader reads a header; the sum says whether it is one.
func parseHeader(b []byte) (h header, err error) {
	h.b = b
	sum, err := number(b[148:156])
	if err != nil {
		return h, fmt.Errorf("the sum: %w", err)
	}
	if want := sumOf(b); sum != want {
		return h, fmt.Errorf("the sum is %d, that of the header's bytes %d", sum, want)
	}
	switch string(b[257:265]) {
	case magicGNU:
		h.gnu = true
	case magicPOSIX:
		h.posix = true
	case magicOld:
	default:
		return h, fmt.Errorf("the magic %q", b[257:265])
	}
	h.name, h.kind = text(b[:100]), b[156]
	if front := text(b[345:500]); h.posix && front != "" {
		h.name = front + "/" + h.name
	}
	if h.size, err = number(b[124:136]); err != nil {
		return h, fmt.Errorf("the size: %w", err)
	}
	return h, nil
}

// odd says what else is wrong in a header.
func (h *header) odd(at int64, ps *decoder.Problems) {
	for _, f := range []struct {
		name     string
		from, to int
	}{{"mode", 100, 108}, {"owner", 108, 116}, {"group", 116, 124}, {"time", 136, 148}} {
		if _, err := number(h.b[f.from:f.to]); err != nil {
			ps.Failf(at+int64(f.from), "tar: header of %.60q: the %s: %v", h.name, f.name, err)
		}
	}
	if text(h.b[157:257]) != "" {
		ps.Warnf(at+157, "tar: header of %.60q: the name of a link", h.name)
	}
}

// sumOf is the sum of a header's bytes, those of the sum itself taken as blanks.
func sumOf(b []byte) (sum int64) {
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	return sum
}

// text is a string up to its first 0.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

var errNumber = errors.New("not octal digits that end with a blank or a 0, and no binary number")

// number reads a number: octal digits, or after a byte 0x80 a binary one (GNU tar's
// manual, "Storing big values").
func number(b []byte) (int64, error) {
	if b[0] == 0x80 {
		for _, c := range b[1 : len(b)-min(8, len(b)-1)] {
			if c != 0 {
				return 0, errNumber
			}
		}
		var wide [8]byte
		copy(wide[max(0, 8-(len(b)-1)):], b[max(1, len(b)-8):])
		v := binary.BigEndian.Uint64(wide[:])
		if v > math.MaxInt64/4 {
			return 0, fmt.Errorf("%d is too large", v)
		}
		return int64(v), nil
	}
	digits := bytes.TrimRight(b, " \x00")
	if len(digits) == 0 {
		return 0, errNumber
	}
	var v int64
	for _, c := range digits {
		if c < '0' || c > '7' || v > math.MaxInt64>>4 {
			return 0, errNumber
		}
		v = v<<3 | int64(c-'0')
	}
	return v, nil
}
