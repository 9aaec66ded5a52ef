package vhd

import (
	"encoding/binary"
	"math"
	"math/bits"

	"migimg/verify/decoder"
)

const (
	// Block sizes that the common readers open: 512 KiB to 4 MiB were tried with
	// QEMU and libvhdi, Hyper-V writes 2 MiB; the bounds here are only those of
	// what a decoder can hold.
	minBlock, maxBlock = 4 << 10, 256 << 20

	// maxEntries bounds the BAT: 2040 GiB in blocks of 128 KiB.
	maxEntries = 16 << 20

	unused = 0xffffffff // a BAT entry without a block
)

// header is the dynamic disk header, 1024 bytes, big endian:
//
//	0 cookie "cxsparse", 8 data offset (all ones), 16 table offset, 24 version,
//	28 max table entries, 32 block size, 36 checksum, 40 parent UUID, 56 time,
//	60 reserved, 64 parent name, 576 parent locators, 768 reserved
type header struct {
	tableOff int64
	entries  int64
	block    int64 // bytes
	bitmap   int64 // bytes of the sector bitmap before each block
}

func (h *header) stride() int64 { return h.bitmap + h.block }

func parseHeader(f decoder.File, t footer, ps *decoder.Problems) (h header, ok bool) {
	if t.dataOffset > math.MaxInt64 || t.dataOffset%sector != 0 || t.dataOffset < footerSize {
		ps.Failf(16, "vhd: footer: the dynamic header is said to be at %#x", t.dataOffset)
		return h, false
	}
	at := int64(t.dataOffset)
	b, err := f.Bytes(at, headerSize)
	if err != nil {
		ps.Err(at, "vhd: dynamic header", err)
		return h, false
	}
	be := binary.BigEndian
	bad := func(off int64, format string, a ...any) (header, bool) {
		ps.Failf(at+off, "vhd: dynamic header: "+format, a...)
		return h, false
	}
	if string(b[:8]) != "cxsparse" {
		return bad(0, "the cookie is missing")
	}
	if got, want := be.Uint32(b[36:]), checksum(b, 36); got != want {
		return bad(36, "checksum %#08x, the bytes give %#08x", got, want)
	}
	if v := be.Uint64(b[8:]); v != math.MaxUint64 {
		ps.Failf(at+8, "vhd: dynamic header: data offset %#x, must be all ones", v)
	}
	if v := be.Uint32(b[24:]); v != 0x10000 {
		ps.Failf(at+24, "vhd: dynamic header: version %#x, must be 0x10000", v)
	}
	for i, c := range b[40:] {
		if c != 0 {
			ps.Failf(at+40+int64(i), "vhd: dynamic header: names a parent, or reserved bytes are not zero")
			break
		}
	}
	h.block = int64(be.Uint32(b[32:]))
	if h.block < minBlock || h.block > maxBlock || bits.OnesCount64(uint64(h.block)) != 1 {
		return bad(32, "blocks of %d bytes", h.block)
	}
	h.bitmap = (h.block/sector/8 + sector - 1) / sector * sector
	h.entries = int64(be.Uint32(b[28:]))
	switch need := (t.size + h.block - 1) / h.block; {
	case h.entries < need:
		return bad(28, "%d table entries; the disk has %d blocks", h.entries, need)
	case h.entries > maxEntries:
		ps.Unknownf(at+28, "vhd: dynamic header: %d table entries are too many to check", h.entries)
		return h, false
	case h.entries > need:
		ps.Failf(at+28, "vhd: dynamic header: %d table entries; the disk has %d blocks, and tools that go by the table make it longer", h.entries, need)
	}
	table := be.Uint64(b[16:])
	if table > math.MaxInt64-4*maxEntries || table%sector != 0 || table < footerSize {
		return bad(16, "the block table is said to be at %#x", table)
	}
	h.tableOff = int64(table)
	if h.tableOff < at+headerSize && at < h.tableEnd() {
		return bad(16, "the block table at %d overlaps the header at %d", h.tableOff, at)
	}
	return h, true
}

// tableEnd is the first byte after the block table and its padding.
func (h *header) tableEnd() int64 {
	return (h.tableOff + 4*h.entries + sector - 1) / sector * sector
}
