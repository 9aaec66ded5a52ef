// Package vhdx checks and decodes VHDX images, dynamic and fixed, for verify. It
// is written from [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format",
// v20180912, whose sections the comments name, and shares no code with what
// writes images.
package vhdx

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"migimg/verify/decoder"
)

// Magic begins the file type identifier, and with it the file (2.2.1).
const Magic = "vhdxfile"

const (
	kib = 1 << 10
	mib = 1 << 20

	// headerSection is the length of all that lies at fixed places (2.2).
	headerSection = mib
	headerSize    = 4 * kib
	tableSize     = 64 * kib // of a region table, and of the metadata table
)

// Where the two headers are (2.2.2), and the two region tables (2.2.3).
var (
	headersAt = [2]int64{64 * kib, 128 * kib}
	tablesAt  = [2]int64{192 * kib, 256 * kib}
)

// extent is a range of bytes of the file.
type extent struct{ off, len int64 }

func (e extent) end() int64 { return e.off + e.len }

// castagnoli is the polynomial of all checksums (2).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of a structure, the 4 bytes of the checksum itself at
// offset 4 taken as zero (2.2.2, 2.2.3.1).
func checksum(b []byte) uint32 {
	crc := crc32.Update(0, castagnoli, b[:4])
	crc = crc32.Update(crc, castagnoli, make([]byte, 4))
	return crc32.Update(crc, castagnoli, b[8:])
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// sound reads a structure with a signature and a checksum, of which the header
// section has two each, and says whether both are right.
func sound(f decoder.File, at, size int64, signature, what string, ps *decoder.Problems) ([]byte, bool) {
	b, err := f.Bytes(at, size)
	if err != nil {
		ps.Err(at, "vhdx: "+what, err)
		return nil, false
	}
	if string(b[:4]) != signature {
		ps.Failf(at, "vhdx: %s: the signature %q is missing", what, signature)
		return nil, false
	}
	if got, want := binary.LittleEndian.Uint32(b[4:]), checksum(b); got != want {
		ps.Failf(at+4, "vhdx: %s: checksum %#08x, the bytes give %#08x", what, got, want)
		return nil, false
	}
	return b, true
}

// currentHeader gives the header that is in use: the sound one with the higher
// sequence number (2.2.2), and its place.
func currentHeader(f decoder.File, ps *decoder.Problems) (b []byte, at int64, ok bool) {
	one, oneOK := sound(f, headersAt[0], headerSize, "head", "header 1", ps)
	two, twoOK := sound(f, headersAt[1], headerSize, "head", "header 2", ps)
	switch {
	case !oneOK && !twoOK:
		return nil, 0, false
	case !twoOK:
		return one, headersAt[0], true
	case !oneOK:
		return two, headersAt[1], true
	}
	n1, n2 := binary.LittleEndian.Uint64(one[8:]), binary.LittleEndian.Uint64(two[8:])
	if n1 == n2 {
		ps.Failf(headersAt[1]+8, "vhdx: both headers have the sequence number %d: none of them is the current one", n1)
		// QEMU takes them if they are alike: Disk2vhd writes such.
		return one, headersAt[0], bytes.Equal(one, two)
	}
	if n1 > n2 {
		return one, headersAt[0], true
	}
	return two, headersAt[1], true
}

// parseHeader checks the current header and gives the place of the log. A header
// is 4 KiB, little endian (2.2.2):
//
//	0 "head", 4 checksum, 8 sequence number, 16 file write GUID, 32 data write
//	GUID, 48 log GUID, 64 log version, 66 version, 68 log length, 72 log offset,
//	80 reserved
//
// It is not ok where the rest of the file must not be read by it.
func parseHeader(b []byte, at int64, f decoder.File, ps *decoder.Problems) (log extent, ok bool) {
	le := binary.LittleEndian
	if v := le.Uint16(b[66:]); v != 1 {
		ps.Failf(at+66, "vhdx: header: version %d, must be 1", v)
		return log, false
	}
	if !allZero(b[48:64]) {
		// "If an implementation cannot replay the log because it lacks the
		// capability, then it MUST NOT attempt to open the file" (2.3.3).
		ps.Failf(at+48, "vhdx: header: the log is in use (its GUID is %x): the file was not closed, and what the log holds must be written first", b[48:64])
		return log, false
	}
	if v := le.Uint16(b[64:]); v != 0 {
		ps.Failf(at+64, "vhdx: header: log version %d, must be 0", v)
	}
	if allZero(b[16:32]) || allZero(b[32:48]) {
		ps.Warnf(at+16, "vhdx: header: the GUID of the file's or of the data's last write is zero, and so is not unique")
	}
	if !allZero(b[80:]) {
		ps.Warnf(at+80, "vhdx: header: reserved bytes are not zero")
	}
	n, off := int64(le.Uint32(b[68:])), le.Uint64(b[72:])
	switch {
	case n%mib != 0:
		ps.Failf(at+68, "vhdx: header: a log of %d bytes, which is no number of MiB", n)
	case n == 0:
		ps.Warnf(at+68, "vhdx: header: the file has no room for a log")
	case off%mib != 0 || off < headerSection:
		ps.Failf(at+72, "vhdx: header: the log is said to be at %#x; it begins at a MiB, after the first", off)
	case off > uint64(f.Size) || n > f.Size-int64(off):
		ps.Failf(at+72, "vhdx: header: the log, %d bytes at %#x, does not end before the file does, at %d", n, off, f.Size)
	default:
		log = extent{int64(off), n}
	}
	return log, true
}
