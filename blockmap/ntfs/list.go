package ntfs

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxList is how long an attribute list may be, in bytes: Windows' limit.
const maxList = 256 << 10

// listBytes is the contents of an attribute list of the file numbered n.
func (f *fsys) listBytes(list attr, n int64) ([]byte, error) {
	s := &stream{}
	what := fmt.Sprintf("attribute list of MFT record %d", n)
	if err := f.addPart(s, list); err != nil {
		return nil, damaged("%s: %v", what, err)
	}
	if err := f.complete(s, what); err != nil {
		return nil, err
	}
	if s.size > maxList || !s.plain() {
		return nil, damaged("%s: %d bytes, flags %#x", what, s.size, s.flags)
	}
	b := make([]byte, s.size)
	return b, f.readStream(s, b, 0, what)
}

// listEntry is an entry of an attribute list (ntfs-3g, include/ntfs-3g/
// layout.h, ATTR_LIST_ENTRY):
//
//	0    type, 32 bits; 4 bytes of the entry, 16 bits
//	6    characters of the name, 8 bits; 7 their place, 8 bits
//	8    first cluster of the contents that the part covers, 64 bits
//	16   record that the part is in, 64 bits; 24 instance, 16 bits
type listEntry struct {
	kind     uint32
	name     string
	first    int64
	ref      uint64
	instance uint16
}

// nextEntry takes the first entry off b.
func nextEntry(b []byte) (e listEntry, rest []byte, err error) {
	le := binary.LittleEndian
	if len(b) < 26 {
		return e, nil, io.ErrUnexpectedEOF
	}
	n, chars, at := int(le.Uint16(b[4:])), int(b[6]), int(b[7])
	if n < 26 || n%8 != 0 || n > len(b) || chars > 0 && at+2*chars > n {
		return e, nil, fmt.Errorf("impossible entry of %d bytes", n)
	}
	e = listEntry{kind: le.Uint32(b), first: int64(le.Uint64(b[8:])), ref: le.Uint64(b[16:]), instance: le.Uint16(b[24:])}
	if chars > 0 {
		e.name = text(b[at : at+2*chars])
	}
	return e, b[n:], nil
}

// part finds the attribute that e of base's list stands for.
func (f *fsys) part(base *record, e listEntry) (attr, error) {
	r := base
	if n := refNumber(e.ref); n != base.number {
		var err error
		if r, err = f.record(n); err != nil {
			return nil, err
		}
		if !r.inUse() || r.sequence() != refSequence(e.ref) || refNumber(r.base()) != base.number {
			return nil, damaged("MFT record %d does not belong to record %d", n, base.number)
		}
	}
	attrs, err := r.attrs()
	if err != nil {
		return nil, err
	}
	for _, a := range attrs {
		if a.kind() == e.kind && a.name() == e.name && a.firstCluster() == e.first && binary.LittleEndian.Uint16(a[14:]) == e.instance {
			return a, nil
		}
	}
	return nil, damaged("MFT record %d has no attribute %#x %q, which record %d lists", r.number, e.kind, e.name, base.number)
}
