package ntfs

import (
	"encoding/binary"
	"unicode/utf16"
)

// Types of attributes (ntfs-3g, include/ntfs-3g/layout.h, ATTR_TYPES).
const (
	typeList       = 0x20
	typeVolumeName = 0x60
	typeVolumeInfo = 0x70
	typeData       = 0x80
	typeIndexRoot  = 0x90
	typeIndexAlloc = 0xa0
	typeBitmap     = 0xb0
	typeEnd        = 0xffffffff
)

// An attribute in a record (ntfs-3g, include/ntfs-3g/layout.h, ATTR_RECORD):
//
//	0    type, 32 bits; 4 its bytes in the record, 32 bits
//	8    1 where the contents are outside of the record, 8 bits
//	9    characters of its name, 8 bits; 10 place of the name, 16 bits
//	12   flags, 16 bits
//
// with the contents in the record:
//
//	16   bytes of the contents, 32 bits; 20 their place, 16 bits
//
// or outside of it:
//
//	16   first and 24 last cluster of the contents that its runs cover, 64 bits
//	32   place of the runs, 16 bits
//	40   bytes allocated, 48 bytes of contents, 56 bytes of them that were ever
//	     written (the rest reads as zeros), 64 bits each; only where the first
//	     cluster is 0
type attr []byte

const (
	flagCompressed = 0x00ff
	flagEncrypted  = 0x4000

	residentHead    = 24
	nonResidentHead = 64
)

func (a attr) kind() uint32      { return binary.LittleEndian.Uint32(a) }
func (a attr) nonResident() bool { return a[8] != 0 }
func (a attr) flags() uint16     { return binary.LittleEndian.Uint16(a[12:]) }
func (a attr) i64(at int) int64  { return int64(binary.LittleEndian.Uint64(a[at:])) }

// name is the attribute's name; all that are looked for here are ASCII.
func (a attr) name() string {
	at, n := int(binary.LittleEndian.Uint16(a[10:])), int(a[9])
	if n == 0 {
		return ""
	}
	if at+2*n > len(a) {
		return "\x00"
	}
	return text(a[at : at+2*n])
}

// firstCluster is the first cluster of the contents that a covers.
func (a attr) firstCluster() int64 {
	if !a.nonResident() {
		return 0
	}
	return a.i64(16)
}

// value is the contents of a resident attribute, or nothing where it leaves a.
func (a attr) value() ([]byte, bool) {
	n, at := int64(binary.LittleEndian.Uint32(a[16:])), int64(binary.LittleEndian.Uint16(a[20:]))
	if a.nonResident() || at < residentHead || at+n > int64(len(a)) {
		return nil, false
	}
	return a[at : at+n], true
}

// attrs are the attributes in r.
func (r *record) attrs() ([]attr, error) {
	le := binary.LittleEndian
	var out []attr
	b := r.b[le.Uint16(r.b[20:]):]
	for {
		if len(b) >= 4 && le.Uint32(b) == typeEnd {
			return out, nil
		}
		if len(b) < residentHead {
			break
		}
		n := int64(le.Uint32(b[4:]))
		if n < residentHead || n%8 != 0 || n > int64(len(b)) {
			break
		}
		a := attr(b[:n])
		if a.nonResident() && n < nonResidentHead {
			break
		}
		out = append(out, a)
		b = b[n:]
	}
	return nil, damaged("MFT record %d: attribute %d leaves the record", r.number, len(out))
}

// text is UTF-16 made UTF-8.
func text(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}
