// Package vhd checks and decodes VHD images, fixed and dynamic, for verify. It
// is written from Microsoft's "Virtual Hard Disk Image Format Specification"
// 1.0 (2006) and shares no code with what writes images.
package vhd

import (
	"encoding/binary"
	"fmt"

	"migimg/verify/decoder"
)

// Magic is the cookie of a footer, and so how a dynamic VHD begins.
const Magic = "conectix"

const (
	sector     = 512
	footerSize = 512
	headerSize = 1024

	typeFixed, typeDynamic = 2, 3

	// maxSize is the largest virtual size in bytes that readers accept: QEMU and
	// Hyper-V stop at 0xff000000 sectors, 2040 GiB.
	maxSize = 0xff000000 * sector
)

// footer is 512 bytes, big endian:
//
//	0 cookie, 8 features, 12 version, 16 data offset, 24 time, 28 creator,
//	32 its version, 36 its system, 40 original size, 48 current size,
//	56 geometry (2 cylinders, 1 heads, 1 sectors), 60 type, 64 checksum,
//	68 UUID, 84 saved state, 85 reserved
type footer struct {
	dataOffset uint64
	creator    string
	size       int64
	chs        int64 // bytes that the geometry holds
	kind       uint32
}

// checksum is the one's complement of the sum of all bytes, those of the
// checksum itself (4 at off) taken as zero.
func checksum(b []byte, off int) uint32 {
	var sum uint32
	for i, c := range b {
		if i < off || i >= off+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}

// isFooter says whether b may be a footer at all.
func isFooter(b []byte) bool { return string(b[:8]) == Magic }

// soundFooter says whether b is a footer with the right checksum.
func soundFooter(b []byte) bool {
	return isFooter(b) && binary.BigEndian.Uint32(b[64:]) == checksum(b, 64)
}

// IsFixed says whether a file without a magic at its start is a fixed VHD: its
// last 512 bytes are then a footer with the right checksum.
func IsFixed(f decoder.File) bool {
	b, err := f.Bytes(f.Size-footerSize, footerSize)
	return err == nil && soundFooter(b) && binary.BigEndian.Uint32(b[60:]) == typeFixed
}

// parseFooter reads a footer with the right checksum, at file offset at.
func parseFooter(b []byte, at int64, ps *decoder.Problems) (footer, bool) {
	be := binary.BigEndian
	t := footer{dataOffset: be.Uint64(b[16:]), creator: string(b[28:32]), kind: be.Uint32(b[60:])}
	if v := be.Uint32(b[8:]); v&^1 != 2 {
		ps.Failf(at+8, "vhd: footer: features %#x, must be 2", v)
	} else if v&1 != 0 {
		ps.Warnf(at+8, "vhd: footer: marked as a temporary disk")
	}
	if v := be.Uint32(b[12:]); v != 0x10000 {
		ps.Failf(at+12, "vhd: footer: version %#x, must be 0x10000", v)
	}
	if b[84] != 0 {
		ps.Failf(at+84, "vhd: footer: a saved state is said to belong to the disk")
	}
	for i, c := range b[85:] {
		if c != 0 {
			ps.Warnf(at+85+int64(i), "vhd: footer: reserved bytes are not zero")
			break
		}
	}
	if t.kind != typeFixed && t.kind != typeDynamic {
		ps.Failf(at+60, "vhd: footer: type %d; only 2 (fixed) and 3 (dynamic) are complete in themselves", t.kind)
		return t, false
	}
	size := be.Uint64(b[48:])
	switch {
	case size > maxSize:
		ps.Failf(at+48, "vhd: footer: a disk of %d bytes; readers stop at %d (2040 GiB)", size, int64(maxSize))
		return t, false
	case size == 0 || size%sector != 0:
		ps.Failf(at+48, "vhd: footer: a disk of %d bytes, which is no number of sectors", size)
		return t, false
	}
	t.size = int64(size)
	if o := be.Uint64(b[40:]); o != size {
		ps.Warnf(at+40, "vhd: footer: original size %d, current size %d", o, size)
	}
	c, h, s := int64(be.Uint16(b[56:])), int64(b[58]), int64(b[59])
	t.chs = c * h * s * sector
	t.geometry(c, h, s, at, ps)
	return t, true
}

// geometry says what readers make of the disk that take its size from the
// geometry: QEMU does so for the creators "vpc " and "qemu", its older versions
// (7.2) for every creator they do not know, and never for the largest geometry.
func (t *footer) geometry(c, h, s, at int64, ps *decoder.Problems) {
	if t.chs == t.size || c == 65535 && h == 16 && s == 255 {
		return
	}
	what := fmt.Sprintf("vhd: footer: creator %q and a geometry of %d/%d/%d: readers that go by the geometry see %d of %d bytes", t.creator, c, h, s, t.chs, t.size)
	switch t.creator {
	case "win ", "qem2", "tap\x00", "d2v ", "vs  ", "wa\x00\x00", "CTXS":
		if t.chs == 0 {
			ps.Warnf(at+56, "%s", what)
		}
	case "vpc ", "qemu":
		ps.Failf(at+28, "%s", what)
	default:
		ps.Warnf(at+28, "%s", what)
	}
}
