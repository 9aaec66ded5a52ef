// Package qcow2 checks and decodes qcow2 images for verify.
//
// The guest's bytes come from lima-vm/go-qcow2reader, a decoder that others
// wrote. The structure is checked here, straight from the specification (QEMU,
// docs/interop/qcow2), because `qemu-img check` lets pass what makes an image
// unusable: a file that is short by less than a cluster, zero flags in a version
// 2 image, data after the last cluster.
package qcow2

import (
	"encoding/binary"
	"fmt"
	"math"

	"migimg/verify/decoder"
)

// Magic begins every qcow2 file.
const Magic = "QFI\xfb"

const (
	minClusterBits, maxClusterBits = 9, 21 // QEMU: 512 bytes to 2 MiB

	maxL1       = 32 << 20 // bytes; QEMU's limit of the L1 table
	maxRefTable = 8 << 20  // bytes; QEMU's limit of the refcount table

	offsetMask = 0x00fffffffffffe00 // bits 9 to 55 of L1 and L2 entries
	copied     = 1 << 63
	compressed = 1 << 62
	// compressionType is the incompatible feature of clusters that zlib has not packed.
	compressionType = 8
	zeroFlag        = 1 << 0
)

// header is the fixed part of the file's first cluster, big endian:
//
//	0 magic, 4 version, 8 backing file offset, 16 its length, 20 cluster bits,
//	24 virtual size, 32 encryption, 36 L1 entries, 40 L1 offset,
//	48 refcount table offset, 56 its clusters, 60 snapshots, 64 their offset,
//	and in version 3: 72 incompatible, 80 compatible, 88 autoclear features,
//	96 refcount order, 100 header length, 104 compression type (if longer)
type header struct {
	version     uint32
	clusterBits uint32
	size        int64
	l1Size      int64
	l1Off       int64
	rtOff       int64
	rtClusters  int64
	refOrder    uint32
	length      int64
	zstd        bool // compressed clusters are zstd frames
}

func (h *header) cluster() int64 { return 1 << h.clusterBits }

// l1Needed is how many L1 entries the virtual size asks for: an L2 table is one
// cluster of 8 byte entries.
func (h *header) l1Needed() int64 {
	bits := 2*h.clusterBits - 3
	return (h.size + 1<<bits - 1) >> bits
}

// parseHeader reads the header. It is not ok where the rest of the image cannot
// be made sense of; then a problem says why.
func parseHeader(f decoder.File, ps *decoder.Problems) (h header, ok bool) {
	b := make([]byte, 112)
	if n, err := f.ReadAt(b, 0); n < 72 {
		ps.Err(0, "qcow2: header", err)
		return h, false
	}
	be := binary.BigEndian
	bad := func(off int64, format string, a ...any) (header, bool) {
		ps.Failf(off, "qcow2: header: "+format, a...)
		return h, false
	}
	if string(b[:4]) != Magic {
		return bad(0, "the magic is missing")
	}
	h.version = be.Uint32(b[4:])
	if h.version != 2 && h.version != 3 {
		return bad(4, "version %d, only 2 and 3 exist", h.version)
	}
	if be.Uint64(b[8:]) != 0 || be.Uint32(b[16:]) != 0 {
		return bad(8, "names a backing file: the image is not complete in itself")
	}
	h.clusterBits = be.Uint32(b[20:])
	if h.clusterBits < minClusterBits || h.clusterBits > maxClusterBits {
		return bad(20, "clusters of 2^%d bytes; 2^%d to 2^%d are allowed", h.clusterBits, minClusterBits, maxClusterBits)
	}
	if m := be.Uint32(b[32:]); m != 0 {
		return bad(32, "encrypted (method %d)", m)
	}
	if n := be.Uint32(b[60:]); n != 0 {
		return bad(60, "%d snapshots", n)
	}
	if off := be.Uint64(b[64:]); off != 0 {
		ps.Failf(64, "qcow2: header: a snapshot table at %d without snapshots", off)
	}
	h.refOrder, h.length = 4, 72
	if h.version == 3 {
		if !parseV3(b, &h, ps) {
			return h, false
		}
	}
	size := be.Uint64(b[24:])
	if size == 0 || size > math.MaxInt64-1<<(2*maxClusterBits) {
		return bad(24, "a virtual size of %d bytes", size)
	}
	h.size = int64(size)
	if h.size%512 != 0 {
		ps.Warnf(24, "qcow2: header: the virtual size %d is no multiple of 512: QEMU shows another size", h.size)
	}
	h.l1Size = int64(be.Uint32(b[36:]))
	if h.l1Size > maxL1/8 {
		return bad(36, "an L1 table of %d entries; %d are allowed", h.l1Size, maxL1/8)
	}
	if n := h.l1Needed(); h.l1Size < n {
		return bad(36, "an L1 table of %d entries; %d bytes need %d", h.l1Size, h.size, n)
	} else if h.l1Size > n {
		ps.Warnf(36, "qcow2: header: an L1 table of %d entries; %d bytes need only %d", h.l1Size, h.size, n)
	}
	h.rtClusters = int64(be.Uint32(b[56:]))
	if h.rtClusters == 0 || h.rtClusters<<h.clusterBits > max(maxRefTable, h.cluster()) {
		return bad(56, "a refcount table of %d clusters", h.rtClusters)
	}
	var err error
	if h.l1Off, err = tableAt(be.Uint64(b[40:]), h.l1Size*8, &h, f); err != nil {
		return bad(40, "L1 table: %v", err)
	}
	if h.rtOff, err = tableAt(be.Uint64(b[48:]), h.rtClusters<<h.clusterBits, &h, f); err != nil {
		return bad(48, "refcount table: %v", err)
	}
	return h, extensions(f, &h, ps)
}

func parseV3(b []byte, h *header, ps *decoder.Problems) bool {
	be := binary.BigEndian
	features := be.Uint64(b[72:])
	if features&^compressionType != 0 {
		ps.Failf(72, "qcow2: header: incompatible features %#x (1 dirty, 2 corrupt, 4 external data, 8 compression type, 16 extended L2): importers refuse some, and this check knows only 8", features)
		return false
	}
	if v := be.Uint64(b[80:]); v > 1 {
		ps.Failf(80, "qcow2: header: unknown compatible features %#x", v)
	} else if v == 1 {
		ps.Warnf(80, "qcow2: header: lazy refcounts")
	}
	if v := be.Uint64(b[88:]); v != 0 {
		ps.Failf(88, "qcow2: header: autoclear features %#x", v)
	}
	h.refOrder = be.Uint32(b[96:])
	if h.refOrder > 6 {
		ps.Failf(96, "qcow2: header: refcounts of 2^%d bits; at most 2^6 are allowed", h.refOrder)
		return false
	}
	h.length = int64(be.Uint32(b[100:]))
	if h.length < 104 || h.length%8 != 0 || h.length > h.cluster() {
		ps.Failf(100, "qcow2: header: a length of %d bytes", h.length)
		return false
	}
	method := [8]byte{}
	if h.length > 104 {
		copy(method[:], b[104:])
	}
	h.zstd = method == [8]byte{1}
	switch {
	case h.zstd == (features == compressionType) && (h.zstd || method == [8]byte{}):
	case features == 0:
		ps.Failf(104, "qcow2: header: compression type %#x without its feature bit", method)
		return false
	default:
		ps.Failf(104, "qcow2: header: compression type %#x with the feature bit of another than zlib: only 1, zstd, is one", method)
		return false
	}
	if h.length > 112 {
		ps.Warnf(100, "qcow2: header: %d bytes long; the known fields need 112", h.length)
	}
	return true
}

// tableAt checks where a table of n bytes lies.
func tableAt(off uint64, n int64, h *header, f decoder.File) (int64, error) {
	switch {
	case off == 0 || off > math.MaxInt64 || int64(off)%h.cluster() != 0:
		return 0, fmt.Errorf("offset %#x is not that of a cluster", off)
	case int64(off) > f.Size || n > f.Size-int64(off):
		return 0, fmt.Errorf("bytes %d to %d, but the file ends at %d (a short copy?)", off, int64(off)+n, f.Size)
	}
	return int64(off), nil
}

// extensions walks the list of header extensions: 4 byte type, 4 byte length,
// data padded to 8 bytes, and a type of 0 at its end.
func extensions(f decoder.File, h *header, ps *decoder.Problems) bool {
	first, err := f.Bytes(0, min(h.cluster(), f.Size))
	if err != nil {
		ps.Err(0, "qcow2: header extensions", err)
		return false
	}
	at := h.length
	for range 64 {
		if at+8 > int64(len(first)) {
			break
		}
		kind, n := binary.BigEndian.Uint32(first[at:]), int64(binary.BigEndian.Uint32(first[at+4:]))
		switch {
		case kind == 0 && n == 0:
			for i, c := range first[at+8:] {
				if c != 0 {
					ps.Warnf(at+8+int64(i), "qcow2: header: bytes after the last extension")
					break
				}
			}
			return true
		case kind == 0 || n > 4096 || at+8+n > int64(len(first)):
			ps.Failf(at, "qcow2: header extension %#08x of %d bytes", kind, n)
			return false
		case kind != 0x6803f857: // the feature name table is harmless
			ps.Failf(at, "qcow2: header extension %#08x: not for an image that is complete in itself", kind)
		}
		at += 8 + (n+7)/8*8
	}
	ps.Failf(at, "qcow2: the header extensions do not end")
	return false
}
