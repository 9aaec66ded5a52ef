package ntfs

import (
	"bytes"
	"errors"
	"fmt"
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
	if !f.mft.plain() || f.mft.written/size < fileBoot+1 {
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

// checkMirror compares the records that $MFTMirr always has with those of $MFT.
// Windows 10 leaves more that the mirror may have out of date.
func (f *fsys) checkMirror() error {
	s, err := f.open(fileMirror, typeData, "")
	if err != nil {
		return err
	}
	size := f.boot.record
	if s == nil || len(s.runs) == 0 || s.runs[0].lcn != f.boot.mirror || s.written < mirrorCount*size || !s.plain() {
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
