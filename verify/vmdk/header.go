// Package vmdk checks and decodes VMDK images for verify: those that are one file
// (streamOptimized, monolithicSparse), and flat ones, which are a text and the disk
// beside it (monolithicFlat, vmfs). It is written from VMware's "Virtual Disk Format
// 5.0" technical note and shares no code with what writes images.
package vmdk

import (
	"encoding/binary"
	"math/bits"

	"migimg/verify/decoder"
)

// Magic begins the header of a sparse extent.
const Magic = "KDMV"

const (
	sector = 512

	flagNewline    = 1 << 0  // the line end test of the header is valid
	flagRedundant  = 1 << 1  // there is a second grain directory
	flagZeroGrain  = 1 << 2  // a grain table entry of 1 is a grain of zeros
	flagCompressed = 1 << 16 // grains are compressed
	flagMarkers    = 1 << 17 // grains begin with a marker

	gdAtEnd = 1<<64 - 1 // the grain directory is named by a footer

	gtEntries = 512 // entries of a grain table; the note fixes it

	// maxTables bounds the grain directory: 128 TiB of 64 KiB grains.
	maxTables = 4 << 20
)

// header is a sparse extent's first sector, little endian, unaligned:
//
//	0 magic, 4 version, 8 flags, 12 capacity, 20 grain size, 28 descriptor
//	offset, 36 its size, 44 entries of a grain table, 48 redundant grain
//	directory, 56 grain directory, 64 overhead, 72 unclean shutdown,
//	73 line end test, 77 compression, 79 padding
//
// Offsets and sizes are in sectors there and in bytes here.
type header struct {
	version  uint32
	flags    uint32
	capacity int64
	grain    int64
	descOff  int64
	descSize int64
	rgd, gd  int64
	overhead int64
}

func (h *header) stream() bool { return h.flags&flagCompressed != 0 }

// grains and tables are how many grains and grain tables the disk has.
func (h *header) grains() int64 { return (h.capacity + h.grain - 1) / h.grain }
func (h *header) tables() int64 { return (h.grains() + gtEntries - 1) / gtEntries }

// parseHeader reads the header. It is not ok where the rest of the image cannot
// be made sense of; then a problem says why.
func parseHeader(f decoder.File, ps *decoder.Problems) (h header, ok bool) {
	b, err := f.Bytes(0, sector)
	if err != nil {
		ps.Err(0, "vmdk: header", err)
		return h, false
	}
	le := binary.LittleEndian
	bad := func(off int64, format string, a ...any) (header, bool) {
		ps.Failf(off, "vmdk: header: "+format, a...)
		return h, false
	}
	if string(b[:4]) != Magic {
		return bad(0, "the magic is missing")
	}
	h.version, h.flags = le.Uint32(b[4:]), le.Uint32(b[8:])
	if h.version < 1 || h.version > 3 {
		return bad(4, "version %d; readers know 1 to 3", h.version)
	}
	const known = flagNewline | flagRedundant | flagZeroGrain | flagCompressed | flagMarkers
	if h.flags&^known != 0 {
		return bad(8, "unknown flags %#x", h.flags&^known)
	}
	if (h.flags&flagCompressed != 0) != (h.flags&flagMarkers != 0) {
		return bad(8, "flags %#x: compressed grains and markers go together", h.flags)
	}
	if h.stream() && h.version < 3 {
		ps.Warnf(4, "vmdk: header: version %d: vSphere wants 3 of a stream-optimized disk", h.version)
	}
	if h.flags&flagZeroGrain != 0 && h.version < 2 {
		ps.Failf(8, "vmdk: header: zeroed grains need version 2")
	}
	if n := le.Uint32(b[44:]); n != gtEntries {
		return bad(44, "grain tables of %d entries, must be %d", n, gtEntries)
	}
	grain := le.Uint64(b[20:])
	if grain < 8 || grain > 4096 || bits.OnesCount64(grain) != 1 {
		return bad(20, "grains of %d sectors", grain)
	}
	h.grain = int64(grain) * sector
	capacity := le.Uint64(b[12:])
	if capacity == 0 || capacity > maxTables*gtEntries*grain {
		return bad(12, "a capacity of %d sectors", capacity)
	}
	h.capacity = int64(capacity) * sector
	if capacity%grain != 0 {
		ps.Warnf(12, "vmdk: header: the capacity of %d sectors is no multiple of the grain's %d", capacity, grain)
	}
	if le.Uint64(b[56:]) == gdAtEnd {
		return bad(56, "the grain directory is named by a footer: OpenStack refuses such images, and this check does not read them")
	}
	for _, x := range []struct {
		off  int64
		name string
		to   *int64
		most uint64 // sectors
	}{
		{28, "descriptor offset", &h.descOff, 1 << 32}, {36, "descriptor size", &h.descSize, 2048},
		{48, "redundant grain directory", &h.rgd, 1 << 32}, {56, "grain directory", &h.gd, 1 << 32},
		{64, "overhead", &h.overhead, 1 << 32},
	} {
		v := le.Uint64(b[x.off:])
		if v > x.most {
			return bad(x.off, "%s is %d sectors", x.name, v)
		}
		*x.to = int64(v) * sector
	}
	checkHeader(b, &h, f, ps)
	return h, true
}

// checkHeader checks what a decoder could do without.
func checkHeader(b []byte, h *header, f decoder.File, ps *decoder.Problems) {
	want := uint16(0)
	if h.stream() {
		want = 1 // deflate
	}
	if v := binary.LittleEndian.Uint16(b[77:]); v != want {
		ps.Failf(77, "vmdk: header: compression %d, must be %d", v, want)
	}
	if b[72] != 0 {
		ps.Failf(72, "vmdk: header: the disk was not closed")
	}
	switch nl := string(b[73:77]); {
	case h.flags&flagNewline == 0:
		ps.Warnf(8, "vmdk: header: the line end test is switched off")
	case nl != "\n \r\n":
		ps.Failf(73, "vmdk: header: the line ends are %q: something took the file for text", nl)
	}
	for i, c := range b[79:] {
		if c != 0 {
			ps.Warnf(79+int64(i), "vmdk: header: bytes in its padding")
			break
		}
	}
	if h.flags&flagRedundant == 0 && h.rgd != 0 {
		ps.Failf(48, "vmdk: header: a redundant grain directory without its flag")
	}
	if h.stream() && h.flags&flagRedundant != 0 {
		ps.Warnf(8, "vmdk: header: a redundant grain directory in a stream-optimized disk, as qemu-img writes it: ovftool and vSphere refuse it")
	}
	if h.overhead > f.Size {
		ps.Failf(64, "vmdk: header: the metadata takes %d bytes, but the file ends at %d: a short copy", h.overhead, f.Size)
	}
	if f.Size%sector != 0 {
		ps.Failf(f.Size, "vmdk: the file has %d bytes, which is no number of sectors: a short copy, or something was appended", f.Size)
	}
}
