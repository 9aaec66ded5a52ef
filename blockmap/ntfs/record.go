package ntfs

import (
	"encoding/binary"
	"fmt"
)

// Records of several sectors end each of them with the same number, the update
// sequence number, so that a torn write is noticed. What stood there is kept in
// an array behind the number (ntfs-3g, libntfs-3g/mst.c). The stride is 512
// bytes on every medium.
const stride = 512

// fixup undoes this in b, or says that it was torn. b is a multiple of stride
// long.
func fixup(b []byte) error {
	le := binary.LittleEndian
	at, n := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if n != len(b)/stride+1 || at%2 != 0 || at < 8 || at+2*n > stride-2 {
		return fmt.Errorf("impossible update sequence of %d words at %d", n, at)
	}
	usn := le.Uint16(b[at:])
	for i := 1; i < n; i++ {
		end := b[i*stride-2:]
		if le.Uint16(end) != usn {
			return fmt.Errorf("sector %d was not written with the others", i-1)
		}
		copy(end[:2], b[at+2*i:])
	}
	return nil
}

// An MFT record (ntfs-3g, include/ntfs-3g/layout.h, MFT_RECORD):
//
//	0    "FILE"
//	4    place of the update sequence, 16 bits; 6 its words, 16 bits
//	16   sequence number, 16 bits: how often the record was used anew
//	20   place of the first attribute, 16 bits
//	22   flags, 16 bits: 1 in use
//	24   bytes in use, 32 bits; 28 bytes allocated, 32 bits
//	32   the base record, if this one only holds more of its attributes: 48
//	     bits of number, 16 of its sequence number
//	44   the record's own number, 32 bits; from 3.1 on, where the update
//	     sequence begins at 48
const recordInUse = 1

// record is an MFT record that has been checked.
type record struct {
	number int64
	b      []byte // as far as it is in use
}

func (r *record) sequence() uint16 { return binary.LittleEndian.Uint16(r.b[16:]) }
func (r *record) inUse() bool      { return binary.LittleEndian.Uint16(r.b[22:])&recordInUse != 0 }
func (r *record) base() uint64     { return binary.LittleEndian.Uint64(r.b[32:]) }

// refNumber and refSequence take a reference to a record apart.
func refNumber(ref uint64) int64    { return int64(ref & (1<<48 - 1)) }
func refSequence(ref uint64) uint16 { return uint16(ref >> 48) }

// parseRecord checks b, the record numbered n, and undoes its update sequence.
func parseRecord(b []byte, n int64) (*record, error) {
	le := binary.LittleEndian
	if string(b[:4]) != "FILE" {
		return nil, damaged("MFT record %d begins with %q", n, b[:4])
	}
	if err := fixup(b); err != nil {
		return nil, damaged("MFT record %d: %v", n, err)
	}
	first, used := int64(le.Uint16(b[20:])), int64(le.Uint32(b[24:]))
	if first < 42 || first%8 != 0 || used < first+4 || used > int64(len(b)) || int64(le.Uint32(b[28:])) != int64(len(b)) {
		return nil, damaged("MFT record %d: attributes at %d, %d bytes in use of %d", n, first, used, len(b))
	}
	if le.Uint16(b[4:]) >= 48 && le.Uint32(b[44:]) != uint32(n) {
		return nil, damaged("MFT record %d says it is number %d", n, le.Uint32(b[44:]))
	}
	return &record{number: n, b: b[:used]}, nil
}

// record reads the MFT record numbered n.
func (f *fsys) record(n int64) (*record, error) {
	size := f.boot.record
	if n < 0 || n >= f.mft.size/size {
		return nil, damaged("MFT record %d is beyond the %d that there are", n, f.mft.size/size)
	}
	b := make([]byte, size)
	if err := f.readStream(f.mft, b, n*size, fmt.Sprintf("MFT record %d", n)); err != nil {
		return nil, err
	}
	return parseRecord(b, n)
}

// baseRecord reads the record numbered n, which must be in use and no
// extension of another.
func (f *fsys) baseRecord(n int64) (*record, error) {
	r, err := f.record(n)
	if err != nil {
		return nil, err
	}
	if !r.inUse() || r.base() != 0 {
		return nil, damaged("MFT record %d is not in use, or part of another", n)
	}
	return r, nil
}
