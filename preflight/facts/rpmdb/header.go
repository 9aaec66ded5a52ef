package rpmdb

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// The header of a package is an index of 16 bytes an entry (tag, type, offset,
// count; big-endian) and a store that the offsets are relative to
// (rpm, docs/manual/format_header.md and format_v4.md).
const (
	tagName    = 1000
	tagVersion = 1001
	tagRelease = 1002
	tagEpoch   = 1003
	tagVendor  = 1011
	tagArch    = 1022

	typeInt32  = 4
	typeString = 6

	maxIndex = 0xffff // rpm: hdrchkTags
	maxText  = 1024   // of a name or version, in bytes
)

// firstRead is how much of a header is read at first: the tags that are wanted
// come before the lists of files, which make it long.
const firstRead = 32 << 10

var errBeyond = errors.New("beyond what was read")

// parseHeader reads a package's name and version out of its header.
func parseHeader(b blob) (Package, error) {
	if b.size > maxHeader {
		return Package{}, fmt.Errorf("a header of %d bytes", b.size)
	}
	data, err := b.read(min(b.size, firstRead))
	if err != nil {
		return Package{}, err
	}
	p, err := parseIndex(data, b.size)
	if errors.Is(err, errBeyond) {
		if data, err = b.read(b.size); err != nil {
			return Package{}, err
		}
		p, err = parseIndex(data, b.size)
	}
	return p, err
}

// parseIndex parses a header of which data is the beginning.
func parseIndex(data []byte, size int64) (Package, error) {
	if len(data) < 8 {
		return Package{}, fmt.Errorf("a header of %d bytes", size)
	}
	entries, store := int64(be.Uint32(data)), int64(be.Uint32(data[4:]))
	if entries < 1 || entries > maxIndex || 8+16*entries+store > size {
		return Package{}, fmt.Errorf("a header of %d bytes with %d entries and %d bytes of data", size, entries, store)
	}
	begin := 8 + 16*entries
	if begin > int64(len(data)) {
		return Package{}, errBeyond
	}
	var p Package
	text := map[uint32]*string{tagName: &p.Name, tagVersion: &p.Version, tagArch: &p.Arch, tagVendor: &p.Vendor}
	release, epoch := "", ""
	text[tagRelease] = &release
	for e := data[8:begin]; len(e) > 0; e = e[16:] {
		tag, kind, off := be.Uint32(e), be.Uint32(e[4:]), int64(be.Uint32(e[8:]))
		to := text[tag]
		if to == nil && tag != tagEpoch {
			continue
		}
		switch {
		case off >= store:
			return Package{}, fmt.Errorf("tag %d at %d of %d", tag, off, store)
		case tag == tagEpoch && kind == typeInt32:
			if begin+off+4 > int64(len(data)) {
				return Package{}, errBeyond
			}
			epoch = strconv.FormatUint(uint64(be.Uint32(data[begin+off:])), 10) + ":"
		case tag != tagEpoch && kind == typeString:
			s, err := cString(data, begin+off, begin+store)
			if err != nil {
				return Package{}, fmt.Errorf("tag %d: %w", tag, err)
			}
			*to = s
		}
	}
	if p.Name == "" || p.Version == "" {
		return Package{}, errors.New("a header without a name or version")
	}
	p.Version = epoch + p.Version + "-" + release
	return p, nil
}

// cString is the string at off, that ends before end.
func cString(data []byte, off, end int64) (string, error) {
	if off >= int64(len(data)) {
		return "", errBeyond
	}
	rest := data[off:min(end, int64(len(data)), off+maxText)]
	n := bytes.IndexByte(rest, 0)
	switch {
	case n >= 0:
		return string(rest[:n]), nil
	case off+int64(len(rest)) == int64(len(data)) && int64(len(data)) < end:
		return "", errBeyond
	}
	return "", errors.New("a string without an end")
}
