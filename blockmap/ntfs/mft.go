package ntfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Numbers of the records that are looked at.
const (
	fileMFT     = 0
	fileMirror  = 1
	fileLog     = 2
	fileVolume  = 3
	fileRoot    = 5
	fileBitmap  = 6
	fileBoot    = 7
	mirrorCount = 4 // records that $MFTMirr always has
)

// maxList is how long an attribute list may be, in bytes: Windows' limit.
const maxList = 256 << 10

// openMFT finds all of $MFT. Its first record says where the first part of it
// lies; records in the part that is known hold the runs of the next one.
func (f *fsys) openMFT() error {
	c, size := f.boot.cluster, f.boot.record
	first := f.boot.clustersOf(size)
	if f.boot.mft+first > f.boot.clusters {
		return damaged("$MFT begins in the last cluster")
	}
	f.mft = &stream{runs: []run{{lcn: f.boot.mft, n: first}}, size: size, written: first * c}
	r, err := f.baseRecord(fileMFT)
	if err != nil {
		return err
	}
	f.mft = &stream{}
	if err := f.gather(r, typeData, "", f.mft); err != nil {
		return err
	}
	if len(f.mft.runs) == 0 || f.mft.runs[0].lcn != f.boot.mft {
		return damaged("$MFT says that it does not begin where the boot sector says")
	}
	if f.mft.flags != 0 || f.mft.written/size < fileBoot+1 {
		return damaged("$MFT has %d bytes, flags %#x", f.mft.written, f.mft.flags)
	}
	// What was never written holds no records.
	f.mft.size = f.mft.written
	return nil
}

// open is the contents of an attribute of the file numbered n, or nil if it has
// no such attribute.
func (f *fsys) open(n int64, kind uint32, name string) (*stream, error) {
	r, err := f.baseRecord(n)
	if err != nil {
		return nil, err
	}
	s := &stream{size: -1}
	if err := f.gather(r, kind, name, s); err != nil {
		return nil, err
	}
	if s.size < 0 {
		return nil, nil
	}
	return s, nil
}

// gather puts into s what the file with the base record r has of an attribute.
// Where the record is too small for all attributes there is a list of them that
// says in which records they are. s is the stream in f.mft where it is $MFT's
// own: with each part, more records can be read.
func (f *fsys) gather(r *record, kind uint32, name string, s *stream) error {
	attrs, err := r.attrs()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("MFT record %d: attribute %#x %q", r.number, kind, name)
	var list attr
	for _, a := range attrs {
		if a.kind() == typeList {
			list = a
		}
	}
	if list == nil {
		for _, a := range attrs {
			if a.kind() != kind || a.name() != name {
				continue
			}
			if err := f.addPart(s, a); err != nil {
				return damaged("%s: %v", what, err)
			}
		}
		return f.complete(s, what)
	}
	b, err := f.listBytes(list, r.number)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		var e listEntry
		if e, b, err = nextEntry(b); err != nil {
			return damaged("MFT record %d: attribute list: %v", r.number, err)
		}
		if e.kind != kind || e.name != name {
			continue
		}
		a, err := f.part(r, e)
		if err != nil {
			return err
		}
		if err := f.addPart(s, a); err != nil {
			return damaged("%s: %v", what, err)
		}
	}
	return f.complete(s, what)
}

// addPart adds one of an attribute's parts to s, in their order.
func (f *fsys) addPart(s *stream, a attr) error {
	if !a.nonResident() {
		v, ok := a.value()
		if !ok || s.resident != nil || s.runs != nil {
			return errors.New("impossible contents in the record")
		}
		s.resident, s.size, s.written, s.flags = v, int64(len(v)), int64(len(v)), a.flags()
		return nil
	}
	if s.resident != nil {
		return errors.New("more than what is in the record")
	}
	if a.firstCluster() == 0 {
		if s.runs != nil {
			return errors.New("two first parts")
		}
		allocated := a.i64(40)
		s.size, s.written, s.flags = a.i64(48), a.i64(56), a.flags()
		if s.written < 0 || s.written > s.size || s.size > allocated || allocated > maxClusters*f.boot.cluster {
			return fmt.Errorf("%d bytes, %d of them written, in %d", s.size, s.written, allocated)
		}
		s.runs = []run{}
	} else if s.runs == nil {
		return errors.New("no first part")
	}
	return s.appendRuns(a, f.boot.clusters)
}

// complete says whether the parts of s make all of it.
func (f *fsys) complete(s *stream, what string) error {
	if s.runs != nil && s.clusters() < f.boot.clustersOf(s.size) {
		return damaged("%s: its runs cover %d clusters, it has %d bytes", what, s.clusters(), s.size)
	}
	return nil
}

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
	if s.size > maxList || s.flags != 0 {
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

// checkMirror compares the records that $MFTMirr always has with those of $MFT.
// Windows 10 leaves more that the mirror may have out of date.
func (f *fsys) checkMirror() error {
	s, err := f.open(fileMirror, typeData, "")
	if err != nil {
		return err
	}
	size := f.boot.record
	if s == nil || len(s.runs) == 0 || s.runs[0].lcn != f.boot.mirror || s.written < mirrorCount*size || s.flags != 0 {
		return damaged("$MFTMirr is not where the boot sector says, or too short")
	}
	for n := range int64(mirrorCount) {
		r, err := f.baseRecord(n)
		if err != nil {
			return err
		}
		b := make([]byte, size)
		if err := f.readStream(s, b, n*size, "$MFTMirr"); err != nil {
			return err
		}
		m, err := parseRecord(b, n)
		if err != nil {
			return fmt.Errorf("$MFTMirr: %w", err)
		}
		if !bytes.Equal(r.b, m.b) {
			return damaged("record %d of $MFT is another than its copy in $MFTMirr", n)
		}
	}
	return nil
}
